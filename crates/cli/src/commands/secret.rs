//! A secret, from standard input or asked for at the terminal: never from the
//! command line, which others can read.

use crate::failure::Failure;
use postern_protocol::Secret;
use std::io::{self, IsTerminal, Read};

/// No secret is longer, in bytes.
const LONGEST: u64 = 8 * 1024;

/// Reads the secret `what`. Where nobody can be asked, `otherwise` says how it
/// is given.
pub(super) fn read(from_stdin: bool, what: &str, otherwise: &str) -> Result<Secret, Failure> {
    let text = if from_stdin {
        let mut text = String::new();
        io::stdin().lock().take(LONGEST).read_to_string(&mut text).map(|_| text)
    } else if io::stdin().is_terminal() {
        rpassword::prompt_password(format!("{what} (not shown): "))
    } else {
        return Err(Failure::usage(format!(
            "There is no terminal to ask for the {what} at: give it {otherwise}."
        )));
    };
    let text = text.map_err(|error| {
        Failure::coded(
            "token.unreadable",
            format!("The {what} could not be read: {error}. Nothing was changed."),
        )
    })?;
    match text.trim() {
        "" => Err(Failure::usage(format!("The {what} is empty. Nothing was changed."))),
        secret => Ok(Secret::new(secret)),
    }
}
