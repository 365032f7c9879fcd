//! Postern's own events, which the proxy makes for its operators: `{"type":
//! "worker.away", "workspaceId": …, "data": {…}}`. The type's first word is the
//! type, the rest the action.

use super::payload::Json;
use super::{Line, text};
use crate::api::Canary;

pub(super) fn line(json: &Json) -> Line {
    let kind = json.text("type").unwrap_or_default();
    let data = json.at("data");
    let said = |member: &str| data.text(member).unwrap_or("?");
    let about = |what: &str, id: &str| data.text(id).map(|id| format!("postern:{what}:{id}"));
    let mut line = match kind {
        "worker.away" => Line::new(said("worker"))
            .say("away, its lease ran out".to_owned())
            .about(about("worker", "workerId")),
        "worker.circuit_opened" => Line::new(said("worker"))
            .say(data.text("cause").map(|cause| match cause {
                "unreachable" => "cannot be reached".to_owned(),
                "failing" => "takes next to nothing".to_owned(),
                other => other.to_owned(),
            }))
            .say(data.text("error").and_then(text::quote))
            .about(about("worker", "workerId")),
        "delivery.exhausted" => Line::new(format!("{} to {}", said("event"), said("worker")))
            .say(format!("given up after {} attempts", said("attempts")))
            .say(data.text("error").and_then(text::quote))
            .about(about("worker", "workerId")),
        "source.signature_failing" => Line::new(said("source"))
            .say(format!("{} webhooks refused", said("refused")))
            .say(format!("{} taken", said("accepted")))
            .say(data.text("code").map(str::to_owned))
            .about(about("source", "sourceId")),
        "retention.size_reached" => Line::new("retention.size is reached")
            .say(format!("{} events deleted before their time", said("deleted"))),
        Canary::TYPE => Line::new("Test of the whole path"),
        _ => Line::new(kind),
    };
    let (event_type, action) = kind.split_once('.').map_or((kind, None), |(t, action)| (t, Some(action)));
    line.event_type = Some(event_type.to_owned());
    line.action = action.map(str::to_owned);
    line
}
