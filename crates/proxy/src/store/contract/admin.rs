use super::*;

pub(crate) async fn workspaces_have_unique_names(world: World) {
    let again = Workspace { id: entropy::workspace_id(T0), name: "Acme".into(), created_at: T0 };
    assert!(matches!(world.store().create_workspace(again).await, Err(StoreError::Exists(_))));
    let other = Workspace { id: entropy::workspace_id(T0), name: "Other".into(), created_at: T0.plus(1) };
    world.store().create_workspace(other).await.unwrap();
    let names: Vec<_> = world.store().workspaces().await.unwrap().into_iter().map(|w| w.name).collect();
    assert_eq!(names, ["Acme", "Other"]);
}

fn source(world: &World, name: &str) -> Source {
    Source {
        id: entropy::source_id(T0),
        workspace: world.workspace,
        name: name.into(),
        scheme: Scheme::Github,
        id_from: None,
        entity_pointer: None,
        secrets: vec!["one".into(), "two".into()],
        old_until: None,
        created_at: T0.plus(5),
    }
}

pub(crate) async fn sources_are_kept_and_listed(world: World) {
    let made = source(&world, "github");
    world.store().create_source(made.clone()).await.unwrap();
    let found = world.store().source(made.id).await.unwrap().unwrap();
    assert_eq!((found.name, found.scheme, found.secrets), (made.name, made.scheme, made.secrets));
    assert!(matches!(
        world.store().create_source(source(&world, "github")).await,
        Err(StoreError::Exists(_))
    ));
    let scheme = serde_json::json!({"provider": "hmac", "header": "x-acme", "algorithm": "sha512"});
    let id_from = serde_json::json!({"pointer": "/event/id"});
    let own = Source {
        scheme: serde_json::from_value(scheme).unwrap(),
        id_from: serde_json::from_value(id_from).unwrap(),
        entity_pointer: Some("/order/id".parse().unwrap()),
        ..source(&world, "own")
    };
    world.store().create_source(own.clone()).await.unwrap();
    let found = world.store().source(own.id).await.unwrap().unwrap();
    assert_eq!((found.scheme, found.id_from), (own.scheme, own.id_from));
    assert_eq!(found.entity_pointer, own.entity_pointer);
    let names: Vec<_> =
        world.store().sources(world.workspace).await.unwrap().into_iter().map(|s| s.name).collect();
    assert_eq!(names, ["linear", "github", "own"]);
    assert!(world.store().source(entropy::source_id(T0)).await.unwrap().is_none());
    let nowhere = Source { workspace: entropy::workspace_id(T0), ..source(&world, "x") };
    assert!(matches!(world.store().create_source(nowhere).await, Err(StoreError::Missing(_))));
}

pub(crate) async fn secrets_are_rotated(mut world: World) {
    // In memory by now, where it must not stay.
    world.store().source(world.source).await.unwrap();
    let secrets: Vec<Secret> = vec!["new".into(), "lin_whs_a".into()];
    world.store().set_source_secrets(world.source, secrets.clone(), None).await.unwrap();
    assert_eq!(world.store().source(world.source).await.unwrap().unwrap().secrets, secrets);
    world.restart();
    assert_eq!(world.store().source(world.source).await.unwrap().unwrap().secrets, secrets);
    let missing = world.store().set_source_secrets(entropy::source_id(T0), secrets, None).await;
    assert!(matches!(missing, Err(StoreError::Missing(_))));
}

pub(crate) async fn replaced_secrets_end(mut world: World) {
    let (both, until) = (vec![Secret::new("new"), "old".into()], T0.plus(500));
    world.store().set_source_secrets(world.source, both.clone(), Some(until)).await.unwrap();
    let app = LinearApp {
        slug: "app".into(),
        secrets: both.clone(),
        old_until: Some(until),
        organizations: vec![("org".into(), world.source)],
    };
    world.store().put_linear_app(app).await.unwrap();
    world.restart();
    let source = world.store().source(world.source).await.unwrap().unwrap();
    let app = world.store().linear_app("app").await.unwrap().unwrap();
    assert_eq!((source.accepted(T0.plus(499)).len(), source.accepted(until).len()), (2, 1));
    assert_eq!((app.accepted(T0.plus(499)).len(), app.accepted(until).len()), (2, 1));
    assert_eq!(world.store().drop_old_secrets(T0.plus(499)).await.unwrap(), 0);
    assert_eq!(world.store().drop_old_secrets(until).await.unwrap(), 2);
    assert_eq!(world.store().drop_old_secrets(until).await.unwrap(), 0);
    let source = world.store().source(world.source).await.unwrap().unwrap();
    assert_eq!((source.secrets, source.old_until), (vec!["new".into()], None));
    let app = world.store().linear_app("app").await.unwrap().unwrap();
    assert_eq!((app.secrets, app.organizations.len()), (vec!["new".into()], 1));
    // Without an end the old one stays.
    world.store().set_source_secrets(world.source, both, None).await.unwrap();
    assert_eq!(world.store().drop_old_secrets(until).await.unwrap(), 0);
    let source = world.store().source(world.source).await.unwrap().unwrap();
    assert_eq!(source.accepted(until).len(), 2);
}

pub(crate) async fn a_removed_source_is_gone(world: World) {
    let event = world.accept().await;
    world.store().source(world.source).await.unwrap();
    world.store().remove_source(world.source).await.unwrap();
    assert!(world.store().source(world.source).await.unwrap().is_none());
    assert!(matches!(world.store().remove_source(world.source).await, Err(StoreError::Missing(_))));
    assert_eq!(world.record(event.id).await.source, "linear", "its events stay");
    let again = Source { name: "linear".into(), ..source(&world, "linear") };
    world.store().create_source(again).await.unwrap();
}

pub(crate) async fn linear_apps_route_organizations(world: World) {
    let unknown = world.store().link_organization("app", "org", world.source).await;
    assert!(matches!(unknown, Err(StoreError::Missing(_))));
    let app = LinearApp {
        slug: "app".into(),
        secrets: vec!["s".into()],
        old_until: None,
        organizations: Vec::new(),
    };
    world.store().put_linear_app(app.clone()).await.unwrap();
    assert!(world.store().linear_app("app").await.unwrap().unwrap().organizations.is_empty());
    world.store().link_organization("app", "org", world.source).await.unwrap();
    let found = world.store().linear_app("app").await.unwrap().unwrap();
    assert_eq!(found.organizations, [("org".to_owned(), world.source)]);
    assert_eq!(found.secrets, [Secret::new("s")]);
    let nowhere = world.store().link_organization("app", "org", entropy::source_id(T0)).await;
    assert!(matches!(nowhere, Err(StoreError::Missing(_))));
    world.store().put_linear_app(LinearApp { secrets: vec!["t".into()], ..found }).await.unwrap();
    let found = world.store().linear_app("app").await.unwrap().unwrap();
    assert_eq!((found.secrets, found.organizations.len()), (vec!["t".into()], 1));
    assert!(world.store().linear_app("other").await.unwrap().is_none());
}

pub(crate) async fn tokens_live_and_die(world: World) {
    let id = world.issue_token([7; 32]).await;
    let now = T0.plus(90_000);
    let found = world.store().token_by_hash([7; 32], now).await.unwrap().unwrap();
    assert_eq!((found.id, found.workspace, found.scopes), (id, world.workspace, Scope::ALL.to_vec()));
    let used = found.last_used_at.unwrap();
    assert!(used <= now && now.since(used) < 60_000, "to the minute");
    assert!(world.store().token_by_hash([8; 32], now).await.unwrap().is_none());
    world.store().revoke_token(id, T0.plus(100_000)).await.unwrap();
    world.store().revoke_token(id, T0.plus(200_000)).await.unwrap();
    let found = world.store().token_by_hash([7; 32], T0.plus(300_000)).await.unwrap().unwrap();
    assert_eq!(found.revoked_at, Some(T0.plus(100_000)), "the first time counts");
    assert_eq!(found.last_used_at, Some(used), "a revoked token is not used");
    assert_eq!(world.store().tokens(world.workspace).await.unwrap().len(), 2);
    let missing = world.store().revoke_token(entropy::token_id(T0), T0).await;
    assert!(matches!(missing, Err(StoreError::Missing(_))));
}

pub(crate) async fn a_revoked_token_ends_its_workers_leases(world: World) {
    let id = world.active_worker(&[]).await;
    let other_token = world.issue_token([2; 32]).await;
    world.accept().await;
    world.store().revoke_token(world.token, T0.plus(10)).await.unwrap();
    let worker = world.store().worker(id).await.unwrap().unwrap();
    assert_eq!((worker.state, worker.leased_until), (WorkerState::Away, T0.plus(10)));
    assert!(world.claim(T0.plus(20)).await.is_empty());
    assert!(world.store().renew_lease(id, T0.plus(99_999), None).await.unwrap().is_none());
    // Signed in with another token, it is the same worker.
    world.store().update_worker(Worker { token: other_token, ..worker }).await.unwrap();
    world.store().settle_challenge(id, Ok(T0.plus(99_999))).await.unwrap();
    assert_eq!(world.claim(T0.plus(20)).await.len(), 1);
}

pub(crate) async fn it_says_that_it_is_ready(world: World) {
    world.store().ready().await.unwrap();
    world.store().ready().await.unwrap();
}

pub(crate) async fn a_linear_user_is_known_by_the_token(mut world: World) {
    let token = Token {
        id: entropy::token_id(T0.plus(1)),
        hash: [9; 32],
        ..world.store().tokens(world.workspace).await.unwrap()[0].clone()
    };
    let id = token.id;
    let member = LinearMember {
        token: id,
        workspace: world.workspace,
        organization: "org".into(),
        user: None,
        secret: "lin_api_x".into(),
        checked_at: T0,
    };
    world.store().admit_linear(token, member).await.unwrap();
    assert_eq!(world.store().linear_user(id).await.unwrap(), None, "not told yet");
    world.store().linear_checked(id, Some((T0.plus(1), "user-1".into()))).await.unwrap();
    world.restart();
    assert_eq!(world.store().linear_user(id).await.unwrap().as_deref(), Some("user-1"));
    let members = world.store().linear_members_checked_before(T0.plus(1)).await.unwrap();
    assert_eq!(members[0].user.as_deref(), Some("user-1"));
    assert_eq!(world.store().linear_user(world.token).await.unwrap(), None, "a token of ours");
    world.store().linear_checked(id, None).await.unwrap();
    assert_eq!(world.store().linear_user(id).await.unwrap(), None);
}
