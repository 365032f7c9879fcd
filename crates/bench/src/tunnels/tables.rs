//! The tables.

use super::CONNECTIONS;
use super::subject::{Figures, Subject};
use crate::report::Spread;

pub(super) const DIRECT: &str = "direct";
pub(super) const NGINX: &str = "nginx, one hop";
pub(super) const NGINX_TLS: &str = "nginx, one hop, HTTPS";
pub(super) const BORE: &str = "bore, bytes only";
pub(super) const POSTERN: &str = "postern";
pub(super) const UNINSPECTED: &str = "postern without inspector";
pub(super) const POSTERN_TLS: &str = "postern, HTTPS";

type Rows = Vec<Vec<String>>;

/// Requests a second, beside nginx and bore.
pub(super) fn rates(subjects: &[Subject]) -> Rows {
    let mut head = vec!["requests/s".to_owned()];
    for connections in CONNECTIONS {
        let over =
            if connections == 1 { "1 connection".into() } else { format!("{connections} connections") };
        head.extend([over, "× nginx".into(), "× bore".into(), "CPU s per 10 k".into()]);
    }
    let mut rows = vec![head];
    for subject in subjects {
        let mut row = vec![subject.name.to_owned()];
        for at in 0..CONNECTIONS.len() {
            row.push(spread(&subject.seen.rates[at], 0));
            for other in [NGINX, BORE] {
                row.push(times(subject, named(subjects, other), |seen| &seen.rates[at]));
            }
            row.push(spread(&subject.seen.cpu[at], 2));
        }
        rows.push(row);
    }
    rows
}

/// What TLS and the inspector cost.
pub(super) fn compared(subjects: &[Subject]) -> Rows {
    let mut head = vec!["rate ×".to_owned()];
    head.extend(CONNECTIONS.map(|connections| connections.to_string()));
    let mut rows = vec![head];
    for (what, ours, base) in [
        ("postern: HTTPS ÷ HTTP", POSTERN_TLS, POSTERN),
        ("nginx: HTTPS ÷ HTTP", NGINX_TLS, NGINX),
        ("postern: inspector on ÷ off", POSTERN, UNINSPECTED),
    ] {
        let Some(ours) = named(subjects, ours) else { continue };
        let base = named(subjects, base);
        let times = (0..CONNECTIONS.len()).map(|at| times(ours, base, |seen| &seen.rates[at]));
        rows.push(std::iter::once(what.to_owned()).chain(times).collect());
    }
    rows
}

/// How long requests on a beat take.
pub(super) fn beat(subjects: &[Subject]) -> Rows {
    let head = ["at 200 a second", "p50 ms", "more than direct", "p99 ms", "more than direct"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let direct = named(subjects, DIRECT);
    for subject in subjects {
        let more = |figures: fn(&Figures) -> &Vec<f64>| match direct {
            Some(direct) => {
                let pairs = figures(&subject.seen).iter().zip(figures(&direct.seen));
                Spread::of(pairs.map(|(ours, base)| ours - base)).show(3)
            }
            None => "–".into(),
        };
        rows.push(vec![
            subject.name.to_owned(),
            spread(&subject.seen.p50, 3),
            more(|seen| &seen.p50),
            spread(&subject.seen.p99, 3),
            more(|seen| &seen.p99),
        ]);
    }
    rows
}

/// Bodies of so many MiB, and requests beside them.
pub(super) fn bodies(subjects: &[Subject], mib: usize) -> Rows {
    let head = [
        &format!("{mib} MiB"),
        "down, MiB/s",
        "× direct",
        "up, MiB/s",
        "× direct",
        "p99 ms of GETs beside an upload",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    let direct = named(subjects, DIRECT);
    for subject in subjects {
        rows.push(vec![
            subject.name.to_owned(),
            spread(&subject.seen.down, 0),
            times(subject, direct, |seen| &seen.down),
            spread(&subject.seen.up, 0),
            times(subject, direct, |seen| &seen.up),
            spread(&subject.seen.beside_up, 2),
        ]);
    }
    rows
}

fn named<'s>(subjects: &'s [Subject], name: &str) -> Option<&'s Subject> {
    subjects.iter().find(|subject| subject.name == name)
}

/// By rounds, so that both were measured in the same minute.
fn times<'s>(
    ours: &'s Subject,
    base: Option<&'s Subject>,
    of: impl Fn(&'s Figures) -> &'s Vec<f64>,
) -> String {
    let Some(base) = base else { return "–".into() };
    let pairs = of(&ours.seen).iter().zip(of(&base.seen));
    Spread::of(pairs.map(|(ours, base)| ours / base)).show(2)
}

fn spread(figures: &[f64], decimals: usize) -> String {
    if figures.is_empty() { "–".into() } else { Spread::of(figures.iter().copied()).show(decimals) }
}
