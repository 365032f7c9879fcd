//! The last lines of the log, kept in memory for the diagnostics: bounded in
//! number and length, gone with the process. A shell hands [`writer`] to its
//! subscriber, beside the one that writes to standard error.

use std::collections::VecDeque;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many lines are kept.
const LINES: usize = 500;
/// Of longer ones only so many characters.
const LONGEST: usize = 1_000;

static RECENT: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());

/// Takes lines as a subscriber writes them: each write is a line.
#[derive(Debug)]
pub struct Writer(());

/// Where a subscriber may write to.
#[must_use]
pub fn writer() -> Writer {
    Writer(())
}

impl io::Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let mut recent = recent();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            if recent.len() == LINES {
                recent.pop_front();
            }
            recent.push_back(line.chars().take(LONGEST).collect());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines, oldest first.
pub(crate) fn lines() -> Vec<String> {
    recent().iter().cloned().collect()
}

fn recent() -> MutexGuard<'static, VecDeque<String>> {
    RECENT.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn only_the_last_lines_are_kept_and_none_is_endless() {
        for n in 0..LINES + 10 {
            writeln!(writer(), "line {n} of the ring's test {}", "x".repeat(2 * LONGEST)).unwrap();
        }
        let kept = lines();
        assert_eq!(kept.len(), LINES);
        assert!(kept.iter().all(|line| line.chars().count() <= LONGEST));
        assert!(!kept.iter().any(|line| line.starts_with("line 0 of the ring's test")));
    }
}
