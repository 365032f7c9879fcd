//! Which edge works for the app, as the page shows it.

use super::Which;
use serde::Serialize;

/// Where the work is done.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub(crate) enum EdgeState {
    /// In this process.
    Own,
    /// In another program, which this one is attached to.
    Attached {
        /// Its process.
        pid: u32,
        /// What it is: `postern serve`.
        program: String,
    },
    /// Nowhere: the other program has ended, and this one takes over.
    Between {
        /// Why that does not go at once, in words.
        problem: Option<String>,
    },
}

impl EdgeState {
    pub(super) fn of(which: &Which) -> Self {
        match which {
            Which::Own(_) => Self::Own,
            Which::Other(client) => {
                let program = if client.program().is_empty() { "another Postern" } else { client.program() };
                Self::Attached { pid: client.pid(), program: program.to_owned() }
            }
            Which::Neither(problem) => Self::Between { problem: problem.clone() },
        }
    }
}
