//! What a client says first: which version of HTTP it speaks, and perhaps for
//! whom it comes.

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt};

/// How HTTP/2 begins, where it is not negotiated (RFC 9113, section 3.4).
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// How much is read at once.
const PIECE: usize = 4096;

/// The first bytes of a connection.
#[derive(Debug)]
pub(crate) struct Beginning {
    /// All that was read; still to be answered.
    pub(super) bytes: BytesMut,
    /// Whether they are those of HTTP/2.
    pub(super) http2: bool,
}

impl Beginning {
    /// Reads as far as it takes to know the version, or to the end.
    pub(super) async fn read(io: &mut (impl AsyncRead + Unpin)) -> Self {
        let mut bytes = BytesMut::with_capacity(PIECE);
        loop {
            let seen = bytes.len().min(PREFACE.len());
            if !PREFACE.starts_with(&bytes[..seen]) {
                return Self { bytes, http2: false };
            }
            if seen == PREFACE.len() {
                return Self { bytes, http2: true };
            }
            // What is broken is found so by the server, too.
            if io.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                return Self { bytes, http2: false };
            }
        }
    }

    /// Target and host of the first request of HTTP/1, as far as they have come.
    pub(crate) fn asks(&self) -> Option<(&str, Option<&str>)> {
        if self.http2 {
            return None;
        }
        let mut lines = self.bytes[..].split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
        let target = std::str::from_utf8(lines.next()?).ok()?.split(' ').nth(1)?;
        let host = lines.take_while(|line| !line.is_empty()).find_map(|line| {
            let (name, value) = std::str::from_utf8(line).ok()?.split_once(':')?;
            name.eq_ignore_ascii_case("host").then_some(value.trim())
        });
        Some((target, host))
    }
}

#[cfg(test)]
mod tests {
    use super::{Beginning, PREFACE};
    use tokio::io::{AsyncWriteExt, duplex};

    async fn of(bytes: &[u8]) -> Beginning {
        let (mut client, mut server) = duplex(1024);
        client.write_all(bytes).await.unwrap();
        drop(client);
        let beginning = Beginning::read(&mut server).await;
        assert_eq!(beginning.bytes, bytes, "nothing is lost");
        beginning
    }

    #[tokio::test]
    async fn http2_is_known_by_its_beginning() {
        for (begin, expected) in [
            (PREFACE, true),
            (b"POST / HTTP/1.1", false),
            (b"PRI * HTTP/1.1\r\n", false),
            (b"PRI", false),
            (b"", false),
        ] {
            assert_eq!(of(begin).await.http2, expected);
        }
    }

    #[tokio::test]
    async fn the_first_request_says_what_it_asks_for() {
        for (begin, expected) in [
            ("GET /a HTTP/1.1\r\nX: 1\r\nhOST: app.test:80 \r\n\r\n", Some(("/a", Some("app.test:80")))),
            ("GET /a HTTP/1.1\r\nX: 1\r\n\r\nhost: app.test", Some(("/a", None))),
            ("GET /a", Some(("/a", None))),
            ("GET", None),
            ("", None),
            ("\r\n\r\n", None),
        ] {
            assert_eq!(of(begin.as_bytes()).await.asks(), expected, "{begin}");
        }
        assert_eq!(of(PREFACE).await.asks(), None);
        assert_eq!(of(b"GET /\xff HTTP/1.1\r\nhost: x\r\n").await.asks(), None);
    }
}
