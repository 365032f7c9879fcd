//! Workers: registration, challenge, leases, leaving.

use super::SqliteStore;
use super::catch_up;
use super::circuits;
use super::deliveries::QUEUED;
use super::grants;
use super::order;
use super::problem::Problem;
use super::roster::{Member, WorkerNo};
use super::rows;
use super::writer::{Batch, Tx};
use crate::circuit;
use crate::store::{DeadReason, StoreError, Worker};
use postern_protocol::api::{CircuitState, Group, GroupMode, Waiting, WorkerPolicy, WorkerState};
use postern_protocol::id::{WorkerId, WorkspaceId};
use postern_protocol::signature::SignatureStyle;
use postern_protocol::{Secret, UnixMillis};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Params, params, params_from_iter};
use std::sync::Arc;

/// Deliveries buried in one transaction, so that a worker with a million
/// waiting does not hold up everyone's webhooks when it leaves.
const BURIED_AT_ONCE: u32 = 1_000;

impl SqliteStore {
    pub(super) async fn register_worker(&self, worker: Worker) -> Result<(), StoreError> {
        let columns = self.columns(&worker);
        let register = move |tx: &mut Tx<'_>| {
            let sql = "INSERT INTO workers
                (token, name, url, credential_hash, secret, previous_secret, previous_until, filter, ordering,
                 catch_up, leased_until, signature_style, policy, group_name, claim_group, id, workspace, created_at, state)
                VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending')";
            let mut row = columns.clone();
            row.extend(group(tx.db, worker.workspace, worker.group.as_ref())?);
            row.push(worker.id.to_bytes().to_vec().into());
            row.push(worker.workspace.to_bytes().to_vec().into());
            row.push(worker.created_at.0.into());
            match tx.db.prepare_cached(sql)?.execute(params_from_iter(row)) {
                Ok(_) => refresh(tx, worker.id),
                Err(error) if Problem::is_conflict(&error) => {
                    Err(Problem::Exists(format!("the worker {}", worker.id)))
                }
                Err(error) => Err(error.into()),
            }
        };
        self.writer.write(Batch::Ends, register).await
    }

    pub(super) async fn update_worker(&self, worker: Worker) -> Result<(), StoreError> {
        let columns = self.columns(&worker);
        let update = move |tx: &mut Tx<'_>| {
            let sql = "UPDATE workers SET
                    token = ?, name = ?, url = ?, credential_hash = ?, secret = ?, previous_secret = ?,
                    previous_until = ?, filter = ?, ordering = ?, catch_up = ?, leased_until = ?, signature_style = ?,
                    policy = ?, state = 'pending', challenge_error = NULL, circuit = NULL
                WHERE id = ? AND state <> 'gone'";
            let mut row = columns.clone();
            row.push(worker.id.to_bytes().to_vec().into());
            order::change(tx, worker.id, worker.ordering)?;
            match tx.db.prepare_cached(sql)?.execute(params_from_iter(row))? {
                0 => Err(missing(worker.id)),
                _ => refresh(tx, worker.id),
            }
        };
        self.writer.write(Batch::Ends, update).await
    }

    pub(super) async fn set_group(
        &self,
        id: WorkerId,
        wanted: Option<Group>,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let set = move |tx: &mut Tx<'_>| {
            let workspace = "SELECT workspace FROM workers WHERE id = ? AND state <> 'gone'";
            let workspace = tx.db.prepare_cached(workspace)?.query_row([id.to_bytes()], |row| row.get(0));
            let workspace = workspace.optional()?.ok_or_else(|| missing(id))?;
            let [name, number] = group(tx.db, WorkspaceId::from_bytes(workspace), wanted.as_ref())?;
            leave_group(tx, id, &number, now)?;
            tx.db
                .prepare_cached("UPDATE workers SET group_name = ?, claim_group = ? WHERE id = ?")?
                .execute(params![name, number, id.to_bytes()])?;
            refresh(tx, id)
        };
        self.writer.write(Batch::Ends, set).await
    }

    /// What a registration sets, in the order of the statements above.
    fn columns(&self, worker: &Worker) -> Vec<Value> {
        let context = rows::worker_context(worker.id);
        let previous = worker.previous_secret.as_ref();
        let filter: Vec<String> = worker.filter.clone().into();
        vec![
            worker.token.to_bytes().to_vec().into(),
            worker.name.clone().into(),
            worker.url.clone().into(),
            worker.credential_hash.to_vec().into(),
            self.vault.seal(&context, worker.secret.reveal()).into(),
            previous.map(|(secret, _)| self.vault.seal(&context, secret.reveal())).into(),
            previous.map(|(_, until)| until.0).into(),
            serde_json::json!(filter).to_string().into(),
            rows::name(&worker.ordering).into(),
            rows::name(&worker.catch_up).into(),
            worker.leased_until.0.into(),
            style(&worker.style).into(),
            policy(&worker.policy).into(),
        ]
    }

    pub(super) async fn rotate_worker_secret(
        &self,
        id: WorkerId,
        secret: Secret,
        previous_until: UnixMillis,
    ) -> Result<(), StoreError> {
        let sealed = self.vault.seal(&rows::worker_context(id), secret.reveal());
        let rotate = move |tx: &mut Tx<'_>| {
            let sql = "UPDATE workers SET previous_secret = secret, previous_until = ?, secret = ?
                WHERE id = ? AND state <> 'gone'";
            match tx.db.prepare_cached(sql)?.execute(params![previous_until.0, sealed, id.to_bytes()])? {
                0 => Err(missing(id)),
                _ => refresh(tx, id),
            }
        };
        self.writer.write(Batch::Joins, rotate).await
    }

    pub(super) async fn worker_by_credential(&self, hash: [u8; 32]) -> Result<Option<Worker>, StoreError> {
        self.find_worker("credential_hash = ?", hash.to_vec()).await
    }

    pub(super) async fn worker(&self, id: WorkerId) -> Result<Option<Worker>, StoreError> {
        self.find_worker("id = ?", id.to_bytes().to_vec()).await
    }

    async fn find_worker(&self, condition: &'static str, key: Vec<u8>) -> Result<Option<Worker>, StoreError> {
        let vault = Arc::clone(&self.vault);
        let find = move |db: &Connection| {
            let mut statement = db.prepare_cached(&rows::worker_query(condition))?;
            let mut found = statement.query(params![key])?;
            found.next()?.map(|row| rows::worker(row, &vault).map(|row| row.worker)).transpose()
        };
        let mut found = self.readers.read(find).await?;
        self.look_at(found.as_mut_slice());
        Ok(found)
    }

    pub(super) async fn workers(&self, workspace: WorkspaceId) -> Result<Vec<Worker>, StoreError> {
        let vault = Arc::clone(&self.vault);
        let list = move |db: &Connection| {
            let mut statement =
                db.prepare_cached(&rows::worker_query("workspace = ? ORDER BY created_at, no"))?;
            let mut found = statement.query(params![workspace.to_bytes()])?;
            let mut workers = Vec::new();
            while let Some(row) = found.next()? {
                workers.push(rows::worker(row, &vault)?.worker);
            }
            Ok(workers)
        };
        let mut found = self.readers.read(list).await?;
        self.look_at(&mut found);
        Ok(found)
    }

    /// Adds what memory alone knows.
    fn look_at(&self, workers: &mut [Worker]) {
        self.memory.look(|memory| {
            for worker in workers {
                worker.throttled_until = memory.roster.by_id(worker.id).and_then(Member::throttled_until);
            }
        });
    }

    pub(super) async fn unproved_until(&self, until: UnixMillis) -> Result<Vec<Worker>, StoreError> {
        let vault = Arc::clone(&self.vault);
        let list = move |db: &Connection| {
            let condition = "state = 'pending' AND url IS NOT NULL AND leased_until >= ?";
            let mut statement = db.prepare_cached(&rows::worker_query(condition))?;
            let mut found = statement.query(params![until.0])?;
            let mut workers = Vec::new();
            while let Some(row) = found.next()? {
                workers.push(rows::worker(row, &vault)?.worker);
            }
            Ok(workers)
        };
        self.readers.read(list).await
    }

    pub(super) async fn settle_challenge(
        &self,
        id: WorkerId,
        outcome: Result<UnixMillis, String>,
    ) -> Result<(), StoreError> {
        let settle = move |tx: &mut Tx<'_>| {
            let key = id.to_bytes();
            if !tx.db.prepare_cached("SELECT 1 FROM workers WHERE id = ?")?.exists(params![key])? {
                return Err(missing(id));
            }
            match &outcome {
                Ok(until) => tx
                    .db
                    .prepare_cached(
                        "UPDATE workers SET state = iif(paused, 'paused', 'active'), activated = 1,
                                challenge_error = NULL, away_since = NULL, leased_until = ? WHERE id = ? AND state = 'pending'",
                    )?
                    .execute(params![until.0, key])?,
                Err(reason) => tx
                    .db
                    .prepare_cached(
                        "UPDATE workers SET challenge_error = ? WHERE id = ? AND state = 'pending'",
                    )?
                    .execute(params![reason, key])?,
            };
            refresh(tx, id)
        };
        self.writer.write(Batch::Ends, settle).await
    }

    pub(super) async fn renew_lease(
        &self,
        id: WorkerId,
        until: UnixMillis,
        paused: Option<bool>,
    ) -> Result<Option<Worker>, StoreError> {
        let renew = move |tx: &mut Tx<'_>| {
            let key = id.to_bytes();
            let sql = "UPDATE workers SET
                    leased_until = ?1, paused = coalesce(?2, paused),
                    away_since = iif(state = 'pending', away_since, NULL),
                    state = CASE WHEN state = 'pending' THEN state
                                 WHEN coalesce(?2, paused) THEN 'paused' ELSE 'active' END
                WHERE id = ?3 AND state <> 'gone'
                  AND NOT EXISTS (SELECT 1 FROM tokens WHERE id = workers.token AND revoked_at IS NOT NULL)";
            if tx.db.prepare_cached(sql)?.execute(params![until.0, paused, key])? == 0 {
                return Ok(None);
            }
            let mut statement = tx.db.prepare_cached(&rows::worker_query("id = ?"))?;
            let mut found = statement.query(params![key])?;
            let Some(row) = found.next()? else { return Ok(None) };
            let mut row = rows::worker(row, tx.vault)?;
            if let Some(due) = circuit::heard_of(&row.worker.circuit) {
                circuits::write(tx.db, row.no, &due)?;
                row.worker.circuit = due;
            }
            let worker = row.worker.clone();
            let member = Member::new(row);
            tx.after_commit(|memory| memory.roster.put(member));
            Ok(Some(worker))
        };
        self.writer.write(Batch::Joins, renew).await
    }

    pub(super) async fn heard_of(&self, id: WorkerId) -> Result<(), StoreError> {
        let open = |m: &Member| m.circuit.state == CircuitState::Open;
        if !self.memory.look(|memory| memory.roster.by_id(id).is_some_and(open)) {
            return Ok(());
        }
        let hear = move |tx: &mut Tx<'_>| {
            let Some(no) = number(tx.db, id)? else { return Ok(()) };
            let Some(due) = circuit::heard_of(&circuits::read(tx.db, no)?) else { return Ok(()) };
            circuits::write(tx.db, no, &due)?;
            refresh(tx, id)
        };
        self.writer.write(Batch::Joins, hear).await
    }

    pub(super) async fn without_access(
        &self,
        workers: Vec<WorkerId>,
        now: UnixMillis,
    ) -> Result<Vec<WorkerId>, StoreError> {
        let find = move |db: &Connection| {
            let mut welcome = db.prepare_cached(
                "SELECT 1 FROM workers JOIN tokens ON tokens.id = workers.token
                 WHERE workers.id = ? AND state <> 'gone' AND revoked_at IS NULL
                   AND (expires_at IS NULL OR expires_at > ?)",
            )?;
            let mut found = Vec::new();
            for worker in workers {
                if !welcome.exists(params![worker.to_bytes(), now.0])? {
                    found.push(worker);
                }
            }
            Ok(found)
        };
        self.readers.read(find).await
    }

    pub(super) async fn set_policy(&self, id: WorkerId, wanted: WorkerPolicy) -> Result<bool, StoreError> {
        let set = move |tx: &mut Tx<'_>| {
            let sql = "UPDATE workers SET policy = ? WHERE id = ? AND state <> 'gone'";
            let found = tx.db.prepare_cached(sql)?.execute(params![policy(&wanted), id.to_bytes()])?;
            refresh(tx, id).map(|()| found > 0)
        };
        self.writer.write(Batch::Ends, set).await
    }

    pub(super) async fn remove_worker(
        &self,
        id: WorkerId,
        reason: DeadReason,
        now: UnixMillis,
    ) -> Result<(), StoreError> {
        let remove = move |tx: &mut Tx<'_>| match number(tx.db, id)? {
            Some(no) => retire(tx, no, reason, now).map(|()| no),
            None => Err(missing(id)),
        };
        let no = self.writer.write(Batch::Ends, remove).await?;
        self.bury(no).await
    }

    pub(super) async fn retire_abandoned(
        &self,
        before: UnixMillis,
        now: UnixMillis,
    ) -> Result<Vec<WorkerId>, StoreError> {
        let give_up = move |tx: &mut Tx<'_>| {
            let abandoned = members(
                tx,
                "state IN ('away', 'paused', 'pending') AND leased_until < ?",
                params![before.0],
            )?;
            let retired: Vec<_> = abandoned.into_iter().map(|member| (member.no, member.id)).collect();
            for (no, _) in &retired {
                retire(tx, *no, DeadReason::Abandoned, now)?;
            }
            Ok(retired)
        };
        let retired = self.writer.write(Batch::Ends, give_up).await?;
        for (no, _) in &retired {
            self.bury(*no).await?;
        }
        Ok(retired.into_iter().map(|(_, id)| id).collect())
    }

    /// Makes dead letters of what waited for a gone worker, a part at a time.
    pub(super) async fn bury(&self, no: WorkerNo) -> Result<(), StoreError> {
        loop {
            let some = self.writer.write(Batch::Joins, move |tx| bury_some(tx.db, no)).await?;
            if some < BURIED_AT_ONCE as usize {
                return Ok(());
            }
        }
    }

    pub(super) async fn expire_leases(&self, now: UnixMillis) -> Result<Vec<WorkerId>, StoreError> {
        let over = self.memory.look(|memory| {
            let over = |member: &&Member| member.state == WorkerState::Active && member.leased_until < now;
            memory.roster.members().any(|member| over(&member))
        });
        if !over {
            return Ok(Vec::new());
        }
        let expire = move |tx: &mut Tx<'_>| {
            let condition = "state = 'active' AND leased_until < ?";
            let mut expired = members(tx, condition, params![now.0])?;
            let sql =
                format!("UPDATE workers SET state = 'away', away_since = leased_until WHERE {condition}");
            tx.db.prepare_cached(&sql)?.execute(params![now.0])?;
            expired.iter_mut().for_each(|member| member.state = WorkerState::Away);
            let ids = expired.iter().map(|member| member.id).collect();
            tx.after_commit(|memory| expired.into_iter().for_each(|member| memory.roster.put(member)));
            Ok(ids)
        };
        self.writer.write(Batch::Joins, expire).await
    }

    pub(super) async fn waiting(&self, id: WorkerId) -> Result<Waiting, StoreError> {
        let known = self
            .memory
            .look(|m| m.roster.by_id(id).map(|member| (member.no, member.waiting, member.holding.clone())));
        let Some((no, count, holding)) = known else { return Ok(Waiting::default()) };
        let held = self.held(no, holding).await?;
        if count == 0 {
            return Ok(Waiting { held, ..Waiting::default() });
        }
        let oldest = self.readers.read(move |db| oldest(db, no)).await?;
        Ok(Waiting { count, oldest, held })
    }
}

/// When the oldest delivery that waits for a worker was accepted. Two looks
/// suffice: one that was not put off is due when it was accepted, so the first
/// in the order of due times is older than all others of its kind.
pub(super) fn oldest(db: &Connection, no: WorkerNo) -> Result<Option<UnixMillis>, Problem> {
    let first = |index: &str, condition: &str, order: &str| {
        db.prepare_cached(&format!(
            "SELECT accepted_at FROM deliveries INDEXED BY {index}
             WHERE worker = ? AND {condition} ORDER BY {order} LIMIT 1"
        ))?
        .query_row([no], |row| row.get::<_, i64>(0))
        .optional()
    };
    let due = first("deliveries_pending", "state = 0", "due_at")?;
    let put_off = first("deliveries_put_off", "state = 0 AND due_at <> accepted_at", "accepted_at")?;
    // Of those in line, the first may stand behind one that is held.
    let queued = first("deliveries_queued", "state = 6", "accepted_at")?;
    let claimed = if no < 0 { oldest_claimed(db, no)? } else { None };
    Ok(due.into_iter().chain(put_off).chain(queued).chain(claimed).min().map(UnixMillis))
}

/// The same of what members of a claim group have.
fn oldest_claimed(db: &Connection, no: WorkerNo) -> Result<Option<i64>, Problem> {
    let sql = "SELECT min(d.accepted_at) FROM grants g INDEXED BY grants_standing
                 JOIN deliveries d ON d.event = g.event AND d.id = g.delivery
               WHERE g.until IS NOT NULL AND d.worker = ? AND d.state = 7";
    Ok(db.prepare_cached(sql)?.query_row([no], |row| row.get(0))?)
}

/// A group's name and, of a claim group, its number, for their columns.
fn group(db: &Connection, workspace: WorkspaceId, group: Option<&Group>) -> Result<[Value; 2], Problem> {
    let Some(Group { name, mode }) = group else { return Ok([Value::Null, Value::Null]) };
    let number = match mode {
        GroupMode::Claim => Some(grants::group_number(db, workspace, name.as_str())?),
        GroupMode::Fanout => None,
    };
    Ok([name.as_str().to_owned().into(), number.into()])
}

/// Gives up what a worker holds of its claim group, unless it stays in it.
fn leave_group(tx: &mut Tx<'_>, id: WorkerId, next: &Value, now: UnixMillis) -> Result<(), Problem> {
    let before: Option<(WorkerNo, Value)> = tx
        .db
        .prepare_cached("SELECT no, claim_group FROM workers WHERE id = ? AND claim_group IS NOT NULL")?
        .query_row([id.to_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    match before {
        Some((no, before)) if before != *next => grants::give_up(tx, no, now),
        _ => Ok(()),
    }
}

/// A style for its column; the usual one is none.
fn style(style: &SignatureStyle) -> Option<String> {
    (*style != SignatureStyle::Standard).then(|| serde_json::json!(style).to_string())
}

/// A policy for its column; the proxy's own is none.
fn policy(policy: &WorkerPolicy) -> Option<String> {
    (*policy != WorkerPolicy::default()).then(|| serde_json::json!(policy).to_string())
}

pub(super) fn missing(id: WorkerId) -> Problem {
    Problem::Missing(format!("the worker {id}"))
}

pub(super) fn number(db: &Connection, id: WorkerId) -> Result<Option<WorkerNo>, Problem> {
    let mut statement = db.prepare_cached("SELECT no FROM workers WHERE id = ?")?;
    Ok(statement.query_row(params![id.to_bytes()], |row| row.get(0)).optional()?)
}

/// The workers for which `condition` holds.
pub(super) fn members(tx: &Tx<'_>, condition: &str, key: impl Params) -> Result<Vec<Member>, Problem> {
    let mut statement = tx.db.prepare_cached(&rows::worker_query(condition))?;
    let mut found = statement.query(key)?;
    let mut members = Vec::new();
    while let Some(row) = found.next()? {
        members.push(Member::new(rows::worker(row, tx.vault)?));
    }
    Ok(members)
}

/// Takes a worker's new row into memory after the commit.
pub(super) fn refresh(tx: &mut Tx<'_>, id: WorkerId) -> Result<(), Problem> {
    let changed = members(tx, "id = ? AND state <> 'gone'", params![id.to_bytes()])?;
    tx.after_commit(|memory| changed.into_iter().for_each(|member| memory.roster.put(member)));
    Ok(())
}

/// A worker is gone. Its deliveries count as dead from here on; [`bury_some`]
/// writes that down.
pub(super) fn retire(
    tx: &mut Tx<'_>,
    no: WorkerNo,
    reason: DeadReason,
    now: UnixMillis,
) -> Result<(), Problem> {
    tx.db
        .prepare_cached(
            "UPDATE workers SET state = 'gone', gone_at = ?, gone_reason = ? WHERE no = ? AND state <> 'gone'",
        )?
        .execute(params![now.0, reason.as_str(), no])?;
    catch_up::release(tx, no)?;
    grants::give_up(tx, no, now)?;
    tx.after_commit(move |memory| memory.roster.remove(no));
    Ok(())
}

fn bury_some(db: &Connection, no: WorkerNo) -> Result<usize, Problem> {
    let bury = |index: &str, state: i64| {
        let sql = format!(
            "UPDATE deliveries SET state = 2,
                settled_at = (SELECT gone_at FROM workers WHERE no = ?1),
                dead_reason = (SELECT gone_reason FROM workers WHERE no = ?1)
             WHERE (event, id) IN (SELECT event, id FROM deliveries INDEXED BY {index}
                                   WHERE worker = ?1 AND state = {state} LIMIT ?2)"
        );
        db.prepare_cached(&sql)?.execute(params![no, BURIED_AT_ONCE])
    };
    match bury("deliveries_pending", 0)? {
        0 => Ok(bury("deliveries_queued", QUEUED)?),
        // There may be queued ones besides.
        some => Ok(some.max(BURIED_AT_ONCE as usize)),
    }
}

/// Finishes burials that the end of a process interrupted.
pub(super) fn bury_interrupted(db: &Connection) -> Result<(), Problem> {
    let gone: Vec<WorkerNo> = db
        .prepare(
            "SELECT no FROM workers WHERE state = 'gone' AND EXISTS
               (SELECT 1 FROM deliveries INDEXED BY deliveries_pending WHERE worker = no AND deliveries.state = 0
                UNION ALL
                SELECT 1 FROM deliveries INDEXED BY deliveries_queued WHERE worker = no AND deliveries.state = 6)",
        )?
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for no in gone {
        while bury_some(db, no)? == BURIED_AT_ONCE as usize {}
    }
    Ok(())
}
