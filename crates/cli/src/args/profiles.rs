//! The arguments of `postern profiles`.

use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(crate) enum Profiles {
    /// List the workspaces this machine works for.
    List,
    /// Show another one, in the interface and to commands without --profile.
    Use {
        /// Its name.
        name: String,
    },
    /// Give one another name on this machine.
    Rename {
        /// Its name now.
        name: String,
        /// Its name from now on; without it, as the proxy calls the workspace.
        new: Option<String>,
    },
    /// Sign out of one, and delete its events and secrets on this machine.
    Remove {
        /// Its name.
        name: String,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
}
