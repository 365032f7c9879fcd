//! What the two ends tell each other.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// A line of the control stream: `{"type":"hello",…}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(crate) enum Message {
    /// The first one of each end.
    Hello(Hello),
    /// What the other end should know now; replaces what was said before.
    Config { config: Value },
    /// The sender is about to end the link. Answered by finishing the stream.
    Goodbye { reason: Goodbye },
    /// A newer version's.
    #[serde(other)]
    Unknown,
}

/// How an end introduces itself. Members are optional on the wire, so that
/// either end may be older.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Hello {
    /// The protocol spoken: [`postern_protocol::PROTOCOL_VERSION`].
    pub protocol_version: String,
    /// Name and version of the program, for people.
    pub software: String,
    /// Which process speaks: random per start of an agent, a node's name for a
    /// proxy. The same agent dialling again is known by it.
    pub instance: String,
    /// The connection's id, given by the proxy; empty from an agent.
    pub connection: String,
    /// From a proxy: the epoch it gives this connection (the higher wins). From
    /// an agent: which of its dials this is, from 1; filled in by the transport.
    pub epoch: u64,
    /// Features beyond the protocol's version.
    pub capabilities: Vec<String>,
    /// Whatever the parts above the transport have to say: an agent its wishes,
    /// a proxy what it granted.
    pub details: Map<String, Value>,
}

/// Why an end takes its leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Goodbye {
    /// The proxy restarts or moves its agents: dial anew at once; what is in
    /// flight may finish.
    Draining,
    /// Another connection has taken this one's place.
    TakenOver,
    /// The credential is no longer good.
    Revoked,
    /// The agent's program ends.
    Stopping,
    /// A newer version's reason, or none.
    #[serde(other)]
    Other,
}

impl std::fmt::Display for Goodbye {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Draining => "it is draining",
            Self::TakenOver => "another connection took over",
            Self::Revoked => "the credential was revoked",
            Self::Stopping => "it is stopping",
            Self::Other => "for a reason of its own",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{Goodbye, Hello, Message};

    fn read(json: &str) -> Message {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn newer_messages_and_members_are_read() {
        assert_eq!(read(r#"{"type":"lottery","numbers":[1,2,{"a":null}]}"#), Message::Unknown);
        assert_eq!(read(r#"{"type":"hello","shoeSize":44}"#), Message::Hello(Hello::default()));
        assert_eq!(
            read(r#"{"type":"goodbye","reason":"bored","since":1}"#),
            Message::Goodbye { reason: Goodbye::Other }
        );
    }

    #[test]
    fn a_hello_reads_as_it_was_written() {
        let details = serde_json::json!({ "names": ["a"] }).as_object().cloned().unwrap();
        let hello = Message::Hello(Hello { epoch: 3, instance: "i".into(), details, ..Hello::default() });
        assert_eq!(read(&serde_json::to_string(&hello).unwrap()), hello);
    }

    #[test]
    fn what_is_not_a_message_is_an_error() {
        for bad in
            ["", "[]", "{}", "{\"type\":3}", "{\"type\":\"goodbye\"}", "{\"type\":\"hello\",\"epoch\":-1}"]
        {
            assert!(serde_json::from_str::<Message>(bad).is_err(), "{bad}");
        }
    }
}
