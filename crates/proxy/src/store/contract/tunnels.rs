use super::*;
use postern_protocol::api::tunnels::{TunnelAccess, TunnelName, TunnelOptions};

fn name(text: &str) -> TunnelName {
    text.parse().unwrap()
}

fn kept(kept: TunnelKept) -> ReservedTunnel {
    match kept {
        TunnelKept::Yours(tunnel) => *tunnel,
        other => panic!("{other:?}"),
    }
}

async fn other_workspace(world: &World) -> WorkspaceId {
    let id = entropy::workspace_id(T0.plus(1));
    world.store().create_workspace(Workspace { id, name: "Other".into(), created_at: T0 }).await.unwrap();
    id
}

pub(crate) async fn a_name_is_its_workspaces_alone(mut world: World) {
    let other = other_workspace(&world).await;
    let (mine, store) = (world.workspace, world.store().clone());
    let reserved = kept(store.reserve_tunnel(mine, name("app"), None, T0).await.unwrap());
    assert_eq!((reserved.created_at, reserved.used_at), (T0, None));
    let later = T0.plus(QUARANTINE * 2);
    assert_eq!(store.reserve_tunnel(other, name("app"), None, later).await.unwrap(), TunnelKept::Taken);
    let again = kept(store.reserve_tunnel(mine, name("app"), None, later).await.unwrap());
    assert_eq!(again, reserved, "it stays as it is");
    let options = TunnelOptions::default();
    assert_eq!(store.set_tunnel_options(other, name("app"), options).await.unwrap(), TunnelKept::Unknown);
    assert!(!store.release_tunnel(other, name("app"), T0).await.unwrap());
    kept(store.reserve_tunnel(mine, name("abc"), None, T0).await.unwrap());
    store.touch_tunnel(name("app"), T0.plus(7)).await.unwrap();
    drop(store);
    world.restart();
    let names: Vec<_> =
        world.store().tunnels(mine).await.unwrap().into_iter().map(|t| (t.name, t.used_at)).collect();
    assert_eq!(names, [(name("abc"), None), (name("app"), Some(T0.plus(7)))]);
    assert!(world.store().tunnels(other).await.unwrap().is_empty());
    assert_eq!(world.store().tunnel(&name("app")).await.unwrap().unwrap().workspace, mine);
    assert!(world.store().tunnel(&name("nobodys")).await.unwrap().is_none());
    let nowhere = world.store().reserve_tunnel(entropy::workspace_id(T0), name("xyz"), None, T0).await;
    assert!(matches!(nowhere, Err(StoreError::Missing(_))));
}

pub(crate) async fn a_released_name_is_kept_back(world: World) {
    let other = other_workspace(&world).await;
    let (mine, store) = (world.workspace, world.store());
    kept(store.reserve_tunnel(mine, name("app"), None, T0).await.unwrap());
    // In memory by now, where it must not stay.
    store.tunnel(&name("app")).await.unwrap().unwrap();
    assert!(store.release_tunnel(mine, name("app"), T0).await.unwrap());
    assert!(!store.release_tunnel(mine, name("app"), T0).await.unwrap(), "it is released");
    assert!(store.tunnel(&name("app")).await.unwrap().is_none());
    assert!(store.tunnels(mine).await.unwrap().is_empty());
    let gone = store.set_tunnel_options(mine, name("app"), TunnelOptions::default()).await.unwrap();
    assert_eq!(gone, TunnelKept::Unknown);
    let last = T0.plus(QUARANTINE - 1);
    assert_eq!(store.reserve_tunnel(other, name("app"), None, last).await.unwrap(), TunnelKept::Taken);
    let back = kept(store.reserve_tunnel(mine, name("app"), None, last).await.unwrap());
    assert_eq!(back.created_at, last);
    assert!(store.release_tunnel(mine, name("app"), T0).await.unwrap());
    let theirs = kept(store.reserve_tunnel(other, name("app"), None, T0.plus(QUARANTINE)).await.unwrap());
    assert_eq!(theirs.workspace, other);
    assert_eq!(store.tunnel(&name("app")).await.unwrap().unwrap().workspace, other);
}

pub(crate) async fn options_and_their_secret_are_kept(mut world: World) {
    let mine = world.workspace;
    let basic = |user: &str, password: Option<&str>| {
        let password = password.map(Secret::new);
        let access = TunnelAccess::Basic { user: user.into(), password };
        TunnelOptions { access, rate: Some(7), ..TunnelOptions::default() }
    };
    let store = world.store().clone();
    let reserve = async |options| store.reserve_tunnel(mine, name("app"), Some(options), T0).await.unwrap();
    assert_eq!(reserve(basic("ada", None)).await, TunnelKept::SecretMissing);
    assert!(store.tunnel(&name("app")).await.unwrap().is_none(), "nothing happened");
    let first = basic("ada", Some("correct horse"));
    assert_eq!(kept(reserve(first.clone()).await).options, first);
    assert_eq!(kept(reserve(basic("eve", None)).await).options, basic("eve", Some("correct horse")));
    let bearer = |token: Option<&str>| TunnelOptions {
        access: TunnelAccess::Bearer { token: token.map(Secret::new) },
        ..TunnelOptions::default()
    };
    let set = async |options| store.set_tunnel_options(mine, name("app"), options).await.unwrap();
    assert_eq!(set(bearer(None)).await, TunnelKept::SecretMissing, "a password is no token");
    assert_eq!(kept(set(bearer(Some("a long token here"))).await).options, bearer(Some("a long token here")));
    drop(store);
    world.restart();
    let found = world.store().tunnel(&name("app")).await.unwrap().unwrap();
    assert_eq!(found.options, bearer(Some("a long token here")));
    let none = TunnelOptions::default();
    kept(world.store().set_tunnel_options(mine, name("app"), none.clone()).await.unwrap());
    assert_eq!(world.store().tunnel(&name("app")).await.unwrap().unwrap().options, none);
}

pub(crate) async fn a_workspace_has_so_many_names(world: World) {
    let (mine, store) = (world.workspace, world.store());
    for n in 0..MOST_NAMES {
        kept(store.reserve_tunnel(mine, name(&format!("n{n:04}")), None, T0).await.unwrap());
    }
    let one_more = async |now| store.reserve_tunnel(mine, name("one-more"), None, now).await.unwrap();
    assert_eq!(one_more(T0).await, TunnelKept::TooMany);
    assert!(store.release_tunnel(mine, name("n0007"), T0).await.unwrap());
    assert_eq!(one_more(T0).await, TunnelKept::TooMany, "what is kept back counts");
    kept(store.reserve_tunnel(mine, name("n0007"), None, T0).await.unwrap());
    assert!(store.release_tunnel(mine, name("n0007"), T0).await.unwrap());
    kept(one_more(T0.plus(QUARANTINE)).await);
}
