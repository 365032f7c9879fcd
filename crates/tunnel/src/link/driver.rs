//! Keeps a link going until it ends, and ends it in order.

use super::error::Closed;
use super::{Orders, Shared};
use crate::control::{Control, Goodbye, Message, Next};
use crate::heartbeat::{Heartbeat, Silent};
use crate::io::{Activity, Metered};
use crate::settings::Timing;
use bytes::Bytes;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use h2::PingPong;
use h2::client::Connection;
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::timeout;

/// Drives one link.
pub(super) struct Driver {
    pub(super) shared: Arc<Shared>,
    pub(super) timing: Timing,
    pub(super) activity: Activity,
    pub(super) ping: PingPong,
}

impl Driver {
    /// Runs until the link has ended. The connection is dropped at the end,
    /// which closes the socket and fails whatever was in flight.
    pub(super) async fn run<T>(
        self,
        connection: Connection<Metered<T>, Bytes>,
        control: Control,
        orders: watch::Receiver<Orders>,
    ) where
        T: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let Self { shared, timing, activity, ping } = self;
        let never = Notify::new();
        let heart = Heartbeat { ping, activity, timing: &timing, probe: &never };
        let heart = heart.run(|time| shared.round_trip.send_modify(|last| *last = Some(time)));
        let talk = talk(&shared, &timing, control, orders);
        // Looked at when they were woken, and not with each frame.
        let mut rest = FuturesUnordered::new();
        rest.push(heart.map(|Silent| Closed::Silent).boxed());
        rest.push(talk.boxed());
        let why = tokio::select! {
            biased;
            ended = connection => match ended {
                Ok(()) => Closed::Lost("the other end closed it".into()),
                Err(error) => Closed::lost(&error),
            },
            Some(why) = rest.next() => why,
        };
        drop(rest);
        tracing::debug!(connection = shared.ours.connection, %why, "a link ended");
        shared.closed(why);
    }
}

/// The control stream's part: messages both ways, and the order of leaving.
async fn talk(
    shared: &Shared,
    timing: &Timing,
    control: Control,
    mut orders: watch::Receiver<Orders>,
) -> Closed {
    let (say, outgoing) = mpsc::channel(1);
    let heard = |message| match message {
        Message::Config { config } => {
            shared.config.send_replace(Some(config));
            Next::GoOn
        }
        Message::Goodbye { reason } => {
            // The agent finishes what is in flight, then closes the connection.
            shared.closing(Closed::There(reason));
            Next::Finish
        }
        Message::Hello(_) | Message::Unknown => Next::GoOn,
    };
    let control = control.run(outgoing, heard);
    tokio::pin!(control);
    let leave = leave(shared, timing, say, &mut orders);
    tokio::pin!(leave);
    tokio::select! {
        ended = &mut control => match ended {
            Err(error) => Closed::of(&error),
            // Goodbye was said and answered; what is in flight may go on.
            Ok(()) => leave.await,
        },
        why = &mut leave => {
            let _ = timeout(timing.farewell, control).await;
            why
        }
    }
}

/// Tells what is configured until it is time to go; then says goodbye and waits
/// for what is in flight.
async fn leave(
    shared: &Shared,
    timing: &Timing,
    say: mpsc::Sender<Message>,
    orders: &mut watch::Receiver<Orders>,
) -> Closed {
    let (reason, grace) = loop {
        let Orders { config, close } = orders.borrow_and_update().clone();
        if let Some(close) = close {
            break close;
        }
        let told = async {
            if let Some(config) = config {
                // Refused only once the agent said goodbye: nobody reads it.
                let _ = say.send(Message::Config { config }).await;
            }
            std::future::pending::<()>().await;
        };
        tokio::select! {
            changed = orders.changed() => if changed.is_err() {
                // Nobody holds the link; bodies may still be read.
                break (Goodbye::Other, timing.drain);
            },
            () = told => {}
        }
    };
    shared.closing(Closed::Here(reason));
    let _ = say.send_timeout(Message::Goodbye { reason }, timing.farewell).await;
    drop(say);
    shared.in_flight.close();
    let finished = timeout(grace, shared.in_flight.wait());
    tokio::pin!(finished);
    loop {
        tokio::select! {
            _ = &mut finished => return Closed::Here(reason),
            changed = orders.changed() => {
                let hurried = orders.borrow_and_update().close.is_some_and(|(_, grace)| grace.is_zero());
                if changed.is_err() {
                    let _ = finished.await;
                    return Closed::Here(reason);
                }
                if hurried {
                    return Closed::Here(reason);
                }
            }
        }
    }
}
