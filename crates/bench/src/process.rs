//! A child process: what it prints first, and what it costs.

use crate::Result;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

/// Clock ticks per second in `/proc`: 100 on every Linux that Rust runs on.
const TICKS: f64 = 100.0;

/// How long a program may take to print its next line.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running program; killed when dropped.
pub(crate) struct Process {
    child: Child,
    out: Lines<BufReader<ChildStdout>>,
}

impl Process {
    /// Starts `command`, its standard output read here.
    ///
    /// # Errors
    /// When it cannot be started.
    pub(crate) fn start(mut command: Command) -> Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true).spawn()?;
        let out = child.stdout.take().ok_or("a child's output is not piped")?;
        Ok(Self { child, out: BufReader::new(out).lines() })
    }

    /// Its next line.
    ///
    /// # Errors
    /// When it ends instead, or prints none for a minute.
    pub(crate) async fn line(&mut self) -> Result<String> {
        let line = tokio::time::timeout(PATIENCE, self.out.next_line());
        let line = line.await.map_err(|_| "a program did not say that it was ready")??;
        Ok(line.ok_or("a program ended while it was measured")?)
    }

    /// Kills it; returns when it has ended.
    ///
    /// # Errors
    /// When it cannot be killed.
    pub(crate) async fn kill(&mut self) -> Result<()> {
        Ok(self.child.kill().await?)
    }

    /// The memory it holds, in MiB; `None` where the system does not tell by
    /// `/proc`.
    pub(crate) fn memory(&self) -> Option<f64> {
        let path = Path::new("/proc").join(self.child.id()?.to_string()).join("status");
        let status = std::fs::read_to_string(path).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<f64>().ok()? / 1024.0)
    }

    /// CPU seconds, user and system, since it started; `None` where the
    /// system does not tell by `/proc`.
    pub(crate) fn cpu(&self) -> Option<f64> {
        let stat =
            std::fs::read_to_string(Path::new("/proc").join(self.child.id()?.to_string()).join("stat"))
                .ok()?;
        // The second field is the name in parentheses and may hold spaces.
        let mut fields = stat.rsplit_once(") ")?.1.split(' ').skip(11);
        let ticks: f64 = fields.next()?.parse::<f64>().ok()? + fields.next()?.parse::<f64>().ok()?;
        Some(ticks / TICKS)
    }
}
