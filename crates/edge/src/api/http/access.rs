//! Who may use the local API: tokens exchanged for bearers, all in memory.

use postern_protocol::{Secret, UnixMillis};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};
use subtle::ConstantTimeEq;

/// How long a one-time token can be exchanged, in milliseconds.
const LIFETIME: i64 = 5 * 60 * 1000;
/// So many of each are known; the oldest go first.
const KNOWN: usize = 64;

/// Secrets are kept as digests, and compared as such in constant time.
type Digested = [u8; 32];

/// The tokens and bearers in force.
#[derive(Debug)]
pub(crate) struct Access {
    /// For programs that can read the data folder.
    pub(crate) control: Secret,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    one_time: VecDeque<(Digested, UnixMillis)>,
    bearers: VecDeque<Digested>,
}

impl Access {
    pub(crate) fn new() -> Self {
        Self { control: random(), state: Mutex::default() }
    }

    /// A token that can be exchanged once, within five minutes.
    pub(crate) fn mint(&self, now: UnixMillis) -> Secret {
        let token = random();
        keep(&mut self.state().one_time, (digest(token.reveal()), now));
        token
    }

    /// A bearer for a token that is good; a one-time token is used up.
    pub(crate) fn exchange(&self, token: &str, now: UnixMillis) -> Option<Secret> {
        let given = digest(token);
        let mut state = self.state();
        state.one_time.retain(|(_, at)| (0..=LIFETIME).contains(&now.since(*at)));
        let mut found = None;
        for (i, (known, _)) in state.one_time.iter().enumerate() {
            if bool::from(known.ct_eq(&given)) {
                found = Some(i);
            }
        }
        let good = match found {
            Some(i) => state.one_time.remove(i).is_some(),
            None => digest(self.control.reveal()).ct_eq(&given).into(),
        };
        good.then(|| {
            let bearer = random();
            keep(&mut state.bearers, digest(bearer.reveal()));
            bearer
        })
    }

    /// Whether a bearer is one of ours.
    pub(crate) fn admits(&self, bearer: &str) -> bool {
        let given = digest(bearer);
        self.state().bearers.iter().fold(false, |any, known| any | bool::from(known.ct_eq(&given)))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn keep<T>(known: &mut VecDeque<T>, new: T) {
    if known.len() == KNOWN {
        known.pop_front();
    }
    known.push_back(new);
}

fn digest(text: &str) -> Digested {
    Sha256::digest(text).into()
}

fn random() -> Secret {
    Secret::new(hex::encode(rand::random::<[u8; 32]>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: UnixMillis = UnixMillis(1_000_000);

    #[test]
    fn a_one_time_token_works_once_and_not_for_long() {
        let access = Access::new();
        let token = access.mint(NOW);
        let bearer = access.exchange(token.reveal(), NOW.plus(LIFETIME)).unwrap();
        assert!(access.admits(bearer.reveal()));
        assert_eq!(access.exchange(token.reveal(), NOW), None, "it is used up");
        let late = access.mint(NOW);
        assert_eq!(access.exchange(late.reveal(), NOW.plus(LIFETIME + 1)), None);
        assert!(!access.admits(token.reveal()), "a token is no bearer");
        assert!(!access.admits(""));
        assert_eq!(access.exchange("", NOW), None);
    }

    #[test]
    fn the_control_token_works_any_number_of_times() {
        let access = Access::new();
        assert!(access.exchange(access.control.reveal(), NOW).is_some());
        assert!(access.exchange(access.control.reveal(), NOW).is_some());
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let access = Access::new();
        let first = access.exchange(access.control.reveal(), NOW).unwrap();
        for _ in 0..KNOWN {
            access.exchange(access.control.reveal(), NOW);
        }
        assert!(!access.admits(first.reveal()));
    }
}
