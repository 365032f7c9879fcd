//! What a test may not leave behind: processes, and tasks of its runtime.

use crate::within;
use std::path::Path;
use std::time::Duration;

/// The runtime tells nobody when a task ends.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

/// No process lives whose home is `home`: neither a program started there nor
/// one that it started. Looks where the system has `/proc`, and nowhere else.
///
/// # Panics
/// With the processes that are left.
pub fn no_process(home: &Path) {
    let Ok(processes) = std::fs::read_dir("/proc") else { return };
    let marker = format!("HOME={}", home.display());
    let left: Vec<String> = processes
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().bytes().all(|b| b.is_ascii_digit()))
        .filter(|entry| {
            let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == marker.as_bytes())
        })
        .map(|entry| {
            let command = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            format!(
                "{}: {}",
                entry.file_name().display(),
                String::from_utf8_lossy(&command).replace('\0', " ")
            )
        })
        .collect();
    assert!(left.is_empty(), "processes are left:\n  {}", left.join("\n  "));
}

/// Waits until this runtime has no task: whatever was started has stopped, and
/// everything that the test itself started was dropped.
///
/// # Panics
/// When some are left at the deadline.
pub async fn no_task() {
    let metrics = tokio::runtime::Handle::current().metrics();
    within("the last tasks to end", async {
        while metrics.num_alive_tasks() > 0 {
            tokio::time::sleep(LOOK_AGAIN).await;
        }
    })
    .await;
}
