//! The worker's history at a size that nobody reaches: how long a page, a
//! filter and a search take, asked over the local API as the interface asks.
//!
//! The history is made once, by the worker itself, and kept in
//! `target/bench/history-{events}`: its making takes longer than its measuring.

mod made;
mod made_up;

use crate::Result;
use crate::options::Options;
use crate::words::word;
use serde_json::{Value, json};
use std::time::Instant;

/// Rows of a page, as the interface asks for them.
const PAGE: u32 = 200;
/// How often each question is asked in a round.
const ASKED: usize = 40;
/// The 95th percentile of pages, in milliseconds.
const PAGE_TARGET: f64 = 100.0;
/// Of searches.
const SEARCH_TARGET: f64 = 300.0;

/// The options.
#[derive(clap::Args)]
pub(crate) struct HistoryOptions {
    #[command(flatten)]
    all: Options,
    /// How many events the history holds.
    #[arg(long, default_value_t = 1_000_000, value_parser = clap::value_parser!(u32).range(1_000..))]
    events: u32,
}

/// A kind of question; asked for the `n`th time it is another of its kind.
struct Question {
    name: &'static str,
    target: f64,
    ask: fn(n: usize, events: usize, newest: i64) -> Value,
}

const QUESTIONS: [Question; 14] = [
    Question { name: "first page", target: PAGE_TARGET, ask: |_, _, _| json!({}) },
    Question { name: "page anywhere", target: PAGE_TARGET, ask: |n, _, newest| deep(json!({}), n, newest) },
    Question { name: "commonest type", target: PAGE_TARGET, ask: |_, _, _| json!({ "event_type": "Issue" }) },
    Question {
        name: "commonest type, anywhere",
        target: PAGE_TARGET,
        ask: |n, _, newest| deep(json!({ "event_type": "Issue" }), n, newest),
    },
    Question { name: "rare type", target: PAGE_TARGET, ask: |_, _, _| json!({ "event_type": "release" }) },
    Question { name: "source", target: PAGE_TARGET, ask: |_, _, _| json!({ "source": "github" }) },
    Question { name: "outcome failed", target: PAGE_TARGET, ask: |_, _, _| json!({ "outcome": "failed" }) },
    Question { name: "outcome none", target: PAGE_TARGET, ask: |_, _, _| json!({ "outcome": "none" }) },
    Question {
        name: "type, source and outcome",
        target: PAGE_TARGET,
        ask: |_, _, _| json!({ "event_type": "push", "source": "github", "outcome": "failed" }),
    },
    Question {
        name: "search: a rare word",
        target: SEARCH_TARGET,
        ask: |n, events, _| json!({ "search": made_up::rare_word(n * 7_919 * made_up::RARE % events) }),
    },
    Question {
        name: "search: a word of most events",
        target: SEARCH_TARGET,
        ask: |_, _, _| json!({ "search": "data" }),
    },
    Question {
        name: "search: the beginning of words",
        target: SEARCH_TARGET,
        ask: |n, _, _| json!({ "search": word(n).chars().take(3).collect::<String>() }),
    },
    Question {
        name: "search: two words",
        target: SEARCH_TARGET,
        ask: |n, _, _| json!({ "search": format!("{} {}", word(n), word(n * 31 + 7)) }),
    },
    Question {
        name: "search within a type",
        target: SEARCH_TARGET,
        ask: |n, _, _| json!({ "search": word(n), "event_type": "Comment" }),
    },
];

/// From somewhere in the history on.
fn deep(mut question: Value, n: usize, newest: i64) -> Value {
    let at = newest / 97 * i64::try_from(n % 96 + 1).unwrap_or(1);
    question["before"] = json!(at.to_string());
    question
}

/// Makes the history where it is not there yet, asks, and publishes the table.
///
/// # Errors
/// When the worker does not start, or an answer is an error.
pub(crate) async fn run(options: &HistoryOptions) -> Result<()> {
    let events = options.events as usize;
    let (_worker, client) = made::worker(events, &options.all).await?;
    let first = client.call("events", json!({ "limit": 1 })).await?;
    let newest = first["cursor"].as_i64().unwrap_or_default();
    println!("bench: {} events; the newest change is {newest}", first["total"]);
    let rounds = usize::from(options.all.rounds());
    let asked = if options.all.is_quick() { 5 } else { ASKED };
    let mut times: Vec<Vec<f64>> = QUESTIONS.iter().map(|_| Vec::new()).collect();
    let mut found = [0_u64; QUESTIONS.len()];
    // In turns, so that no question has the caches to itself.
    for n in 0..rounds * asked {
        for ((question, times), found) in QUESTIONS.iter().zip(&mut times).zip(&mut found) {
            let mut args = (question.ask)(n, events, newest);
            args["limit"] = json!(PAGE);
            let began = Instant::now();
            let page = client.call("events", args).await?;
            times.push(began.elapsed().as_secs_f64() * 1e3);
            *found += page["rows"].as_array().map_or(0, Vec::len) as u64;
        }
    }
    let mut rows =
        vec![["question", "rows", "p50 ms", "p95 ms", "worst ms", "p95 at most"].map(String::from).to_vec()];
    for ((question, times), found) in QUESTIONS.iter().zip(&mut times).zip(found) {
        times.sort_by(f64::total_cmp);
        let at = |share: f64| {
            times
                .get(((times.len() as f64 * share) as usize).min(times.len() - 1))
                .copied()
                .unwrap_or(f64::NAN)
        };
        let over = if at(0.95) > question.target { " (over)" } else { "" };
        rows.push(vec![
            question.name.to_owned(),
            format!("{:.0}", found as f64 / times.len() as f64),
            format!("{:.1}", at(0.5)),
            format!("{:.1}{over}", at(0.95)),
            format!("{:.1}", at(1.0)),
            format!("{:.0}", question.target),
        ]);
    }
    let title = format!(
        "History of {events} events, pages of {PAGE} rows over the local API, each asked {} times",
        rounds * asked
    );
    options.all.publish(&title, &rows)
}
