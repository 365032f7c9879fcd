use super::*;
use crate::secrets::{LocalSecret, SigningSecret, WorkerSecrets};
use postern_protocol::signature::Scheme;
use postern_protocol::{ErrorCode, Secret, UnixMillis};

fn secrets(token: &str) -> ProfileSecrets {
    ProfileSecrets {
        token: Some(Secret::new(token)),
        worker: Some(WorkerSecrets {
            worker_id: "wrk_1".into(),
            credential: Secret::new("cred"),
            signing: vec![SigningSecret { secret: Secret::new("whsec_x"), until: None }],
        }),
        local: vec![LocalSecret {
            source: None,
            scheme: Scheme::Github,
            secret: Secret::new("hush"),
            set_at: UnixMillis(1),
        }],
    }
}

#[tokio::test]
async fn what_was_saved_is_loaded_by_the_next_process() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secrets.json");
    let store = FileSecrets::new(&path);
    assert_eq!(store.load("a").await.unwrap(), None);
    store.save("a", &secrets("one")).await.unwrap();
    store.save("b", &secrets("two")).await.unwrap();

    let next = FileSecrets::new(&path);
    assert_eq!(next.load("a").await.unwrap(), Some(secrets("one")));
    next.delete("a").await.unwrap();
    next.delete("a").await.unwrap();
    assert_eq!(next.load("a").await.unwrap(), None);
    assert_eq!(next.load("b").await.unwrap(), Some(secrets("two")));
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    assert_eq!(left, ["secrets.json"], "no temporary file stays");
}

#[cfg(unix)]
#[tokio::test]
async fn only_its_owner_may_read_the_file() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secrets.json");
    let store = FileSecrets::new(&path);
    store.save("a", &secrets("one")).await.unwrap();
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);

    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let refused = store.load("a").await.unwrap_err();
    assert!(matches!(refused, SecretStoreError::Exposed { mode: 0o640, .. }), "{refused}");
    assert_eq!(refused.code(), ErrorCode::StoreUnavailable);
    assert!(store.save("a", &secrets("two")).await.is_err(), "nor is it added to");
}

#[tokio::test]
async fn a_foreign_file_is_an_error_that_shows_none_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("secrets.json");
    private_file::replace(&path, br#"{"a":{"token":["pst_visible"]}}"#).unwrap();
    let refused = FileSecrets::new(&path).load("a").await.unwrap_err();
    assert!(!format!("{refused} {refused:?}").contains("pst_visible"));
}
