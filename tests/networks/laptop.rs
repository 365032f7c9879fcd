//! The laptop: `postern serve` in a network of its own, and its history.

use crate::central::look_into;
use crate::places;
use postern_protocol::HeaderList;
use postern_testkit::{Machine, Process, binary, within};
use serde_json::Value;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::time::Duration;

/// The history in another process tells nobody of its changes.
const LOOK_AGAIN: Duration = Duration::from_millis(10);

pub(crate) struct Laptop {
    machine: Machine,
    /// Runs `postern` in the laptop's network.
    postern: PathBuf,
}

/// An event of the history.
pub(crate) struct Kept {
    pub(crate) webhook_id: String,
    pub(crate) headers: HeaderList,
    pub(crate) body: Vec<u8>,
}

impl Laptop {
    pub(crate) fn new(machine: Machine) -> Self {
        let postern = machine.folder().join("postern-there");
        let script = format!("#!/bin/sh\nexec ip netns exec laptop {} \"$@\"\n", binary::postern().display());
        std::fs::write(&postern, script).unwrap();
        std::fs::set_permissions(&postern, std::fs::Permissions::from_mode(0o755)).unwrap();
        Self { machine, postern }
    }

    /// Signed in by what the machine's environment says, and live. The events
    /// of an issue arrive in the order in which they were accepted.
    pub(crate) async fn serve(&self) -> Process {
        let serve = ["--json", "-v", "serve", "--ui-port", "0", "--ordering", "entity"];
        let process = Process::spawn(self.machine.command_of(&self.postern, &serve));
        let live = |line: &str| {
            let line: Value = serde_json::from_str(line).ok()?;
            (line["connection"]["state"] == "live").then_some(())
        };
        process.line("a live connection", live).await;
        process
    }

    /// What a command of `postern` answers.
    pub(crate) async fn ask(&self, arguments: &[&str]) -> Value {
        let command = self.machine.command_of(&self.postern, &[&["--json"], arguments].concat());
        let (status, out, err) = Machine::run(command).await;
        assert!(status.success(), "postern {}: {err}", arguments.join(" "));
        serde_json::from_str(&out).unwrap_or_else(|error| panic!("{error}: {out}"))
    }

    /// The history in the order of arrival, once so many events are in it.
    pub(crate) async fn history(&self, count: usize) -> Vec<Kept> {
        let database = look_into(&self.machine.data_dir().join("history.db"));
        let mut counting = database.prepare("SELECT count(*) FROM payload").unwrap();
        within(&format!("{count} events in the history"), async {
            while counting.query_row([], |row| row.get::<_, i64>(0)).unwrap() < i64::try_from(count).unwrap()
            {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        })
        .await;
        let sql = "SELECT webhook_id, headers, body FROM event JOIN payload ON payload.event = event.id ORDER BY event.id";
        let mut query = database.prepare(sql).unwrap();
        let rows = query.query_map([], |row| {
            let headers: String = row.get(1)?;
            Ok(Kept {
                webhook_id: row.get(0)?,
                headers: serde_json::from_str(&headers).unwrap(),
                body: row.get(2)?,
            })
        });
        rows.unwrap().map(Result::unwrap).collect()
    }

    /// Nothing that the laptop did not ask for comes in.
    pub(crate) fn is_out_of_reach(&self) {
        let tried = std::net::TcpStream::connect((places::LAPTOP, 80));
        assert_eq!(tried.unwrap_err().kind(), std::io::ErrorKind::NetworkUnreachable);
    }
}
