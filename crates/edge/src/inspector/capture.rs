//! What is gathered of one exchange while it goes by: heads, and the beginnings
//! of its bodies. All that is gathered at once has a bound; beyond it bodies are
//! cut.

use super::frames::{Events, Frames};
use crate::api::{ExchangeKind, TunnelFrame};
use http::HeaderMap;
use postern_protocol::HeaderList;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// So much of each body is kept.
const BODY: usize = 1 << 20;
/// So many frames of a WebSocket, or events of a stream, are kept: the first.
const FRAMES: usize = 1_000;
/// So much may be gathered at once, in bytes.
const GATHERED: usize = 64 << 20;

/// How much is gathered now.
#[derive(Default)]
pub(super) struct Budget(AtomicUsize);

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The visitor.
    Visitor,
    /// The local server.
    Local,
}

/// One exchange.
pub(crate) struct Capture {
    budget: Arc<Budget>,
    taken: usize,
    pub(super) request: Part,
    pub(super) response: Part,
    pub(super) frames: Vec<TunnelFrame>,
    pub(super) more_frames: bool,
    /// How what comes next is read.
    reading: Reading,
}

/// A head and its body.
#[derive(Default)]
pub(super) struct Part {
    pub(super) headers: HeaderList,
    pub(super) body: Vec<u8>,
    pub(super) truncated: bool,
}

enum Reading {
    Body,
    WebSocket(Box<(Frames, Frames)>),
    Events(Events),
}

impl Capture {
    pub(super) fn new(budget: Arc<Budget>) -> Self {
        Self {
            budget,
            taken: 0,
            request: Part::default(),
            response: Part::default(),
            frames: Vec::new(),
            more_frames: false,
            reading: Reading::Body,
        }
    }

    /// The head that goes to the target.
    pub(crate) fn asked(&mut self, headers: &HeaderMap) {
        self.request.headers = list(headers);
    }

    /// The head that comes back.
    pub(crate) fn answered(&mut self, kind: ExchangeKind, headers: &HeaderMap) {
        self.response.headers = list(headers);
        self.reading = match kind {
            ExchangeKind::Http => Reading::Body,
            ExchangeKind::WebSocket => Reading::WebSocket(Box::default()),
            ExchangeKind::Events => Reading::Events(Events::default()),
        };
    }

    /// A piece that goes by, `micros` after the beginning.
    pub(crate) fn piece(&mut self, from: Side, bytes: &[u8], micros: u64) {
        match &mut self.reading {
            Reading::WebSocket(both) => {
                let frames = if from == Side::Visitor { &mut both.0 } else { &mut both.1 };
                for frame in frames.feed(bytes) {
                    self.frame(from, micros, frame);
                }
                return;
            }
            Reading::Events(events) if from == Side::Local => {
                for event in events.feed(bytes) {
                    self.frame(from, micros, event);
                }
            }
            _ => {}
        }
        let part = if from == Side::Visitor { &mut self.request } else { &mut self.response };
        let room = BODY - part.body.len();
        let wanted = bytes.len().min(room);
        if !self.budget.take(wanted) {
            part.truncated = true;
            return;
        }
        self.taken += wanted;
        part.body.extend_from_slice(&bytes[..wanted]);
        part.truncated |= wanted < bytes.len();
    }

    fn frame(&mut self, from: Side, micros: u64, frame: super::frames::Frame) {
        if self.frames.len() >= FRAMES || !self.budget.take(frame.body.len()) {
            self.more_frames = true;
            return;
        }
        self.taken += frame.body.len();
        self.frames.push(TunnelFrame {
            from_visitor: from == Side::Visitor,
            micros,
            kind: frame.kind,
            size: frame.size,
            body: crate::api::Body::from(&frame.body[..]),
            truncated: (frame.body.len() as u64) < frame.size,
        });
    }

    /// The headers and bodies so far, without those that are still to come.
    pub(crate) fn beginning(&self) -> Self {
        let part = |part: &Part| Part { headers: part.headers.clone(), ..Part::default() };
        let mut beginning = Self::new(Arc::clone(&self.budget));
        beginning.request = part(&self.request);
        beginning.response = part(&self.response);
        beginning
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        self.budget.0.fetch_sub(self.taken, Ordering::Relaxed);
    }
}

impl Budget {
    fn take(&self, bytes: usize) -> bool {
        if self.0.fetch_add(bytes, Ordering::Relaxed) + bytes <= GATHERED {
            return true;
        }
        self.0.fetch_sub(bytes, Ordering::Relaxed);
        false
    }
}

fn list(headers: &HeaderMap) -> HeaderList {
    headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect()
}
