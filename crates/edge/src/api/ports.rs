//! The operation on this machine's ports.

use super::ApiError;
use crate::{EdgeHandle, ports};
use postern_protocol::ErrorCode;
use serde::{Deserialize, Serialize};
use ts_rs::TS;

/// What listens on this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct LocalPorts {
    /// In order; none on a system that does not say.
    pub ports: Vec<LocalPort>,
}

/// A port on which a program waits for connections.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, TS)]
pub struct LocalPort {
    /// Its number.
    pub port: u16,
    /// The program's name, where it may be known: `node`.
    pub program: Option<String>,
}

/// What listens on this machine, that a rule may forward to: nothing of
/// Postern's own.
///
/// # Errors
/// None at present.
pub async fn local_ports(edge: &EdgeHandle) -> Result<LocalPorts, ApiError> {
    let own = edge.shared.own_ports.now();
    let found = tokio::task::spawn_blocking(move || ports::local(&own)).await;
    let found = found.map_err(|e| ApiError::new(ErrorCode::Internal, e.to_string()))?;
    Ok(LocalPorts { ports: found.into_iter().map(|(port, program)| LocalPort { port, program }).collect() })
}
