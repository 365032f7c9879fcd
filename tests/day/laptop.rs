//! A colleague's machine: `postern serve`, the server that it forwards to, and
//! its history.

use crate::central::Central;
use postern_testkit::{EdgeProcess, Machine, Receiver, within};
use rusqlite::{Connection, OpenFlags};
use std::time::Duration;

/// The history in another process tells nobody of its changes.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

pub(crate) struct Laptop {
    /// Of its worker.
    pub(crate) id: String,
    pub(crate) machine: Machine,
    pub(crate) edge: Option<EdgeProcess>,
    /// What it forwards to.
    pub(crate) target: Receiver,
}

impl Laptop {
    /// Signed in, live, and forwarding, with these options of `serve`'s.
    pub(crate) async fn starts(central: &Central, options: &[&str]) -> Self {
        let machine = Machine::new().signed_in(&central.url, central.token.clone());
        let edge = machine.serve_with(options).await;
        edge.live().await;
        let target = Receiver::start().await;
        machine.ask(&["forward", "set", &target.url("/hooks")]).await;
        // The youngest is its.
        let id = central.workers().await.last().unwrap().id.to_string();
        Self { id, machine, edge: Some(edge), target }
    }

    /// Killed as by a power cut, and started again with these options.
    pub(crate) async fn is_killed_and_starts_again(&mut self, options: &[&str]) {
        if let Some(edge) = self.edge.take() {
            edge.kill_9().await;
        }
        let edge = self.machine.serve_with(options).await;
        edge.live().await;
        self.edge = Some(edge);
    }

    pub(crate) fn edge(&self) -> &EdgeProcess {
        self.edge.as_ref().unwrap()
    }

    /// Ids and bodies, in the order of arrival.
    pub(crate) fn history(&self) -> Vec<(String, Vec<u8>)> {
        let database = self.database();
        let sql =
            "SELECT webhook_id, body FROM event JOIN payload ON payload.event = event.id ORDER BY event.id";
        let mut query = database.prepare(sql).unwrap();
        let rows = query.query_map([], |row| Ok((row.get(0)?, row.get(1)?)));
        rows.unwrap().map(Result::unwrap).collect()
    }

    /// Waits until the event is in the history.
    pub(crate) async fn has(&self, id: &str) {
        let database = self.database();
        let there = || {
            let sql = "SELECT EXISTS (SELECT 1 FROM event WHERE webhook_id = ?)";
            database.query_row(sql, [id], |row| row.get::<_, bool>(0)).unwrap()
        };
        within("an event in the history", async {
            while !there() {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        })
        .await;
    }

    /// Waits until a query, a number, answers 0.
    pub(crate) async fn none(&self, what: &str, sql: &str) {
        let database = self.database();
        within(what, async {
            while database.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap() > 0 {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        })
        .await;
    }

    fn database(&self) -> Connection {
        let path = self.machine.data_dir().join("history.db");
        Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_ONLY).unwrap()
    }
}
