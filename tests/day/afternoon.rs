//! The afternoon: a receiver's bug, new secrets, a flood.

use crate::{Day, Fate};
use http::StatusCode;
use postern_protocol::api::{DeliveryInfo, DeliveryList, RotatedSecret};
use postern_protocol::signature::standard;
use postern_protocol::{Clock, Provider, Secret};
use postern_testkit::{SystemClock, within};
use serde_json::json;
use std::time::Duration;

const LOOK_AGAIN: Duration = Duration::from_millis(200);
/// Over how many connections GitHub floods.
const CONNECTIONS: usize = 4;

impl Day {
    /// The server answers 500 until every schedule has ended. Fixed, it gets
    /// what it missed by a redrive, but for one event that somebody discards.
    pub(crate) async fn a_receiver_has_a_bug(&mut self) {
        self.ci.has_a_bug(true);
        let mut failed = Vec::new();
        for about in 0..4 {
            failed.push(self.github.posts(about).await);
        }
        let dead = "SELECT count(*) FROM deliveries WHERE state = 2 AND dead_reason = 'exhausted'";
        self.central.counts("dead letters", dead, 4).await;
        for id in &failed {
            self.bob.has(id).await;
        }

        self.ci.has_a_bug(false);
        let (token, ci) = (&self.central.token, &self.ci.id);
        let letters = self.dead_letters().await;
        assert_eq!(letters.len(), 4, "{letters:?}");
        let letter = letters.iter().find(|letter| letter.event_id.to_string() == failed[3]).unwrap();
        let discard = json!({ "which": { "ids": [letter.id] }, "reason": "a test of the importer" });
        let done = self.central.post("/v1/dead-letters/discard", token, &discard).await;
        assert_eq!(done["changed"], 1, "{done}");
        self.fates.insert((failed[3].clone(), ci.clone()), Fate::Discarded);

        let which = json!({ "filter": { "worker": ci, "reason": "exhausted" } });
        let redrive = json!({ "which": which, "dryRun": true });
        let tried = self.central.post("/v1/dead-letters/redrive", token, &redrive).await;
        assert_eq!(tried["matched"], 3, "{tried}");
        assert_eq!(self.dead_letters().await.len(), 3, "a dry run changes nothing");
        let done = self.central.post("/v1/dead-letters/redrive", token, &json!({ "which": which })).await;
        assert_eq!(done["changed"], 3, "{done}");
        self.central.settled().await;
        self.tells("a bug made dead letters; fixed, they were redriven, one discarded");
    }

    async fn dead_letters(&self) -> Vec<DeliveryInfo> {
        let request = self.central.client.get(format!("{}/v1/dead-letters", self.central.url));
        let answer =
            within("the dead letters", request.bearer_auth(self.central.token.reveal()).send()).await;
        let list: DeliveryList = answer.unwrap().json().await.unwrap();
        list.deliveries
    }

    /// While a secret is being replaced both are good; when the old one's time
    /// is over, the new one alone is.
    pub(crate) async fn the_source_gets_new_secrets(&mut self) {
        let (noon, night) = (Secret::new("lin_whs_of_the_noon"), Secret::new("lin_whs_of_the_night"));
        self.secrets.extend([noon.clone(), night.clone()]);
        self.central.rotate_source(Provider::Linear, &["--grace", "24h"], &noon).await;
        let old = self.linear.clone();
        let new = self.linear.with(&noon);
        // The new one is known with its first success, within a second.
        for poster in [&new, &old, &new] {
            poster.posts(1).await;
        }

        self.central.rotate_source(Provider::Linear, &["--grace", "1s"], &night).await;
        self.linear = self.linear.with(&night);
        self.linear.posts(2).await;
        for ended in [&new, &old] {
            let (_, refusal) = ended.is_refused(StatusCode::UNAUTHORIZED).await;
            assert_eq!(refusal.code, "signature.mismatch");
        }
        self.linear.posts(3).await;
        self.central.settled().await;
        self.tells("Linear signs with new secrets");
    }

    /// The same in the other direction: the proxy signs with both secrets until
    /// the old one's time is over, and then with the new one.
    pub(crate) async fn workers_get_new_secrets(&mut self) {
        let path = format!("/edge/workers/{}/secret", self.staging.id);
        let answer = self.central.post(&path, &self.staging.credential, &json!({})).await;
        let rotated: RotatedSecret = serde_json::from_value(answer).unwrap();
        let old = self.staging.secrets();
        let new = [rotated.secret.clone()];
        self.staging.learns(rotated.secret.clone());
        self.secrets.push(rotated.secret);
        self.ada.machine.ask(&["rotate-secret"]).await;
        loop {
            let id = self.linear.posts(0).await;
            self.central.settled().await;
            let arrived = self.staging.arrival(&id).unwrap();
            let verifies =
                |secrets: &[Secret]| standard::verify(secrets, &arrived.headers, &arrived.body, None).is_ok();
            assert!(verifies(&new), "the new secret signs from its first moment");
            let signed: i64 = arrived.headers.get("webhook-timestamp").unwrap().parse().unwrap();
            // Signed in whole seconds: within the last one it may be either.
            if (signed + 1) * 1000 <= rotated.previous_until.0 {
                assert!(verifies(&old), "the old secret signs until its time is over");
            } else if signed * 1000 >= rotated.previous_until.0 {
                assert!(!verifies(&old), "the old secret's time is over");
                break;
            }
            assert!(SystemClock.now().0 < rotated.previous_until.0 + 30_000, "the old secret does not end");
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        self.tells("workers verify with new secrets");
    }

    /// GitHub posts more than it may: it is told to come again, and does. Linear
    /// notices nothing.
    pub(crate) async fn one_source_floods(&self) {
        let flood = self.github.floods(CONNECTIONS);
        let (_, refusal) = self.github.is_refused(StatusCode::TOO_MANY_REQUESTS).await;
        assert_eq!((&*refusal.code, refusal.retry_after), ("rate_limited", true));
        // Linear has posted slowly for so long that it may post these at once.
        for about in 0..10 {
            let id = self.linear.tries(&self.linear.webhook(about % 4)).await.unwrap();
            self.ada.has(&id).await;
            self.bob.has(&id).await;
        }
        // It was never over.
        flood.brings(1).await;
        flood.ends().await;
        self.central.settled().await;
        self.tells("GitHub flooded, and Linear's events flowed");
    }
}
