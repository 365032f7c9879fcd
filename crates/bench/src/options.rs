//! What every measurement is told, and where its table goes.

use crate::report::table;
use crate::{Result, beside};
use std::path::PathBuf;
use std::time::Duration;
use tempfile::TempDir;

/// The options that all measurements share.
#[derive(clap::Args)]
pub(crate) struct Options {
    /// How often each is measured, in turns.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    rounds: u16,
    /// Seconds per measurement.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..))]
    seconds: u16,
    /// Connections held open.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..))]
    pub(crate) connections: u16,
    /// Two rounds of one second: to see that it works, not to measure.
    #[arg(long)]
    quick: bool,
    /// Also writes the table to this file.
    #[arg(long)]
    out: Option<PathBuf>,
}

impl Options {
    /// How many rounds.
    pub(crate) fn rounds(&self) -> u16 {
        if self.quick { 2 } else { self.rounds }
    }

    /// Whether it is only to be seen that it works.
    pub(crate) fn is_quick(&self) -> bool {
        self.quick
    }

    /// How long one measurement takes.
    pub(crate) fn length(&self) -> Duration {
        Duration::from_secs(if self.quick { 1 } else { self.seconds.into() })
    }

    /// A folder for a store, on the disk that the programs lie on: a temporary
    /// folder may lie in memory.
    ///
    /// # Errors
    /// When there is no room.
    pub(crate) fn folder(&self) -> Result<TempDir> {
        Ok(tempfile::tempdir_in(beside("postern-proxy")?.parent().ok_or("no directory")?)?)
    }

    /// Prints the table, and writes it where it is wanted.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(crate) fn publish(&self, title: &str, rows: &[Vec<String>]) -> Result<()> {
        self.publish_all(title, &[rows])
    }

    /// The same with several tables.
    ///
    /// # Errors
    /// As [`Options::publish`].
    pub(crate) fn publish_all(&self, title: &str, tables: &[impl AsRef<[Vec<String>]>]) -> Result<()> {
        let text = format!(
            "{title}; {} rounds of {} s in turns; median (least–greatest).\n\
             Load generator and servers share {} cores; loopback.\n\n{}",
            self.rounds(),
            self.length().as_secs(),
            std::thread::available_parallelism()?,
            tables.iter().map(|rows| table(rows.as_ref())).collect::<Vec<_>>().join("\n"),
        );
        println!("\n{text}");
        if let Some(path) = &self.out {
            std::fs::write(path, text)?;
        }
        Ok(())
    }
}
