//! Full-text search, in a file of its own that can be thrown away.
//!
//! The file holds an index and no text. It is filled after the answer, by a
//! thread that remembers how far it has come, and built anew when it is
//! missing, damaged, or belongs to another history.
//!
//! Words, not trigrams: each word of the query must begin a word of the event,
//! and what the tokenizer splits must stand in sequence. `ENG-42` is found as
//! `eng` followed by `42…`, `pull_re` as `pull` followed by `re…`, and every
//! letter typed narrows the result. A trigram index would also find `ogin` in
//! `login`, at three times the size and several times the work for each event,
//! and its commonest trigrams make search slow in a long history.
//!
//! The index lies in parts of some ten thousand events each, a table of its
//! own. FTS5 gathers all rows of a word's beginning before it answers with the
//! first; in parts, a search walks from the newest to the older, and ends when
//! its page is full, however common the word. What the history forgets is
//! forgotten here by the part, at no cost.

mod indexer;
mod parts;

pub(super) use indexer::start;
pub(super) use parts::Part;

use rusqlite::{Connection, params};
use std::path::{Path, PathBuf};

/// The index file in use. A new number means another file: attach again.
#[derive(Clone, Debug)]
pub(super) struct Generation {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    /// The newest event in the index.
    pub(super) indexed: i64,
}

/// Raised when the index's form changes: an older file is built anew.
const FORM: i64 = 2;

/// Makes the index available to a reader as `search`.
pub(super) fn attach(reader: &Connection, path: &Path) -> rusqlite::Result<()> {
    reader.execute("ATTACH ?1 AS search", params![path.to_string_lossy()])?;
    Ok(())
}

/// What a person typed, as a full-text query: every word a prefix, all of
/// them wanted. `None` when nothing in it can be searched for.
pub(super) fn query(typed: &str) -> Option<String> {
    let words: Vec<_> = typed
        .split_whitespace()
        .filter(|word| word.contains(char::is_alphanumeric))
        .map(|word| format!("\"{}\"*", word.replace('"', " ")))
        .collect();
    (!words.is_empty()).then(|| words.join(" "))
}
