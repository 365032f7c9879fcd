//! The workers' circuits: what is reported changes them, in the transaction
//! that records it; who is to be pinged is known from memory.

use super::SqliteStore;
use super::problem::Problem;
use super::roster::{Member, WorkerNo};
use super::rows;
use super::workers::number;
use super::writer::{Batch, Tx};
use crate::circuit::{self, CircuitChange, Observation, Observed};
use crate::store::{Ping, StoreError};
use postern_protocol::UnixMillis;
use postern_protocol::api::{Circuit, CircuitState, WorkerState};
use postern_protocol::id::WorkerId;
use rusqlite::{Connection, params};

impl SqliteStore {
    pub(super) async fn pings_due(
        &self,
        now: UnixMillis,
        idle_since: Option<UnixMillis>,
        limit: usize,
    ) -> Result<Vec<Ping>, StoreError> {
        self.serving()?;
        Ok(self.memory.look(|memory| {
            let roster = &memory.roster;
            let mut due: Vec<_> = roster.to_ping(now).take(limit).map(|member| ping(member, now)).collect();
            if let Some(since) = idle_since {
                let idle = |member: &&Member| {
                    member.state == WorkerState::Active
                        && member.circuit.state != CircuitState::Open
                        && member.claimed.is_empty()
                        && member.reached_at.is_none_or(|at| at <= since)
                };
                due.extend(roster.members().filter(idle).take(limit - due.len()).map(|m| ping(m, now)));
            }
            due
        }))
    }

    pub(super) async fn report_ping(
        &self,
        id: WorkerId,
        report: Observation,
    ) -> Result<Option<CircuitChange>, StoreError> {
        self.serving()?;
        let known = self.memory.look(|m| m.roster.by_id(id).map(|member| (member.no, member.circuit.state)));
        match known {
            None => Ok(None),
            Some((no, CircuitState::Closed)) if report.observed != Observed::Unreached => {
                self.memory.change(|memory| memory.roster.update(no, |m| m.reached_at = Some(report.at)));
                Ok(None)
            }
            Some(_) => {
                let apply = move |tx: &mut Tx<'_>| match number(tx.db, id)? {
                    Some(no) => apply(tx, no, &report),
                    None => Ok(None),
                };
                self.writer.write(Batch::Joins, apply).await
            }
        }
    }
}

fn ping(member: &Member, now: UnixMillis) -> Ping {
    Ping {
        worker: member.id,
        workspace: member.workspace,
        url: member.url.clone(),
        secrets: member.secrets(now),
        style: member.style.clone(),
    }
}

/// What a report says of a worker. Most say that all is well with one that was
/// well before, and cost nothing.
pub(super) fn apply(
    tx: &mut Tx<'_>,
    no: WorkerNo,
    report: &Observation,
) -> Result<Option<CircuitChange>, Problem> {
    let noted = tx.memory.change(|memory| memory.roster.note(no, report));
    // A worker that is gone has no circuit.
    let Some((known, failing)) = noted else { return Ok(None) };
    let plain = !failing && report.observed != Observed::Unreached;
    if known == CircuitState::Closed && plain {
        return Ok(None);
    }
    let before = read(tx.db, no)?;
    let Some(to) = circuit::after(&before, report, failing) else { return Ok(None) };
    write(tx.db, no, &to)?;
    let present = to.clone();
    tx.after_commit(move |memory| {
        memory.roster.update(no, |member| {
            if present.state != CircuitState::Closed {
                // What it is judged by next is what comes after.
                member.window = circuit::Window::default();
            }
            member.circuit = present;
        });
    });
    let worker = tx.memory.look(|memory| memory.roster.get(no).map(|m| (m.id, m.workspace, m.name.clone())));
    let change =
        |(worker, workspace, name)| CircuitChange { worker, workspace, name, from: before.state, to };
    Ok(worker.map(change).filter(|change| change.from != change.to.state))
}

/// A worker's circuit as it is written down.
pub(super) fn read(db: &Connection, no: WorkerNo) -> Result<Circuit, Problem> {
    let mut statement = db.prepare_cached("SELECT circuit, created_at FROM workers WHERE no = ?")?;
    let (json, created_at) = statement.query_row([no], |row| Ok((row.get(0)?, row.get(1)?)))?;
    Ok(rows::circuit(json)?.unwrap_or(Circuit::closed(UnixMillis(created_at))))
}

/// Takes a circuit into its column.
pub(super) fn write(db: &Connection, no: WorkerNo, circuit: &Circuit) -> Result<(), Problem> {
    let json = serde_json::json!(circuit).to_string();
    db.prepare_cached("UPDATE workers SET circuit = ? WHERE no = ?")?.execute(params![json, no])?;
    Ok(())
}
