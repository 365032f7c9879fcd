//! Saved views.

use crate::proxy::FakeProxy;
use crate::support::TestEdge;
use postern_edge::api::{self, RenameView, View, ViewKey, Views};

fn view(name: &str, filter: &str) -> View {
    View { name: name.into(), filter: filter.into() }
}

#[tokio::test]
async fn views_are_kept_renamed_and_removed_and_belong_to_the_sign_in() {
    let proxy = FakeProxy::new().await;
    let edge = TestEdge::start().await;
    assert!(api::views(&edge.handle).await.unwrap().views.is_empty());
    let refused = api::save_view(&edge.handle, view("Mine", "q=x")).await.unwrap_err();
    assert_eq!(refused.code, "edge.not_signed_in");
    edge.sign_in(&proxy).await;

    api::save_view(&edge.handle, view("  failed ", "outcome=failed")).await.unwrap();
    api::save_view(&edge.handle, view("ENG", "where=1")).await.unwrap();
    let saved = api::save_view(&edge.handle, view("ENG", "where=2")).await.unwrap();
    assert_eq!(saved, Views { views: vec![view("ENG", "where=2"), view("failed", "outcome=failed")] });
    let rename = |name: &str, to: &str| {
        let args = RenameView { name: name.into(), to: to.into() };
        let handle = edge.handle.clone();
        async move { api::rename_view(&handle, args).await }
    };
    assert_eq!(rename("ENG", "failed").await.unwrap_err().code, "request.malformed");
    assert_eq!(rename("none", "x").await.unwrap_err().code, "not_found");
    assert_eq!(rename("ENG", "Engineering").await.unwrap().views[0].name, "Engineering");
    for wrong in [view("", "q=x"), view("a\u{1b}", "q=x"), view(&"x".repeat(61), "q=x"), view("x", "")] {
        assert_eq!(api::save_view(&edge.handle, wrong).await.unwrap_err().code, "request.malformed");
    }

    let edge = edge.restart().await;
    assert_eq!(api::views(&edge.handle).await.unwrap().views.len(), 2);
    let left = api::remove_view(&edge.handle, ViewKey { name: "failed".into() }).await.unwrap();
    assert_eq!(left, Views { views: vec![view("Engineering", "where=2")] });
    api::sign_out(&edge.handle).await.unwrap();
    assert!(api::views(&edge.handle).await.unwrap().views.is_empty());
}
