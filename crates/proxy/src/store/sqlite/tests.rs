//! The contract on SQLite, and what is particular to it.

use super::*;
use crate::entropy;
use crate::store::contract::{self, Backend, T0, World};
use rusqlite::Connection;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

mod backup;
mod dedupe;
mod pruning;
mod rotate;
mod upgrade;

/// A database in a folder that goes when the test ends.
struct Sqlite {
    folder: TempDir,
}

impl Sqlite {
    fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("postern.db")
    }

    fn try_open(&self, key: u8, access: Access) -> Result<SqliteStore, OpenError> {
        SqliteStore::open(&self.path(), Arc::new(Vault::new(&[key; 32])), access)
    }
}

impl Backend for Sqlite {
    fn open(&self) -> Arc<dyn Store> {
        Arc::new(self.try_open(7, Access::Serve).unwrap())
    }
}

contract::run_on!(crate::store::sqlite::tests::Sqlite::new());

#[test]
fn one_process_serves_and_others_administer() {
    let sqlite = Sqlite::new();
    let _serving = sqlite.try_open(7, Access::Serve).unwrap();
    assert!(matches!(sqlite.try_open(7, Access::Serve), Err(OpenError::InUse { .. })));
    sqlite.try_open(7, Access::Administer).unwrap();
}

#[test]
fn another_key_is_refused() {
    let sqlite = Sqlite::new();
    drop(sqlite.try_open(7, Access::Serve).unwrap());
    let error = sqlite.try_open(8, Access::Serve).err().unwrap();
    assert!(matches!(error, OpenError::Key(_)), "{error}");
    sqlite.try_open(7, Access::Serve).unwrap();
}

#[test]
fn a_newer_database_is_refused() {
    let sqlite = Sqlite::new();
    drop(sqlite.try_open(7, Access::Serve).unwrap());
    let newer = "INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
                 VALUES (999, 'later', '2030-01-01T00:00:00Z', '1')";
    Connection::open(sqlite.path()).unwrap().execute(newer, []).unwrap();
    let error = sqlite.try_open(7, Access::Serve).err().unwrap();
    assert!(error.to_string().contains("newer postern-proxy (its schema is 999, this one knows "), "{error}");
}

/// A source from before schemes were kept has the one of its provider.
#[tokio::test]
async fn a_source_from_before_schemes_is_read() {
    let sqlite = Sqlite::new();
    let store = sqlite.open();
    let workspace = Workspace { id: entropy::workspace_id(T0), name: "Acme".into(), created_at: T0 };
    store.create_workspace(workspace.clone()).await.unwrap();
    let source = Source {
        id: entropy::source_id(T0),
        workspace: workspace.id,
        name: "github".into(),
        scheme: postern_protocol::signature::Scheme::Github,
        id_from: None,
        entity_pointer: None,
        secrets: vec!["one".into()],
        old_until: None,
        created_at: T0,
    };
    store.create_source(source.clone()).await.unwrap();
    let before = "UPDATE sources SET scheme = NULL, id_from = NULL";
    assert_eq!(Connection::open(sqlite.path()).unwrap().execute(before, []).unwrap(), 1);
    let found = store.source(source.id).await.unwrap().unwrap();
    assert_eq!((found.scheme, found.id_from), (source.scheme, None));
}

#[test]
fn what_is_no_database_is_refused() {
    let sqlite = Sqlite::new();
    std::fs::write(sqlite.path(), "this is no database, and long enough to be read as one".repeat(100))
        .unwrap();
    assert!(matches!(sqlite.try_open(7, Access::Serve), Err(OpenError::Database { .. })));
}

#[test]
fn many_may_open_a_new_database_at_once() {
    let sqlite = Sqlite::new();
    std::thread::scope(|scope| {
        let opened: Vec<_> =
            (0..6).map(|_| scope.spawn(|| sqlite.try_open(7, Access::Administer).map(drop))).collect();
        for one in opened {
            one.join().unwrap().unwrap();
        }
    });
}

#[cfg(unix)]
#[test]
fn the_database_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let sqlite = Sqlite::new();
    let _open = sqlite.try_open(7, Access::Serve).unwrap();
    for name in ["postern.db", "postern.db-wal"] {
        let mode = std::fs::metadata(sqlite.folder.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn secrets_are_not_in_the_files() {
    let sqlite = Sqlite::new();
    let path = sqlite.path();
    let world = World::new(Box::new(sqlite)).await;
    world.active_worker(&[]).await;
    let files = ["postern.db", "postern.db-wal"].map(|name| path.with_file_name(name));
    let bytes: Vec<u8> = files.iter().flat_map(|file| std::fs::read(file).unwrap()).collect();
    for secret in ["lin_whs_a", "whsec_0"] {
        assert!(!bytes.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
    }
}

/// What another process changes is seen within a second.
#[tokio::test]
async fn other_processes_changes_are_seen() {
    let sqlite = Sqlite::new();
    let (serving, path) = (sqlite.open(), sqlite.path());
    let source = Source {
        id: entropy::source_id(T0),
        workspace: entropy::workspace_id(T0),
        name: "linear".into(),
        scheme: postern_protocol::signature::Scheme::Linear,
        id_from: None,
        entity_pointer: None,
        secrets: vec!["one".into()],
        old_until: None,
        created_at: T0,
    };
    let workspace = Workspace { id: source.workspace, name: "Acme".into(), created_at: T0 };
    serving.create_workspace(workspace).await.unwrap();
    serving.create_source(source.clone()).await.unwrap();
    serving.source(source.id).await.unwrap();

    let other = SqliteStore::open(&path, Arc::new(Vault::new(&[7; 32])), Access::Administer).unwrap();
    Store::set_source_secrets(&other, source.id, vec!["two".into()], None).await.unwrap();
    let changed = async {
        while serving.source(source.id).await.unwrap().unwrap().secrets[0].reveal() != "two" {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(1), changed).await.unwrap();
    let claim = Claim {
        now: T0,
        limit: 1,
        per_worker: 1,
        bytes: u64::MAX,
        worker_bytes: u64::MAX,
        lease: Duration::from_secs(60),
    };
    let refused = Store::claim_due(&other, claim).await;
    assert!(matches!(refused, Err(StoreError::Failed(_))), "deliveries are the serving process's");
}

/// A disk without room refuses, keeps what it has, and takes more once there
/// is room.
#[tokio::test]
async fn a_full_disk_refuses_and_recovers() {
    let sqlite = Sqlite::new();
    let store = Arc::new(sqlite.try_open(7, Access::Serve).unwrap());
    let limit = |pages: u32| {
        let store = store.clone();
        async move {
            let set =
                move |tx: &mut writer::Tx<'_>| Ok(tx.db.pragma_update(None, "max_page_count", pages)?);
            store.writer.write(Batch::Joins, set).await.unwrap();
        }
    };
    let workspace = |name: String| Workspace { id: entropy::workspace_id(T0), name, created_at: T0 };
    // As small as it is: not a page more.
    limit(1).await;
    let mut refused = None;
    for n in 0..10_000 {
        match Store::create_workspace(&*store, workspace(format!("{n:0>90}"))).await {
            Ok(()) => {}
            Err(error) => {
                refused = Some((n, error));
                break;
            }
        }
    }
    let (kept, error) = refused.unwrap();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert_eq!(Store::workspaces(&*store).await.unwrap().len(), kept);
    limit(1_000_000).await;
    Store::create_workspace(&*store, workspace("more".into())).await.unwrap();
    assert_eq!(Store::workspaces(&*store).await.unwrap().len(), kept + 1);
}

/// Under a constant stream of writes the log starts over again and again.
#[tokio::test]
async fn the_log_does_not_grow_without_end() {
    let sqlite = Sqlite::new();
    let log = sqlite.path().with_file_name("postern.db-wal");
    let world = World::new(Box::new(sqlite)).await;
    let body = bytes::Bytes::from(vec![b'x'; 512 * 1024]);
    // 256 MiB through a log that is full at 64.
    for _ in 0..64 {
        let posts =
            (0..8).map(|_| world.store().accept_event(NewEvent { body: body.clone(), ..world.event() }));
        for accepted in futures_util::future::join_all(posts).await {
            accepted.unwrap();
        }
    }
    let size = std::fs::metadata(log).unwrap().len();
    assert!(size < 192 << 20, "{} MiB", size >> 20);
}

/// The log has its room before anything is written, and what that adds to the
/// file neither hides nor replaces what was committed, by others too.
#[tokio::test]
async fn the_logs_room_holds_nothing_and_takes_nothing() {
    let (sqlite, crashed) = (Sqlite::new(), Sqlite::new());
    let other = sqlite.try_open(7, Access::Administer).unwrap();
    let workspace = Workspace { id: entropy::workspace_id(T0), name: "Other".into(), created_at: T0 };
    Store::create_workspace(&other, workspace).await.unwrap();
    let (path, left) = (sqlite.path(), crashed.path());
    let log = |path: &Path| path.with_file_name("postern.db-wal");
    let used = std::fs::metadata(log(&path)).unwrap().len();
    assert!(0 < used && used < checkpoint::RESERVED, "{used}");

    let world = World::new(Box::new(sqlite)).await;
    assert_eq!(std::fs::metadata(log(&path)).unwrap().len(), checkpoint::RESERVED);
    world.active_worker(&[]).await;
    world.accept().await;
    // A killed process leaves these two.
    std::fs::copy(&path, &left).unwrap();
    std::fs::copy(log(&path), log(&left)).unwrap();

    let again = crashed.try_open(7, Access::Serve).unwrap();
    assert_eq!(Store::depth(&again).await.unwrap().pending, 1);
    assert_eq!(Store::workspaces(&again).await.unwrap().len(), 2);
    let whole = |row: &rusqlite::Row<'_>| row.get::<_, String>(0);
    let damage = Connection::open(&left).unwrap().query_row("PRAGMA integrity_check", [], whole).unwrap();
    assert_eq!(damage, "ok");
}

/// What a killed process left of a burial is finished at the next start.
#[tokio::test]
async fn an_interrupted_burial_is_finished() {
    let sqlite = Sqlite::new();
    let path = sqlite.path();
    let mut world = World::new(Box::new(sqlite)).await;
    let id = world.active_worker(&[]).await;
    world.accept().await;
    let half = "UPDATE workers SET state = 'gone', gone_at = 5, gone_reason = 'worker_left' WHERE id = ?";
    Connection::open(&path).unwrap().execute(half, [id.to_bytes()]).unwrap();
    world.restart();
    assert_eq!(world.store().depth().await.unwrap(), Depth { pending: 0, dead: 1, oldest: None });
    let left = "SELECT dead_reason FROM deliveries WHERE state = 2 AND settled_at = 5";
    let reason: String = Connection::open(&path).unwrap().query_row(left, [], |row| row.get(0)).unwrap();
    assert_eq!(reason, "worker_left");
}
