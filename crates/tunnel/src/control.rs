//! The control stream: one long-lived stream per link, opened by the proxy
//! before any other, NDJSON both ways.
//!
//! It says hello, what each end wants the other to know, and goodbye. It grows
//! by new messages and new members: both are ignored by an end that does not
//! know them. A message has at most 64 KiB.
//!
//! Its `:scheme` is `postern`, which no visitor's request can have: the
//! transport sends everything else as `http` or `https`.

mod message;

pub(crate) use message::Message;
pub use message::{Goodbye, Hello};

use crate::settings::MAX_CONTROL_MESSAGE;
use crate::stream::TunnelStream;
use futures_util::{SinkExt, StreamExt};
use tokio::sync::mpsc;
use tokio_util::codec::{Framed, LinesCodec, LinesCodecError};

/// The scheme that marks the control stream.
pub(crate) const SCHEME: &str = "postern";
/// Where the proxy opens it.
pub(crate) const URI: &str = "postern://control/";

/// The stream, as messages.
#[derive(Debug)]
pub(crate) struct Control(Framed<TunnelStream, LinesCodec>);

/// What the other end said, or did.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The stream ended or was reset.
    #[error("the control stream broke")]
    Broken(#[source] std::io::Error),
    /// A message longer than 64 KiB.
    #[error("a control message is longer than {MAX_CONTROL_MESSAGE} bytes")]
    TooLong,
    /// Not JSON, or not of the form its `type` has.
    #[error("a control message cannot be read")]
    Malformed(#[source] serde_json::Error),
    /// The first message was another one.
    #[error("the other end did not say hello first")]
    NoHello,
}

impl Control {
    pub(crate) fn new(stream: TunnelStream) -> Self {
        Self(Framed::new(stream, LinesCodec::new_with_max_length(MAX_CONTROL_MESSAGE)))
    }

    pub(crate) async fn send(&mut self, message: &Message) -> Result<(), ControlError> {
        let line = serde_json::to_string(message).map_err(ControlError::Malformed)?;
        self.0.send(line).await.map_err(ControlError::of)
    }

    /// The next message; `None` once the other end has finished.
    pub(crate) async fn next(&mut self) -> Option<Result<Message, ControlError>> {
        let line = match self.0.next().await? {
            Ok(line) => line,
            Err(error) => return Some(Err(ControlError::of(error))),
        };
        Some(serde_json::from_str(&line).map_err(ControlError::Malformed))
    }

    /// The other end's first message.
    pub(crate) async fn hello(&mut self) -> Result<Hello, ControlError> {
        match self.next().await {
            Some(Ok(Message::Hello(hello))) => Ok(hello),
            Some(Err(error)) => Err(error),
            Some(Ok(_)) | None => Err(ControlError::NoHello),
        }
    }

    /// Sends what comes out of `outgoing` and hands what arrives to `incoming`
    /// until both ends have finished. This end finishes when `outgoing` is
    /// closed, or `incoming` says so.
    pub(crate) async fn run(
        mut self,
        mut outgoing: mpsc::Receiver<Message>,
        mut incoming: impl FnMut(Message) -> Next,
    ) -> Result<(), ControlError> {
        let mut finished = false;
        loop {
            let next = tokio::select! {
                message = outgoing.recv(), if !finished => match message {
                    Some(message) => {
                        self.send(&message).await?;
                        Next::GoOn
                    }
                    None => Next::Finish,
                },
                message = self.next() => match message {
                    Some(message) => incoming(message?),
                    None if finished => return Ok(()),
                    None => return Err(ControlError::Broken(std::io::ErrorKind::UnexpectedEof.into())),
                },
            };
            if matches!(next, Next::Finish) && !finished {
                finished = true;
                outgoing.close();
                SinkExt::<String>::close(&mut self.0).await.map_err(ControlError::of)?;
            }
        }
    }
}

/// What to do after a message.
pub(crate) enum Next {
    GoOn,
    /// Finish this end's half.
    Finish,
}

impl ControlError {
    fn of(error: LinesCodecError) -> Self {
        match error {
            LinesCodecError::MaxLineLengthExceeded => Self::TooLong,
            LinesCodecError::Io(error) => Self::Broken(error),
        }
    }
}
