//! What must hold when everything has stopped, read straight from the two
//! databases and not through the programs under test.

use crate::within;
use postern_protocol::HeaderList;
use postern_protocol::dedupe::{GITHUB_DELIVERY, LINEAR_DELIVERY};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

const PENDING: &str = "SELECT count(*) FROM deliveries WHERE state = 0";
/// A database in another process tells nobody of its changes.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The databases of a proxy and an edge that have both ended.
#[derive(Debug)]
pub struct Books {
    edge: Connection,
    proxy: Connection,
}

impl Books {
    /// Opens them, given the two data folders.
    ///
    /// # Panics
    /// When one is not there.
    #[must_use]
    pub fn open(edge: &Path, proxy: &Path) -> Self {
        let open = |path: &Path| {
            assert!(path.is_file(), "{} is not there", path.display());
            Connection::open(path)
                .unwrap_or_else(|error| panic!("{} cannot be opened: {error}", path.display()))
        };
        Self { edge: open(&edge.join("history.db")), proxy: open(&proxy.join("postern.db")) }
    }

    /// Waits until nothing is pending at the proxy: a delivery whose answer
    /// was lost is made once more, and answered as known.
    ///
    /// # Panics
    /// When it still is at the deadline.
    pub async fn settled(&self) {
        within("the proxy's last deliveries", async {
            while self.count(&self.proxy, PENDING) > 0 {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        })
        .await;
    }

    fn count(&self, database: &Connection, sql: &str) -> i64 {
        database.query_row(sql, [], |row| row.get(0)).expect("the schema is as it was")
    }

    /// Every event whose provider's delivery id is among `accepted`, which
    /// were answered 2xx, is in the edge's history exactly once, no event is
    /// there twice, and nothing is left to do or given up on, on either side.
    ///
    /// # Panics
    /// With everything that does not hold.
    pub fn balance(&self, accepted: &[String]) {
        let mut wrong = Vec::new();
        let stored = self.stored();
        let mut complain = |what: &str, ids: Vec<&String>| {
            if let Some(first) = ids.first() {
                wrong.push(format!("{} {what}, such as {first}", ids.len()));
            }
        };
        complain(
            "accepted events are not in the edge's history",
            accepted.iter().filter(|id| !stored.contains_key(*id)).collect(),
        );
        complain(
            "events are there more than once",
            stored.iter().filter(|(_, n)| **n > 1).map(|(id, _)| id).collect(),
        );
        for (database, what, sql) in [
            (&self.edge, "events wait to be forwarded", "SELECT count(*) FROM event WHERE pending"),
            (&self.edge, "handler runs have not ended", "SELECT count(*) FROM run WHERE micros IS NULL"),
            (&self.proxy, "deliveries are pending", PENDING),
            (&self.proxy, "deliveries are dead letters", "SELECT count(*) FROM deliveries WHERE state = 2"),
        ] {
            let count = self.count(database, sql);
            if count > 0 {
                wrong.push(format!("{count} {what}"));
            }
        }
        assert!(
            wrong.is_empty(),
            "of {} accepted events, {} in the history:\n  {}",
            accepted.len(),
            stored.len(),
            wrong.join("\n  ")
        );
    }

    /// How many workers the proxy knows: an edge that came back is the same
    /// worker, not another one.
    ///
    /// # Panics
    /// When the database is not a proxy's.
    #[must_use]
    pub fn workers(&self) -> i64 {
        self.count(&self.proxy, "SELECT count(*) FROM workers")
    }

    /// How often each provider's delivery id is in the edge's history.
    fn stored(&self) -> BTreeMap<String, usize> {
        let mut stored = BTreeMap::new();
        let mut query = self.edge.prepare("SELECT headers FROM payload").expect("the schema is as it was");
        let rows = query.query_map([], |row| row.get::<_, String>(0)).expect("the history can be read");
        for headers in rows {
            let headers = headers.expect("the history can be read");
            let headers: HeaderList = serde_json::from_str(&headers).expect("headers are kept as JSON");
            if let Some(id) = [LINEAR_DELIVERY, GITHUB_DELIVERY].iter().find_map(|name| headers.get(name)) {
                *stored.entry(id.to_owned()).or_default() += 1;
            }
        }
        stored
    }
}
