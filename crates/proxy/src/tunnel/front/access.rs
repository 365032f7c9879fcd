//! Whether a visitor is let in: the network they come from, and what they show.

use super::page::Failure;
use crate::config::Network;
use crate::store::ReservedTunnel;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::{AUTHORIZATION, HeaderMap, HeaderValue, WWW_AUTHENTICATE};
use postern_protocol::api::tunnels::{TunnelAccess, TunnelOptions};
use sha2::{Digest, Sha256};
use std::net::IpAddr;
use subtle::ConstantTimeEq;

/// Whether the visitor's address may come.
pub(super) fn network(options: &TunnelOptions, address: IpAddr) -> Result<(), Failure> {
    let within = |network: &String| network.parse::<Network>().is_ok_and(|n| n.contains(address));
    if options.allow.is_empty() || options.allow.iter().any(within) {
        return Ok(());
    }
    Err(Failure::denied("this tunnel is not open to the network that you come from"))
}

/// Whether the visitor shows what is asked for. It is for the front, and goes no
/// further.
pub(super) fn credentials(tunnel: &ReservedTunnel, headers: &mut HeaderMap) -> Result<(), Failure> {
    let (scheme, expected) = match &tunnel.options.access {
        TunnelAccess::None {} => return Ok(()),
        TunnelAccess::Basic { user, password: Some(password) } => {
            ("Basic", Some(format!("{user}:{}", password.reveal())))
        }
        TunnelAccess::Bearer { token: Some(token) } => ("Bearer", Some(token.reveal().to_owned())),
        // Never stored so; nobody is let in by it.
        TunnelAccess::Basic { .. } => ("Basic", None),
        TunnelAccess::Bearer { .. } => ("Bearer", None),
    };
    let shown = headers.remove(AUTHORIZATION).and_then(|value| read(&value, scheme));
    let right = match (shown, expected) {
        (Some(shown), Some(expected)) => {
            Sha256::digest(&shown).ct_eq(&Sha256::digest(expected.as_bytes())).into()
        }
        _ => false,
    };
    if right {
        return Ok(());
    }
    let charset = if scheme == "Basic" { ", charset=\"UTF-8\"" } else { "" };
    let challenge = format!("{scheme} realm=\"{}\"{charset}", tunnel.name);
    let failure = Failure::unauthorized("this tunnel asks its visitors for a password or a token");
    Err(match HeaderValue::from_str(&challenge) {
        Ok(challenge) => failure.with(WWW_AUTHENTICATE, challenge),
        Err(_) => failure,
    })
}

/// What stands behind the scheme; of `Basic`, decoded.
fn read(value: &HeaderValue, scheme: &str) -> Option<Vec<u8>> {
    let (given, text) = value.to_str().ok()?.split_once(' ')?;
    if !given.eq_ignore_ascii_case(scheme) {
        return None;
    }
    match scheme {
        "Basic" => STANDARD.decode(text.trim()).ok(),
        _ => Some(text.trim().as_bytes().to_vec()),
    }
}
