//! Who may use the local API: tokens, exchanged for bearers.
//!
//! Tokens live in memory. The bearers of browsers outlive the process, as
//! digests in a file of the data folder, so that a page goes on after a
//! restart; those of programs, which can read the control token again, do not.

use crate::private_file;
use postern_protocol::{Secret, UnixMillis};
use sha2::{Digest, Sha256};
use std::collections::VecDeque;
use std::path::PathBuf;
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
    /// Where the digests of browsers' bearers are kept.
    file: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    one_time: VecDeque<(Digested, UnixMillis)>,
    programs: VecDeque<Digested>,
    browsers: VecDeque<Digested>,
}

impl Access {
    /// Knows the browsers whose digests are in `file`; a file that is missing
    /// or cannot be read knows none. Blocks.
    pub(crate) fn open(file: PathBuf) -> Self {
        let browsers = std::fs::read_to_string(&file).map(|text| read(&text)).unwrap_or_default();
        let state = State { browsers, ..State::default() };
        Self { control: random(), file, state: Mutex::new(state) }
    }

    /// A token that can be exchanged once, within five minutes.
    pub(crate) fn mint(&self, now: UnixMillis) -> Secret {
        let token = random();
        keep(&mut self.state().one_time, (digest(token.reveal()), now));
        token
    }

    /// A bearer for a token that is good; a one-time token is used up, and its
    /// bearer written down. Blocks.
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
        let bearer = random();
        let known = digest(bearer.reveal());
        match found {
            Some(i) => {
                state.one_time.remove(i);
                keep(&mut state.browsers, known);
                if let Err(error) = private_file::replace(&self.file, write(&state.browsers).as_bytes()) {
                    tracing::warn!(%error, "a browser's session cannot be written down: it ends with this process");
                }
            }
            None if bool::from(digest(self.control.reveal()).ct_eq(&given)) => {
                keep(&mut state.programs, known);
            }
            None => return None,
        }
        Some(bearer)
    }

    /// Whether a bearer is one of ours.
    pub(crate) fn admits(&self, bearer: &str) -> bool {
        let given = digest(bearer);
        let state = self.state();
        let known = state.programs.iter().chain(&state.browsers);
        known.fold(false, |any, known| any | bool::from(known.ct_eq(&given)))
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

/// The digests of a file: one a line, in hex; other lines count for nothing.
fn read(text: &str) -> VecDeque<Digested> {
    let digest = |line: &str| hex::decode(line).ok()?.try_into().ok();
    text.lines().filter_map(digest).take(KNOWN).collect()
}

fn write(digests: &VecDeque<Digested>) -> String {
    digests.iter().map(|digest| hex::encode(digest) + "\n").collect()
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

    fn access() -> (Access, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        (Access::open(dir.path().join("sessions")), dir)
    }

    #[test]
    fn a_one_time_token_works_once_and_not_for_long() {
        let (access, _dir) = access();
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
        let (access, _dir) = access();
        assert!(access.exchange(access.control.reveal(), NOW).is_some());
        assert!(access.exchange(access.control.reveal(), NOW).is_some());
    }

    #[test]
    fn browsers_are_known_after_a_restart_and_programs_are_not() {
        let (access, dir) = access();
        let browser = access.exchange(access.mint(NOW).reveal(), NOW).unwrap();
        let program = access.exchange(access.control.reveal(), NOW).unwrap();
        let file = dir.path().join("sessions");
        assert!(!std::fs::read_to_string(&file).unwrap().contains(browser.reveal()));
        let restarted = Access::open(file);
        assert!(restarted.admits(browser.reveal()));
        assert!(!restarted.admits(program.reveal()));
        std::fs::write(dir.path().join("damaged"), "no digest\n\n00").unwrap();
        assert!(!Access::open(dir.path().join("damaged")).admits(browser.reveal()));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let (access, _dir) = access();
        let first = access.exchange(access.control.reveal(), NOW).unwrap();
        for _ in 0..KNOWN {
            access.exchange(access.control.reveal(), NOW);
        }
        assert!(!access.admits(first.reveal()));
    }
}
