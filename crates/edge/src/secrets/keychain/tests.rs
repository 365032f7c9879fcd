use super::*;
use postern_protocol::{ErrorCode, Secret};
use std::collections::HashMap;

/// A keychain whose dialog is answered by the test.
#[derive(Default)]
struct Fake {
    items: HashMap<String, String>,
    dialog: Option<mpsc::Receiver<()>>,
    absent: bool,
}

impl Fake {
    fn wait(&self) -> Result<(), SecretStoreError> {
        if self.absent {
            return Err(SecretStoreError::Absent("no session bus".into()));
        }
        if let Some(dialog) = &self.dialog {
            dialog.recv().unwrap();
        }
        Ok(())
    }
}

impl Keychain for Fake {
    fn get(&mut self, item: &str) -> Result<Option<String>, SecretStoreError> {
        self.wait()?;
        Ok(self.items.get(item).cloned())
    }
    fn set(&mut self, item: &str, text: &str) -> Result<(), SecretStoreError> {
        self.wait()?;
        self.items.insert(item.into(), text.into());
        Ok(())
    }
    fn remove(&mut self, item: &str) -> Result<(), SecretStoreError> {
        self.wait()?;
        self.items.remove(item);
        Ok(())
    }
}

fn token(text: &str) -> ProfileSecrets {
    ProfileSecrets { token: Some(Secret::new(text)), worker: None, local: Vec::new() }
}

#[tokio::test]
async fn one_item_holds_a_profile() {
    let store = KeychainSecrets::start(Fake::default(), Duration::from_secs(10)).unwrap();
    assert_eq!(store.load("p").await.unwrap(), None);
    store.save("p", &token("pst_1")).await.unwrap();
    assert_eq!(store.load("p").await.unwrap(), Some(token("pst_1")));
    store.delete("p").await.unwrap();
    assert_eq!(store.load("p").await.unwrap(), None);
}

#[tokio::test]
async fn an_open_dialog_is_given_up_on_and_later_answered() {
    let (answer, dialog) = mpsc::channel();
    let fake = Fake { dialog: Some(dialog), ..Fake::default() };
    let mut store = KeychainSecrets::start(fake, Duration::from_millis(20)).unwrap();
    let refused = store.load("p").await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::KeychainLocked);

    // The user answers: the same store works, and the abandoned call has done no harm.
    store.timeout = Duration::from_secs(10);
    for _ in 0..3 {
        answer.send(()).unwrap();
    }
    store.save("p", &token("pst_1")).await.unwrap();
    assert_eq!(store.load("p").await.unwrap(), Some(token("pst_1")));
}

#[tokio::test]
async fn a_machine_without_keychain_says_so() {
    let store =
        KeychainSecrets::start(Fake { absent: true, ..Fake::default() }, Duration::from_secs(10)).unwrap();
    let refused = store.save("p", &token("pst_1")).await.unwrap_err();
    assert_eq!(refused.code(), ErrorCode::KeychainAbsent);
    assert!(refused.to_string().contains("no session bus"));
}
