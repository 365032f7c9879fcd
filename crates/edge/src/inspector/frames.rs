//! WebSocket frames (RFC 6455, section 5.2) and server-sent events, read from
//! the bytes that go by, in whatever pieces.

/// So much of each is kept.
const KEPT: usize = 4 << 10;

/// A frame, or an event.
pub(super) struct Frame {
    /// `text`, `binary`, `continuation`, `close`, `ping`, `pong`, or `event`.
    pub(super) kind: String,
    /// How long its content is.
    pub(super) size: u64,
    /// The beginning of it.
    pub(super) body: Vec<u8>,
}

/// One direction of a WebSocket.
#[derive(Default)]
pub(super) struct Frames {
    /// A head that is not complete yet.
    head: Vec<u8>,
    current: Option<Current>,
}

struct Current {
    kind: &'static str,
    mask: Option<[u8; 4]>,
    size: u64,
    read: u64,
    body: Vec<u8>,
}

impl Frames {
    /// The frames that end in this piece.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) -> Vec<Frame> {
        let mut done = Vec::new();
        while !bytes.is_empty() {
            if self.current.is_none() {
                self.head.push(bytes[0]);
                bytes = &bytes[1..];
                self.current = head(&self.head);
            }
            if let Some(current) = &mut self.current {
                self.head.clear();
                bytes = current.feed(bytes);
                if current.read == current.size
                    && let Some(Current { kind, size, body, .. }) = self.current.take()
                {
                    done.push(Frame { kind: kind.into(), size, body });
                }
            }
        }
        done
    }
}

/// The frame that a head announces, once the head is complete.
fn head(bytes: &[u8]) -> Option<Current> {
    let (first, second) = (*bytes.first()?, *bytes.get(1)?);
    let extended = match second & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    let masked = second & 0x80 != 0;
    if bytes.len() < 2 + extended + if masked { 4 } else { 0 } {
        return None;
    }
    let size = match extended {
        0 => u64::from(second & 0x7f),
        n => bytes[2..2 + n].iter().fold(0, |size, byte| size << 8 | u64::from(*byte)),
    };
    let mask = masked.then(|| bytes[2 + extended..].first_chunk().copied()).flatten();
    let kind = match first & 0x0f {
        0 => "continuation",
        1 => "text",
        2 => "binary",
        8 => "close",
        9 => "ping",
        10 => "pong",
        _ => "other",
    };
    // Compressed ones (RFC 7692) cannot be read alone.
    let kind = if first & 0x40 != 0 && kind == "text" { "compressed" } else { kind };
    Some(Current { kind, mask, size, read: 0, body: Vec::new() })
}

impl Current {
    /// Takes what belongs to it; what is left is the next one's.
    fn feed<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        let rest = usize::try_from(self.size - self.read).unwrap_or(usize::MAX);
        let (own, others) = bytes.split_at(bytes.len().min(rest));
        let room = KEPT - self.body.len();
        let at = self.body.len();
        self.body.extend(own.iter().take(room).enumerate().map(|(i, byte)| match self.mask {
            Some(mask) => byte ^ mask[(at + i) % 4],
            None => *byte,
        }));
        self.read += own.len() as u64;
        others
    }
}

/// A stream of server-sent events.
#[derive(Default)]
pub(super) struct Events {
    line: Vec<u8>,
    event: Vec<u8>,
    size: u64,
}

impl Events {
    /// The events that end in this piece: each ends with an empty line.
    pub(super) fn feed(&mut self, bytes: &[u8]) -> Vec<Frame> {
        let mut done = Vec::new();
        for byte in bytes {
            if *byte != b'\n' {
                if self.line.len() < KEPT {
                    self.line.push(*byte);
                }
                self.size += 1;
                continue;
            }
            let line = std::mem::take(&mut self.line);
            let line = line.strip_suffix(b"\r").unwrap_or(&line);
            if !line.is_empty() {
                if !self.event.is_empty() {
                    self.event.push(b'\n');
                    self.size += 1;
                }
                self.event.extend(line.iter().take(KEPT.saturating_sub(self.event.len())));
            } else if !self.event.is_empty() {
                let size = std::mem::take(&mut self.size).max(self.event.len() as u64);
                done.push(Frame { kind: "event".into(), size, body: std::mem::take(&mut self.event) });
            }
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(frames: &mut Frames, bytes: &[u8], by: usize) -> Vec<(String, u64, Vec<u8>)> {
        bytes.chunks(by).flat_map(|piece| frames.feed(piece)).map(|f| (f.kind, f.size, f.body)).collect()
    }

    #[test]
    fn frames_are_read_in_whatever_pieces() {
        // RFC 6455, section 5.7, then an empty ping, then 300 bytes.
        let mut bytes = vec![0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58, 0x89, 0x00];
        bytes.extend([0x82, 0x7e, 0x01, 0x2c]);
        bytes.extend([7; 300]);
        let wanted = [
            ("text".to_owned(), 5, b"Hello".to_vec()),
            ("ping".to_owned(), 0, Vec::new()),
            ("binary".to_owned(), 300, vec![7; 300]),
        ];
        for by in [1, 2, 3, 7, 1000] {
            assert_eq!(read(&mut Frames::default(), &bytes, by), wanted, "{by}");
        }
    }

    #[test]
    fn a_long_frame_is_cut_and_the_next_is_found() {
        let mut bytes = vec![0x82, 0x7f, 0, 0, 0, 0, 0, 1, 0, 0];
        bytes.extend(vec![1; 65_536]);
        bytes.extend([0x88, 0x02, 0x03, 0xe8]);
        let read = read(&mut Frames::default(), &bytes, 1000);
        assert_eq!((read[0].1, read[0].2.len()), (65_536, KEPT));
        assert_eq!(read[1], ("close".into(), 2, vec![0x03, 0xe8]));
    }

    #[test]
    fn events_end_with_an_empty_line() {
        let text = b"event: tick\ndata: 1\n\n: comment\r\n\r\ndata: 2\n\ndata: open";
        for by in [1, 5, 100] {
            let mut events = Events::default();
            let read: Vec<_> = text.chunks(by).flat_map(|piece| events.feed(piece)).map(|e| e.body).collect();
            assert_eq!(read, [&b"event: tick\ndata: 1"[..], b": comment", b"data: 2"], "{by}");
        }
    }
}
