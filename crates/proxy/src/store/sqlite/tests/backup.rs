//! Backups, and the way back.

use super::*;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

fn vault(key: u8) -> Vault {
    Vault::new(&[key; 32])
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(folder).unwrap().map(|f| f.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn make(from: &Path, to: &Path) -> Result<u64, BackupError> {
    backup(from, to, &mut |_| {})
}

fn put_back(from: &Path, to: &Path, key: u8, replace: bool) -> Result<Replaced, BackupError> {
    restore(from, to, &vault(key), replace, T0, &mut |_| {})
}

/// While events come in, a backup has all that were accepted before it, each
/// with its delivery, and nothing by half.
#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_of_one_moment() {
    let sqlite = Sqlite::new();
    let (path, elsewhere) = (sqlite.path(), tempfile::tempdir().unwrap());
    let world = World::new(Box::new(sqlite)).await;
    world.active_worker(&[]).await;
    let body = bytes::Bytes::from(vec![b'x'; 64 * 1024]);
    let event = || NewEvent { body: body.clone(), ..world.event() };
    for _ in 0..300 {
        world.store().accept_event(event()).await.unwrap();
    }
    let copying = AtomicBool::new(true);
    let file = elsewhere.path().join("backup.db");
    let (mut meanwhile, mut steps) = (0u64, 0);
    let store = world.store();
    std::thread::scope(|scope| {
        let copy = scope.spawn(|| {
            let made = backup(&path, &file, &mut |progress| {
                assert!(progress.done <= progress.total);
                steps += 1;
            });
            copying.store(false, Ordering::SeqCst);
            made.unwrap()
        });
        tokio::task::block_in_place(|| {
            let runtime = tokio::runtime::Handle::current();
            while copying.load(Ordering::SeqCst) {
                runtime.block_on(store.accept_event(event())).unwrap();
                meanwhile += 1;
            }
        });
        assert_eq!(copy.join().unwrap(), fs::metadata(&file).unwrap().len());
    });
    assert!(steps > 2 && meanwhile > 0, "{steps} steps, {meanwhile} events meanwhile");
    let report = check(&file, &vault(7), true).unwrap();
    assert_eq!(report.problems, Vec::<String>::new());
    assert!((300..300 + meanwhile + 1).contains(&report.counts.events), "{:?}", report.counts);
    assert_eq!(report.counts.pending, report.counts.events, "each with its delivery");
    assert!(report.secrets >= 2, "a source's and a worker's");
    assert_eq!(names(elsewhere.path()), ["backup.db"], "one file");
}

#[tokio::test]
async fn a_backup_is_its_owners_alone_and_takes_no_files_place() {
    let sqlite = Sqlite::new();
    let (path, elsewhere) = (sqlite.path(), tempfile::tempdir().unwrap());
    let _world = World::new(Box::new(sqlite)).await;
    let file = elsewhere.path().join("backup.db");
    make(&path, &file).unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    }
    let before = fs::read(&file).unwrap();
    assert!(matches!(make(&path, &file), Err(BackupError::Copy(CopyError::Exists { .. }))));
    assert_eq!(fs::read(&file).unwrap(), before);
    let nowhere = elsewhere.path().join("nowhere/backup.db");
    assert!(matches!(make(&path, &nowhere), Err(BackupError::Copy(CopyError::Target { .. }))));
    assert!(matches!(make(&nowhere, &file.with_extension("2")), Err(BackupError::Missing { .. })));
    assert_eq!(names(elsewhere.path()), ["backup.db"], "no draft is left");
}

#[tokio::test]
async fn what_was_backed_up_is_restored() {
    let sqlite = Sqlite::new();
    let (path, elsewhere) = (sqlite.path(), tempfile::tempdir().unwrap());
    let mut world = World::new(Box::new(sqlite)).await;
    world.active_worker(&[]).await;
    let before = world.accept().await;
    let file = elsewhere.path().join("backup.db");
    make(&path, &file).unwrap();
    let after = world.accept().await;
    let restored = elsewhere.path().join("new/postern.db");
    assert_eq!(put_back(&file, &restored, 7, false).unwrap().kept_at, None);
    let store = SqliteStore::open(&restored, Arc::new(vault(7)), Access::Serve).unwrap();
    let record = |event| Store::event_record(&store, world.workspace, event);
    assert!(record(before.id).await.unwrap().is_some() && record(after.id).await.unwrap().is_none());
    assert_eq!(
        Store::claim_due(
            &store,
            Claim {
                now: T0.plus(9),
                limit: 9,
                per_worker: 9,
                bytes: u64::MAX,
                worker_bytes: u64::MAX,
                lease: Duration::from_secs(60)
            }
        )
        .await
        .unwrap()
        .len(),
        1
    );

    assert!(matches!(put_back(&file, &path, 7, true), Err(BackupError::Open(OpenError::InUse { .. }))));
    world.close();
    assert!(matches!(put_back(&file, &path, 7, false), Err(BackupError::Present { .. })));
    let kept = put_back(&file, &path, 7, true).unwrap().kept_at.unwrap();
    let counted = |path: &Path| check(path, &vault(7), false).unwrap().counts.events;
    assert_eq!((counted(&path), counted(&kept)), (1, 2), "the one before is kept, with its log");
}

#[tokio::test]
async fn what_cannot_be_restored_changes_nothing() {
    let sqlite = Sqlite::new();
    let (path, elsewhere) = (sqlite.path(), tempfile::tempdir().unwrap());
    let mut world = World::new(Box::new(sqlite)).await;
    let file = elsewhere.path().join("backup.db");
    make(&path, &file).unwrap();
    world.close();
    let untouched = fs::read(&path).unwrap();
    let refused = |from: &Path, key| put_back(from, &path, key, true).unwrap_err();
    assert!(matches!(refused(&file, 8), BackupError::Open(OpenError::Key(_))));
    assert!(matches!(refused(&elsewhere.path().join("none"), 7), BackupError::Missing { .. }));
    let other = elsewhere.path().join("other.db");
    fs::write(&other, b"this is no database, and long enough to be read as one".repeat(100)).unwrap();
    assert!(matches!(refused(&other, 7), BackupError::Open(OpenError::Database { .. })));
    fs::remove_file(&other).unwrap();
    Connection::open(&other).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    assert!(matches!(refused(&other, 7), BackupError::Foreign { .. }));
    // A page in the middle is overwritten.
    let mut bytes = fs::read(&file).unwrap();
    let middle = bytes.len() / 2 / 4096 * 4096;
    bytes[middle..middle + 4096].fill(0x5a);
    fs::write(&other, bytes).unwrap();
    assert!(matches!(refused(&other, 7), BackupError::Copy(_) | BackupError::Open(_)));
    assert_eq!(fs::read(&path).unwrap(), untouched);
    let left = names(path.parent().unwrap());
    assert!(left.iter().all(|name| !name.contains("replaced") && name.len() < 20), "{left:?}");
}

/// A check finds a key that does not fit, a row without its event, and damage.
#[tokio::test]
async fn a_check_finds_what_is_wrong() {
    let sqlite = Sqlite::new();
    let path = sqlite.path();
    let world = World::new(Box::new(sqlite)).await;
    world.active_worker(&[]).await;
    world.accept().await;
    let problems = |key| check(&path, &vault(key), true).unwrap().problems;
    assert_eq!(problems(7), Vec::<String>::new());
    assert!(problems(8)[0].contains("sealed with master key"), "{:?}", problems(8));
    let change = |sql: &str| Connection::open(&path).unwrap().execute(sql, []).unwrap();
    change("UPDATE workers SET secret = CAST(substr(secret, 1, length(secret) - 1) || x'00' AS BLOB)");
    assert!(problems(7)[0].contains("the secret of worker:"), "{:?}", problems(7));
    change("DELETE FROM events");
    assert!(problems(7)[1].contains("1 deliveries are of no event"), "{:?}", problems(7));
}
