//! A program under test as a real process: its lines are read as they come,
//! and it can be killed the hard way or asked to stop.

use crate::{DEADLINE, within};
use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::io::{AsyncBufReadExt, AsyncRead, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::watch;

/// A running program. Dropped, it is killed.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    out: Lines,
    err: Lines,
}

impl Process {
    /// A command whose environment holds nothing of this machine's user: home
    /// and its XDG directories lie in `home`, no `POSTERN_…` is set, and no
    /// session bus (so no keychain) is there.
    #[must_use]
    pub fn command(program: &Path, home: &Path) -> Command {
        let mut command = Command::new(program);
        command.env_clear();
        for kept in ["PATH", "TMPDIR", "SystemRoot", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(kept) {
                command.env(kept, value);
            }
        }
        command.env("HOME", home).env("NO_COLOR", "1").current_dir(home);
        command
    }

    /// Starts it.
    ///
    /// # Panics
    /// When it cannot be started.
    #[must_use]
    pub fn spawn(mut command: Command) -> Self {
        let name = command.as_std().get_program().to_string_lossy().into_owned();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let out = Lines::read(child.stdout.take().expect("stdout is piped"));
        let err = Lines::read(child.stderr.take().expect("stderr is piped"));
        Self { name, child, out, err }
    }

    /// The process's id.
    ///
    /// # Panics
    /// When it has ended.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id().unwrap_or_else(|| panic!("{} has ended; its log:\n{}", self.name, self.log()))
    }

    /// The most memory it had at any time so far, in KiB; Linux only.
    ///
    /// # Panics
    /// When it has ended, or the system does not say.
    #[must_use]
    pub fn peak_memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap_or_default();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.strip_suffix("kB"));
        peak.and_then(|peak| peak.trim().parse().ok()).expect("Linux says how much memory a process had")
    }

    /// What `pick` makes of the first line of standard output that it takes,
    /// from the start on.
    ///
    /// # Panics
    /// When the output ends, or the deadline passes, without such a line.
    pub async fn line<T>(&self, what: &str, pick: impl Fn(&str) -> Option<T>) -> T {
        self.find(&self.out, what, pick).await
    }

    /// The same for standard error.
    ///
    /// # Panics
    /// As [`Process::line`].
    pub async fn note<T>(&self, what: &str, pick: impl Fn(&str) -> Option<T>) -> T {
        self.find(&self.err, what, pick).await
    }

    async fn find<T>(&self, lines: &Lines, what: &str, pick: impl Fn(&str) -> Option<T>) -> T {
        let Ok(found) = tokio::time::timeout(DEADLINE, lines.find(pick)).await else {
            panic!(
                "{} did not print {what} in {} s; its log:\n{}",
                self.name,
                DEADLINE.as_secs(),
                self.log()
            );
        };
        found.unwrap_or_else(|| panic!("{} ended without {what}; its log:\n{}", self.name, self.log()))
    }

    /// Everything it has printed so far, standard error last.
    #[must_use]
    pub fn log(&self) -> String {
        format!("{}\n{}", self.out.text(), self.err.text())
    }

    /// Kills it as a power cut would, and waits until it is gone.
    ///
    /// # Panics
    /// When it had ended by itself.
    pub async fn kill_9(mut self) {
        if let Ok(Some(status)) = self.child.try_wait() {
            panic!("{} had ended by itself ({status}); its log:\n{}", self.name, self.log());
        }
        within("a killed process to end", self.child.kill()).await.expect("a child can be killed");
    }

    /// Asks it to stop (SIGTERM), and waits until it has.
    ///
    /// # Panics
    /// When it does not stop before the deadline.
    pub async fn stop(mut self) -> ExitStatus {
        self.signal("-TERM").await;
        within(&format!("{} to stop", self.name), self.child.wait()).await.expect("a child can be waited for")
    }

    /// The same, with everything it printed.
    ///
    /// # Panics
    /// As [`Process::stop`].
    pub async fn stop_with_log(self) -> (ExitStatus, String) {
        self.signal("-TERM").await;
        self.ended().await
    }

    /// Stops it where it stands (SIGSTOP), as a machine that goes to sleep does
    /// with all its programs.
    ///
    /// # Panics
    /// When it has ended.
    pub async fn sleep(&self) {
        self.signal("-STOP").await;
    }

    /// Lets it go on from there (SIGCONT).
    ///
    /// # Panics
    /// When it has ended.
    pub async fn wake(&self) {
        self.signal("-CONT").await;
    }

    async fn signal(&self, signal: &str) {
        let sent = Command::new("kill").arg(signal).arg(self.pid().to_string()).status().await;
        assert!(sent.is_ok_and(|status| status.success()), "{} cannot be signalled", self.name);
    }

    /// Waits until it ends by itself.
    ///
    /// # Panics
    /// When it does not before the deadline.
    pub async fn ended(mut self) -> (ExitStatus, String) {
        let status = within(&format!("{} to end", self.name), self.child.wait())
            .await
            .expect("a child can be waited for");
        within("its last lines", self.out.end()).await;
        within("its last lines", self.err.end()).await;
        (status, self.log())
    }
}

/// The lines of a pipe, read as they come.
#[derive(Debug)]
struct Lines {
    lines: Arc<Mutex<Vec<String>>>,
    /// How many there are, and whether there will be more.
    seen: watch::Receiver<(usize, bool)>,
}

impl Lines {
    fn read(pipe: impl AsyncRead + Unpin + Send + 'static) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let (seen, receiver) = watch::channel((0, true));
        let into = Arc::clone(&lines);
        tokio::spawn(async move {
            let mut reader = BufReader::new(pipe).lines();
            while let Ok(Some(line)) = reader.next_line().await {
                into.lock().unwrap_or_else(PoisonError::into_inner).push(line);
                seen.send_modify(|(count, _)| *count += 1);
            }
            seen.send_modify(|(_, more)| *more = false);
        });
        Self { lines, seen: receiver }
    }

    async fn find<T>(&self, pick: impl Fn(&str) -> Option<T>) -> Option<T> {
        let mut seen = self.seen.clone();
        let mut looked_at = 0;
        loop {
            let (count, more) = *seen.borrow_and_update();
            let fresh = self.lines.lock().unwrap_or_else(PoisonError::into_inner)[looked_at..count].to_vec();
            if let Some(found) = fresh.iter().find_map(|line| pick(line)) {
                return Some(found);
            }
            looked_at = count;
            if !more || seen.changed().await.is_err() {
                return None;
            }
        }
    }

    async fn end(&self) {
        // An error means that the reader is gone: the end as well.
        let _ = self.seen.clone().wait_for(|(_, more)| !more).await;
    }

    fn text(&self) -> String {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).join("\n")
    }
}
