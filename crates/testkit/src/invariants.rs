//! What must hold when everything has stopped, read straight from the two
//! databases and not through the programs under test.

use crate::within;
use postern_protocol::dedupe::{GITHUB_DELIVERY, LINEAR_DELIVERY};
use postern_protocol::{HeaderList, UnixMillis};
use rusqlite::Connection;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

const PENDING: &str = "SELECT count(*) FROM deliveries WHERE state = 0";
const UNSOUND: &str = "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check <> 'ok'";
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

    /// Waits until so many attempts of this outcome (`clock_skew`, …) are on
    /// record at the proxy.
    ///
    /// # Panics
    /// When they are not before the deadline.
    pub async fn attempts(&self, outcome: &str, wanted: i64) {
        within(&format!("{wanted} attempts with the outcome {outcome}"), async {
            let made = || {
                let sql = "SELECT count(*) FROM attempts WHERE outcome = ?";
                self.proxy.query_row(sql, [outcome], |row| row.get::<_, i64>(0))
            };
            while made().expect("the schema is as it was") < wanted {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        })
        .await;
    }

    /// Waits until nothing is put off to later than this by the proxy's clock.
    ///
    /// # Panics
    /// When something is at the deadline.
    pub async fn put_off_until(&self, latest: UnixMillis) {
        within("what was put off to be due again soon", async {
            let sql = format!("SELECT count(*) FROM deliveries WHERE state = 0 AND due_at > {}", latest.0);
            while self.count(&self.proxy, &sql) > 0 {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        })
        .await;
    }

    /// Waits until the proxy has recorded that the worker refused a delivery
    /// with this code.
    ///
    /// # Panics
    /// When it has not before the deadline.
    pub async fn refused(&self, code: &str) {
        within(&format!("a delivery refused with {code}"), async {
            let sql = format!("SELECT count(*) FROM attempts WHERE error LIKE '{code}:%'");
            while self.count(&self.proxy, &sql) == 0 {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        })
        .await;
    }

    /// How many attempts of deliveries' schedules were used up.
    ///
    /// # Panics
    /// When the database is not a proxy's.
    #[must_use]
    pub fn failures(&self) -> i64 {
        self.count(&self.proxy, "SELECT coalesce(sum(failures), 0) FROM deliveries")
    }

    fn count(&self, database: &Connection, sql: &str) -> i64 {
        database.query_row(sql, [], |row| row.get(0)).expect("the schema is as it was")
    }

    /// Every event whose provider's delivery id is among `accepted`, which
    /// were answered 2xx, is in the edge's history exactly once, no event is
    /// there twice, nothing is left to do or given up on, on either side, and
    /// both databases are sound.
    ///
    /// # Panics
    /// With everything that does not hold.
    pub fn balance(&self, accepted: &[String]) {
        self.balance_but_for(accepted, 0);
    }

    /// The same, but up to so many events may be there more than once: early
    /// dispatch sends what is never committed, and then comes again.
    ///
    /// # Panics
    /// With everything that does not hold.
    pub fn balance_but_for(&self, accepted: &[String], repeated: usize) {
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
        let twice: Vec<_> = stored.iter().filter(|(_, n)| **n > 1).map(|(id, _)| id).collect();
        if twice.len() > repeated {
            complain("events are there more than once", twice);
        }
        for (database, what, sql) in [
            (&self.edge, "events wait to be forwarded", "SELECT count(*) FROM event WHERE pending"),
            (&self.edge, "handler runs have not ended", "SELECT count(*) FROM run WHERE micros IS NULL"),
            (&self.proxy, "deliveries are pending", PENDING),
            (&self.proxy, "deliveries are dead letters", "SELECT count(*) FROM deliveries WHERE state = 2"),
            (&self.proxy, "deliveries are held", "SELECT count(*) FROM deliveries WHERE state = 4"),
            (&self.edge, "faults are in the history's file", UNSOUND),
            (&self.proxy, "faults are in the proxy's file", UNSOUND),
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
