//! Makes a link of an upgraded connection.

use super::driver::Driver;
use super::{Link, Orders, Shared, Stage};
use crate::body::Held;
use crate::carrier::Carrier;
use crate::control::{self, Control, ControlError, Hello, Message};
use crate::io::{Io, Metered};
use crate::settings::{self, Timing};
use crate::stream::TunnelStream;
use bytes::Bytes;
use h2::client::SendRequest;
use http::{Method, Request, StatusCode, Uri, Version};
use std::sync::Arc;
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

/// Speaks HTTP/2 with the agent at the other end of `io`, exchanges hellos, and
/// spawns the task that drives the connection, on the runtime it is called in.
///
/// `hello` carries the connection's id and epoch, and what else the agent
/// should know from the start.
///
/// # Errors
/// [`AcceptError`]; the connection is closed then.
pub async fn accept(
    io: impl Io,
    carrier: Carrier,
    hello: Hello,
    timing: Timing,
) -> Result<Link, AcceptError> {
    let (io, activity) = Metered::new(io);
    let handshake = settings::client().handshake::<_, Bytes>(io);
    let Ok(shaken) = timeout(timing.hello, handshake).await else {
        return Err(AcceptError::Timeout);
    };
    let (requests, mut connection) = shaken.map_err(AcceptError::Connection)?;
    let ping = connection.ping_pong().ok_or(AcceptError::Timeout)?;
    let (control, theirs) = tokio::select! {
        ended = &mut connection => return Err(match ended {
            Ok(()) => AcceptError::Control(ControlError::NoHello),
            Err(error) => AcceptError::Connection(error),
        }),
        greeted = timeout(timing.hello, greet(requests.clone(), &hello)) => match greeted {
            Ok(greeted) => greeted?,
            Err(_) => return Err(AcceptError::Timeout),
        },
    };
    let (orders, ordered) = watch::channel(Orders::default());
    let shared = Arc::new(Shared {
        carrier,
        ours: hello,
        theirs,
        stage: watch::Sender::new(Stage::Open),
        round_trip: watch::Sender::new(None),
        go_ahead: timing.go_ahead,
        config: watch::Sender::new(None),
        in_flight: TaskTracker::new(),
    });
    tokio::spawn(Driver { shared: shared.clone(), timing, activity, ping }.run(connection, control, ordered));
    Ok(Link { requests: Arc::new(requests), shared, orders })
}

/// Opens the control stream and introduces both ends.
async fn greet(mut requests: SendRequest<Bytes>, ours: &Hello) -> Result<(Control, Hello), AcceptError> {
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = Uri::from_static(control::URI);
    let (response, mut send) = requests.send_request(request, false).map_err(AcceptError::Connection)?;
    // In the same flight as the request: the agent need not wait for more.
    let mut line = serde_json::to_vec(&Message::Hello(ours.clone())).map_err(ControlError::Malformed)?;
    line.push(b'\n');
    send.send_data(line.into(), false).map_err(AcceptError::Connection)?;
    let response = response.await.map_err(AcceptError::Connection)?;
    if response.status() != StatusCode::OK {
        return Err(ControlError::NoHello.into());
    }
    let mut control = Control::new(TunnelStream::new(response.into_body(), send, Held::default()));
    let theirs = control.hello().await?;
    Ok((control, theirs))
}

/// Why an upgraded connection did not become a link.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// The agent took too long to say hello.
    #[error("the agent did not say hello in time")]
    Timeout,
    /// The connection broke, or does not carry HTTP/2.
    #[error("the agent's connection failed")]
    Connection(#[source] h2::Error),
    /// The agent said something else.
    #[error("the agent did not introduce itself")]
    Control(#[from] ControlError),
}
