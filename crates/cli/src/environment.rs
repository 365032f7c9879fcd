//! What the environment says beyond the flags it has a variable for. Read
//! once, at start.

use postern_protocol::Secret;
use std::io::IsTerminal;

/// The environment's share of the settings.
#[derive(Debug)]
pub(crate) struct Environment {
    /// `POSTERN_TOKEN`: a workspace token. Not a flag, because arguments are
    /// seen by every user of the machine.
    pub(crate) token: Option<Secret>,
    /// `POSTERN_TUNNEL_SECRET`: what visitors of a public tunnel must show.
    pub(crate) tunnel_secret: Option<Secret>,
    /// Whether colours are wanted: standard output is a terminal that has
    /// them, and `NO_COLOR` is not set (<https://no-color.org>).
    pub(crate) colour: bool,
    /// Whether a person looks on: standard input and output are a terminal
    /// that can move its cursor.
    pub(crate) terminal: bool,
    /// This machine's name.
    pub(crate) host: String,
}

impl Environment {
    /// Reads it.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
    pub(crate) fn read() -> Self {
        let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
        let dumb = set("TERM").is_none_or(|terminal| terminal == "dumb") && cfg!(unix);
        Self {
            token: set("POSTERN_TOKEN").map(|token| Secret::new(token.trim())),
            tunnel_secret: set("POSTERN_TUNNEL_SECRET").map(Secret::new),
            colour: std::io::stdout().is_terminal() && set("NO_COLOR").is_none() && !dumb,
            terminal: std::io::stdout().is_terminal() && std::io::stdin().is_terminal() && !dumb,
            host: host(),
        }
    }
}

fn host() -> String {
    let name = gethostname::gethostname().to_string_lossy().into_owned();
    if name.is_empty() { "this machine".into() } else { name }
}
