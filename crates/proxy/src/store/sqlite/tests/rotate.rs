//! A new master key.

use super::*;
use postern_protocol::api::WorkerState;
use postern_protocol::api::tunnels::{TunnelAccess, TunnelName, TunnelOptions};
use std::path::Path;

/// After a rotation no value in any table was sealed with the old key.
#[tokio::test]
async fn every_secret_is_sealed_anew() {
    let sqlite = Sqlite::new();
    let path = sqlite.path();
    let mut world = World::new(Box::new(sqlite)).await;
    let id = world.active_worker(&[]).await;
    let worker = world.store().worker(id).await.unwrap().unwrap();
    let update = Worker { previous_secret: Some(("before".into(), T0)), ..worker };
    world.store().update_worker(update.clone()).await.unwrap();
    let app = LinearApp {
        slug: "app".into(),
        secrets: vec!["of the app".into()],
        old_until: None,
        organizations: vec![],
    };
    world.store().put_linear_app(app).await.unwrap();
    let member = Token {
        id: entropy::token_id(T0),
        hash: [9; 32],
        ..world.store().tokens(world.workspace).await.unwrap()[0].clone()
    };
    let signed_in = LinearMember {
        token: member.id,
        workspace: world.workspace,
        organization: "org".into(),
        user: Some("user-1".into()),
        secret: "lin_api_x".into(),
        checked_at: T0,
    };
    world.store().admit_linear(member, signed_in).await.unwrap();
    let access = TunnelAccess::Bearer { token: Some("of the visitors".into()) };
    let options = TunnelOptions { access, ..TunnelOptions::default() };
    let name: TunnelName = "app".parse().unwrap();
    world.store().reserve_tunnel(world.workspace, name.clone(), Some(options.clone()), T0).await.unwrap();
    world.close();

    let (old, new) = (Vault::new(&[7; 32]), Vault::new(&[8; 32]));
    assert_eq!(sealed_with(&path, &old), 6, "a source, an app, a member, a worker with two, a tunnel");
    assert_eq!(rotate_key(&path, &old, &new).unwrap(), Some(6));
    assert_eq!((sealed_with(&path, &old), sealed_with(&path, &new)), (0, 6));
    assert_eq!(rotate_key(&path, &old, &new).unwrap(), None);
    assert!(SqliteStore::open(&path, Arc::new(old), Access::Serve).is_err());
    let store = SqliteStore::open(&path, Arc::new(new), Access::Serve).unwrap();
    assert_eq!(Store::tunnel(&store, &name).await.unwrap().unwrap().options, options);
    let found = Store::worker(&store, id).await.unwrap().unwrap();
    assert_eq!(
        (found.secret, found.previous_secret, found.state),
        (update.secret, update.previous_secret, WorkerState::Pending)
    );
}

/// How many values of the database, wherever they are, begin as one sealed
/// with the vault's key does.
fn sealed_with(path: &Path, vault: &Vault) -> usize {
    let db = Connection::open(path).unwrap();
    let columns: Vec<(String, String)> = db
        .prepare("SELECT t.name, c.name FROM pragma_table_list() t, pragma_table_info(t.name) c WHERE t.type = 'table'")
        .unwrap()
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    let head = [&[1][..], &vault.key_id().0].concat();
    let count = |(table, column): &(String, String)| -> usize {
        let sql = format!(
            "SELECT count(*) FROM {table} WHERE typeof({column}) = 'blob' AND substr({column}, 1, 9) = ?"
        );
        db.query_row(&sql, [&head], |row| row.get::<_, i64>(0)).unwrap().try_into().unwrap()
    };
    columns.iter().map(count).sum()
}

/// What was sealed with the old key after the rotation is refused, as
/// something to be tried again; nothing is kept under two keys.
#[tokio::test]
async fn a_process_with_the_old_key_writes_nothing_with_it() {
    let sqlite = Sqlite::new();
    let path = sqlite.path();
    let world = World::new(Box::new(sqlite)).await;
    let (old, new) = (Vault::new(&[7; 32]), Vault::new(&[8; 32]));
    let other = SqliteStore::open(&path, Arc::new(Vault::new(&[7; 32])), Access::Administer).unwrap();
    rotate_key(&path, &old, &new).unwrap();
    let refused = Store::set_source_secrets(&other, world.source, vec!["two".into()], None).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    let refused = world.store().register_worker(world.worker(&[])).await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    assert_eq!((sealed_with(&path, &old), sealed_with(&path, &new)), (0, 1));
}
