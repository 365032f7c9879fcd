//! Binding the listeners, the receiver's on the port of the last time.

use super::{EdgeConfig, PORT, StartError};
use crate::history::History;
use crate::state::with_causes;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use tokio::net::TcpListener;
use url::Url;

/// Binds the receiver. Port 0 takes the one that is `set`, else that of the last
/// time, else any: whoever wants Postern to start need not have its port free.
pub(super) async fn receiver(
    config: &EdgeConfig,
    history: &History,
    set: Option<u16>,
) -> Result<TcpListener, StartError> {
    let wanted = config.receiver_bind;
    if wanted.port() != 0 {
        return bind(wanted).await;
    }
    let remembered = history.setting(PORT).await?.and_then(|port| port.parse::<u16>().ok());
    // Usually they are the same, which is tried once.
    for port in set.into_iter().chain(remembered.filter(|port| set != Some(*port))) {
        match bind(SocketAddr::new(wanted.ip(), port)).await {
            Ok(listener) => return Ok(listener),
            Err(e) if set == Some(port) => {
                tracing::warn!(port, error = %with_causes(&e), "the receiver listens on another port");
            }
            Err(_) => {}
        }
    }
    let listener = bind(wanted).await?;
    if let Ok(address) = listener.local_addr() {
        history.set_setting(PORT, address.port().to_string()).await?;
    }
    Ok(listener)
}

/// Binds the local API, on loopback only.
pub(super) async fn api(config: &EdgeConfig) -> Result<Option<TcpListener>, StartError> {
    match &config.api {
        None => Ok(None),
        Some(api) if !api.bind.ip().is_loopback() => Err(StartError::ApiNotLoopback(api.bind)),
        Some(api) => bind(api.bind).await.map(Some),
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Bind { address, source })
}

/// Where the proxy reaches the receiver.
pub(super) fn webhook_base(config: &EdgeConfig, receiver: &TcpListener) -> Result<String, StartError> {
    let Some(base) = &config.webhook_base else {
        let url = url(receiver).unwrap_or_default();
        return Ok(if config.tls.is_some() { url.replacen("http:", "https:", 1) } else { url });
    };
    let refuse = || StartError::WebhookBase(base.clone());
    let parsed = Url::parse(base).map_err(|_| refuse())?;
    let plain = parsed.username().is_empty() && parsed.query().is_none() && parsed.fragment().is_none();
    if !matches!(parsed.scheme(), "http" | "https") || !plain {
        return Err(refuse());
    }
    Ok(parsed.as_str().trim_end_matches('/').to_owned())
}

/// A listener's URL as a client on this machine writes it.
pub(super) fn url(listener: &TcpListener) -> Option<String> {
    let mut address = listener.local_addr().ok()?;
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    Some(format!("http://{address}"))
}

/// The ports these listeners have.
pub(super) fn ports<'l>(listeners: impl Iterator<Item = &'l TcpListener>) -> Vec<u16> {
    listeners.filter_map(|listener| listener.local_addr().ok()).map(|address| address.port()).collect()
}
