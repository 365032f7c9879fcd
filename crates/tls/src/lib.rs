//! TLS for a listener, from certificate files that are read again when they
//! change, so that a renewed certificate needs no restart.
//!
//! [`Certificates::load`] reads a pair of PEM files and says in a sentence
//! what is wrong with it. [`Certificates::follow`] looks at the files every
//! few seconds, and at once on SIGHUP; a new pair that cannot be used is
//! logged, and the one before stays. [`Acceptor`] makes the handshakes, each
//! within a time limit, for the protocols that its owner speaks (ALPN).

mod accept;
mod certificates;
mod files;

pub use accept::{Acceptor, HandshakeError};
pub use certificates::Certificates;
pub use files::{Files, FilesError};
