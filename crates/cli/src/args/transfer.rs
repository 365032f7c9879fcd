//! The arguments of `postern settings` and `postern diagnostics`.

use clap::{Args, Subcommand};
use std::path::PathBuf;

#[derive(Debug, Subcommand)]
pub(crate) enum SettingsOf {
    /// Write everything that was set on this machine, without events and secrets.
    Export {
        /// Into this file, instead of on standard output.
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Take over what another machine exported: says what changes, and asks.
    Import {
        /// The document; `-` is standard input.
        file: PathBuf,
        /// Only say what would change.
        #[arg(long)]
        dry_run: bool,
        /// Do not ask.
        #[arg(short, long, conflicts_with = "dry_run")]
        yes: bool,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Diagnostics {
    /// Into this file, instead of on standard output.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}
