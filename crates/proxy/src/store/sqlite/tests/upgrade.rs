//! Databases of other versions: a newer one is not touched, an older one is
//! copied and brought up to date.

use super::*;
use refinery::Target;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::Path;

/// What the database's files are, by name.
fn digests(folder: &Path) -> Vec<(String, String)> {
    ["postern.db", "postern.db-wal"]
        .map(|name| (name.to_owned(), hex::encode(Sha256::digest(fs::read(folder.join(name)).unwrap()))))
        .into()
}

/// A database that a killed process of a newer version left, part of it in its
/// log.
async fn newer() -> Sqlite {
    let (sqlite, left) = (Sqlite::new(), Sqlite::new());
    let path = sqlite.path();
    let world = World::new(Box::new(sqlite)).await;
    world.accept().await;
    let newer = "INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
                 VALUES (999, 'later', '2030-01-01T00:00:00Z', '1')";
    Connection::open(&path).unwrap().execute(newer, []).unwrap();
    for name in ["postern.db", "postern.db-wal"] {
        fs::copy(path.with_file_name(name), left.folder.path().join(name)).unwrap();
    }
    left
}

#[tokio::test]
async fn a_newer_one_is_not_touched() {
    let newer = newer().await;
    let before = digests(newer.folder.path());
    for access in [Access::Serve, Access::Administer] {
        let error = newer.try_open(7, access).err().unwrap();
        assert!(
            error.to_string().contains("newer postern-proxy (its schema is 999, this one knows "),
            "{error}"
        );
    }
    let vault = Vault::new(&[7; 32]);
    assert!(matches!(check(&newer.path(), &vault, false), Err(OpenError::Newer { .. })));
    let into = newer.folder.path().join("into.db");
    assert!(restore(&newer.path(), &into, &vault, false, T0, &mut |_| {}).is_err());
    assert_eq!(digests(newer.folder.path()), before);
}

/// A database as this schema left it.
fn older(schema: u32) -> Sqlite {
    let sqlite = Sqlite::new();
    let mut connection = connection::for_writing(&sqlite.path()).unwrap();
    let target = Target::Version(i32::try_from(schema).unwrap());
    open::migrations::runner().set_target(target).run(&mut connection).unwrap();
    let row = "INSERT INTO workspaces (id, name, created_at) VALUES (zeroblob(16), 'Before', 1)";
    connection.execute(row, []).unwrap();
    sqlite
}

#[tokio::test]
async fn an_older_one_is_copied_and_brought_up_to_date() {
    for schema in 1..open::known() {
        let older = older(schema);
        let copy = older.folder.path().join(format!("postern.db.schema-{schema}"));
        // What an earlier, broken off upgrade left is no hindrance.
        fs::write(&copy, "half").unwrap();
        let store = older.try_open(7, Access::Serve).unwrap();
        assert_eq!(open::found(&older.path()).unwrap(), open::known());
        assert_eq!(Store::workspaces(&store).await.unwrap()[0].name, "Before");
        assert_eq!(open::found(&copy).unwrap(), schema);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }
}

#[test]
fn an_upgrade_can_do_without_the_copy() {
    let older = older(1);
    SqliteStore::upgrade(&older.path(), &Vault::new(&[7; 32]), false).unwrap();
    assert_eq!(open::found(&older.path()).unwrap(), open::known());
    assert!(!older.folder.path().join("postern.db.schema-1").exists());
}

/// An administrator's newer program does not change the database under the
/// feet of the proxy that serves from it.
#[test]
fn an_older_one_that_is_served_from_is_left_alone() {
    let older = older(1);
    let serving = lock(&older.path()).unwrap();
    let error = older.try_open(7, Access::Administer).err().unwrap();
    assert!(matches!(error, OpenError::Older { .. }), "{error}");
    assert_eq!(open::found(&older.path()).unwrap(), 1);
    drop(serving);
    older.try_open(7, Access::Administer).unwrap();
}

/// Without room for the copy nothing is changed.
#[test]
fn without_the_copy_it_stays_as_it_is() {
    let older = older(1);
    fs::create_dir(older.folder.path().join("postern.db.schema-1")).unwrap();
    let error = older.try_open(7, Access::Serve).err().unwrap();
    assert!(error.to_string().contains("--no-copy"), "{error}");
    assert_eq!(open::found(&older.path()).unwrap(), 1);
}
