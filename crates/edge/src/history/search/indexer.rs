//! The thread that fills the search index.

use super::parts::Parts;
use super::{FORM, Generation};
use crate::history::HistoryError;
use crate::history::database;
use rusqlite::{Connection, OptionalExtension, params};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::mpsc;
use std::time::{Duration, Instant};
use tokio::sync::watch;

/// So many events at most share a transaction of the index.
const BATCH: usize = 1000;
/// At least so long from one look for new events to the next. One alone is
/// indexed at once; in a flood many share a transaction, and there are fewer
/// small pieces of the index to be merged.
const GATHER: Duration = Duration::from_millis(100);
/// From so many bytes on, a transaction takes no more; and what it keeps in
/// memory before it writes a piece of the index.
pub(super) const PIECE: usize = 4 << 20;
/// Of larger bodies only the beginning is indexed.
const LONGEST: usize = 1 << 20;

/// Opens the index beside the history, or makes it anew, and starts the
/// thread; it looks for new events whenever `woken` and ends with it.
pub(in crate::history) fn start(
    history: &Path,
    index: &Path,
    history_id: String,
    woken: mpsc::Receiver<()>,
) -> Result<watch::Receiver<Generation>, HistoryError> {
    let reader = database::open_reader(history).map_err(HistoryError::from)?;
    let (index_of, indexed) = open_or_rebuild(index, &history_id)?;
    let generation = Generation { number: 1, path: index.to_owned(), indexed };
    let (sender, receiver) = watch::channel(generation);
    let indexer =
        Indexer { reader, index: Some(index_of), path: index.to_owned(), history_id, state: sender };
    std::thread::Builder::new()
        .name("history-indexer".into())
        .spawn(move || indexer.run(&woken))
        .map_err(HistoryError::io)?;
    Ok(receiver)
}

/// The file, open for writing.
struct Index {
    connection: Connection,
    parts: Parts,
}

struct Indexer {
    reader: Connection,
    /// Absent after a failure, until it can be opened again.
    index: Option<Index>,
    path: PathBuf,
    history_id: String,
    state: watch::Sender<Generation>,
}

impl Indexer {
    fn run(mut self, woken: &mpsc::Receiver<()>) {
        loop {
            let looked = Instant::now();
            match self.catch_up() {
                Ok(()) => {}
                Err(e) if e.is_damage() && self.index.is_some() => {
                    tracing::warn!(path = %self.path.display(), error = %e, "the search index is built anew");
                    self.index = None;
                    continue;
                }
                Err(e) => tracing::warn!(error = %e, "the search index is behind, until the next event"),
            }
            if woken.recv().is_err() {
                return;
            }
            #[expect(
                clippy::disallowed_methods,
                reason = "the index's own thread, which lets a flood gather"
            )]
            std::thread::sleep(GATHER.saturating_sub(looked.elapsed()));
        }
    }

    /// Indexes all that is in the history and not in the index.
    fn catch_up(&mut self) -> Result<(), HistoryError> {
        if self.index.is_none() {
            remove(&self.path).map_err(HistoryError::io)?;
            let (index, indexed) = open(&self.path, &self.history_id)?;
            self.index = Some(index);
            self.state.send_modify(|state| {
                state.number += 1;
                state.indexed = indexed;
            });
        }
        while self.index_batch()? {}
        self.forget()
    }

    /// Drops the parts whose events are all forgotten, and gives their room
    /// back.
    fn forget(&mut self) -> Result<(), HistoryError> {
        let oldest: Option<i64> = self.reader.query_row("SELECT min(id) FROM event", [], |row| row.get(0))?;
        let Some(index) = &mut self.index else { return Ok(()) };
        Ok(index.parts.drop_before(&mut index.connection, oldest.unwrap_or(i64::MAX))?)
    }

    /// Indexes a batch; says whether there may be more.
    fn index_batch(&mut self) -> Result<bool, HistoryError> {
        let after = self.state.borrow().indexed;
        // Read before anything is written: a long read would keep the
        // history's log from starting over.
        let (texts, more) = self.read(after)?;
        let (Some(Index { connection, parts }), Some((last, _))) = (&mut self.index, texts.last()) else {
            return Ok(false);
        };
        let last = *last;
        let tx = connection.transaction()?;
        let added = parts.add(&tx, &texts)?;
        tx.prepare_cached("UPDATE progress SET indexed = ?1")?.execute([last])?;
        tx.commit()?;
        *parts = added;
        self.state.send_modify(|state| state.indexed = last);
        Ok(more)
    }

    /// The texts of the events after that one, as many as a batch takes, and
    /// whether there may be more.
    fn read(&self, after: i64) -> Result<(Vec<(i64, String)>, bool), HistoryError> {
        let mut events = self.reader.prepare_cached(
            "SELECT e.id, e.source, e.event_type, e.action, e.subject, e.detail, p.headers, p.body
             FROM event e JOIN payload p ON p.event = e.id WHERE e.id > ?1 ORDER BY e.id",
        )?;
        let mut rows = events.query([after])?;
        let (mut texts, mut size) = (Vec::new(), 0);
        while texts.len() < BATCH && size < PIECE {
            let Some(row) = rows.next()? else { return Ok((texts, false)) };
            let mut text = String::new();
            for column in 1..=6 {
                if let Some(part) = row.get_ref(column)?.as_str_or_null()? {
                    text.push_str(part);
                    text.push('\n');
                }
            }
            let body = row.get_ref(7)?.as_blob()?;
            text.push_str(&String::from_utf8_lossy(&body[..body.len().min(LONGEST)]));
            size += text.len();
            texts.push((row.get(0)?, text));
        }
        Ok((texts, true))
    }
}

fn open_or_rebuild(path: &Path, history_id: &str) -> Result<(Index, i64), HistoryError> {
    match open(path, history_id) {
        Ok(opened) => Ok(opened),
        Err(e) => {
            tracing::warn!(path = %path.display(), error = %e, "the search index is built anew");
            remove(path).map_err(HistoryError::io)?;
            open(path, history_id)
        }
    }
}

/// Opens the index and says how far it has come. An index of another form or
/// history counts as damaged.
fn open(path: &Path, history_id: &str) -> Result<(Index, i64), HistoryError> {
    let connection = Connection::open(path)?;
    // What the index loses in a power cut is indexed again. Room is given back
    // only where the file was made so.
    connection.execute_batch(
        "PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
         PRAGMA journal_size_limit = 67108864;",
    )?;
    let fresh = !connection.table_exists(None, "progress")?;
    if fresh {
        connection.execute_batch(
            "BEGIN;
             CREATE TABLE progress (form INTEGER NOT NULL, history TEXT NOT NULL, indexed INTEGER NOT NULL);",
        )?;
        connection.execute("INSERT INTO progress VALUES (?1, ?2, 0)", params![FORM, history_id])?;
        connection.execute_batch("COMMIT")?;
    }
    let ours = "SELECT indexed FROM progress WHERE form = ?1 AND history = ?2";
    let indexed = connection.query_row(ours, params![FORM, history_id], |row| row.get(0)).optional()?;
    let indexed = indexed.ok_or(HistoryError::ForeignIndex)?;
    let parts = Parts::open(&connection)?;
    Ok((Index { connection, parts }, indexed))
}

fn remove(path: &Path) -> io::Result<()> {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        match fs::remove_file(PathBuf::from(name)) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    Ok(())
}
