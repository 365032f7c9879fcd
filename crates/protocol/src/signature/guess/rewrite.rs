//! The forms in which programs write a JSON value: the white space, the order
//! of keys and the escapes differ, numbers keep their text.

use crate::json::{self, Raw};
use std::fmt;

/// How deep a body may nest.
const DEPTH: usize = 64;

/// How much one form may take, in bytes: indentation multiplies.
const LARGEST: usize = 4 * 1024 * 1024;

/// Forms of the raw text, whatever it holds.
pub(super) fn raw(body: &[u8]) -> impl Iterator<Item = (Vec<u8>, &'static str)> {
    type Make = fn(&[u8]) -> Option<Vec<u8>>;
    let forms: [(Make, _); 5] = [
        (|body| body.strip_suffix(b"\n").map(<[u8]>::to_vec), "the body without the newline at its end"),
        (|body| Some([body, b"\n"].concat()), "the body with a newline at its end"),
        (|body| body.contains(&b'\r').then(|| lines(body, b"\n")), "the body with LF instead of CRLF"),
        (|body| body.contains(&b'\n').then(|| lines(body, b"\r\n")), "the body with CRLF instead of LF"),
        (
            |body| body.strip_prefix(b"\xef\xbb\xbf").map(<[u8]>::to_vec),
            "the body without its byte order mark",
        ),
    ];
    forms.into_iter().filter_map(move |(make, form)| Some((make(body)?, form)))
}

/// The text with every line's end, LF or CRLF, replaced.
fn lines(body: &[u8], end: &[u8]) -> Vec<u8> {
    let mut written = Vec::with_capacity(body.len());
    let mut lines = body.split(|b| *b == b'\n').peekable();
    while let Some(line) = lines.next() {
        let last = lines.peek().is_none();
        written.extend(if last { line } else { line.strip_suffix(b"\r").unwrap_or(line) });
        if !last {
            written.extend(end);
        }
    }
    written
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    Compact,
    /// A space after each comma and colon, as Python writes it.
    Spaced,
    /// Each member on a line of its own, indented by so many spaces.
    Indented(usize),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Escapes {
    AsTheyAre,
    /// Only what must be: as JavaScript and Rust write.
    Fewest,
    /// All but ASCII: as Python and PHP write.
    Ascii,
}

/// One way to write JSON.
#[derive(Clone, Copy)]
pub(super) struct Style {
    layout: Layout,
    sorted: bool,
    escapes: Escapes,
}

/// The likely ones first: providers mostly send compact JSON.
pub(super) const STYLES: [Style; 24] = {
    const LAYOUTS: [Layout; 4] = [Layout::Compact, Layout::Spaced, Layout::Indented(2), Layout::Indented(4)];
    const ESCAPES: [Escapes; 3] = [Escapes::AsTheyAre, Escapes::Fewest, Escapes::Ascii];
    let mut styles = [Style { layout: Layout::Compact, sorted: false, escapes: Escapes::AsTheyAre }; 24];
    let mut at = 0;
    while at < 24 {
        styles[at] = Style { layout: LAYOUTS[at % 4], escapes: ESCAPES[at / 4 % 3], sorted: at >= 12 };
        at += 1;
    }
    styles
};

impl fmt::Display for Style {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.layout {
            Layout::Compact => f.write_str("compact")?,
            Layout::Spaced => f.write_str("with a space after each comma and colon")?,
            Layout::Indented(by) => write!(f, "indented by {by}")?,
        }
        f.write_str(if self.sorted { ", keys sorted" } else { "" })?;
        f.write_str(match self.escapes {
            Escapes::AsTheyAre => "",
            Escapes::Fewest => ", characters not escaped",
            Escapes::Ascii => ", characters beyond ASCII escaped",
        })
    }
}

/// A JSON value, to be written in several styles.
pub(super) struct Document<'b> {
    root: Node<'b>,
    escaped: bool,
    ascii: bool,
}

enum Node<'b> {
    /// A literal, number or string, as it is written.
    Atom(Raw<'b>),
    List(Vec<Node<'b>>),
    Object(Vec<(Raw<'b>, Node<'b>)>),
}

impl<'b> Document<'b> {
    /// `None` for what is not JSON, or nests too deep.
    pub(super) fn read(body: &'b [u8]) -> Option<Self> {
        let root = Node::read(json::valid(body)?, DEPTH)?;
        Some(Self { root, escaped: body.contains(&b'\\'), ascii: body.is_ascii() })
    }

    /// The value in a style; `None` where that would be too large, or another
    /// style writes the same.
    pub(super) fn write(&self, style: Style) -> Option<Vec<u8>> {
        let same = match style.escapes {
            Escapes::AsTheyAre => false,
            Escapes::Fewest => !self.escaped,
            Escapes::Ascii => self.ascii,
        };
        let mut text = Vec::new();
        (!same).then(|| self.root.write(style, 0, &mut text)).flatten()?;
        Some(text)
    }
}

impl<'b> Node<'b> {
    fn read(raw: Raw<'b>, depth: usize) -> Option<Self> {
        let within = depth.checked_sub(1)?;
        Some(match raw.first() {
            b'{' => Self::Object(
                raw.members()
                    .map(|(key, value)| Some((key, Self::read(value, within)?)))
                    .collect::<Option<_>>()?,
            ),
            b'[' => Self::List(raw.items().map(|item| Self::read(item, within)).collect::<Option<_>>()?),
            _ => Self::Atom(raw),
        })
    }

    fn write(&self, style: Style, level: usize, text: &mut Vec<u8>) -> Option<()> {
        if text.len() > LARGEST {
            return None;
        }
        match self {
            Self::Atom(raw) => atom(*raw, style.escapes, text),
            Self::List(items) => {
                block(b"[]", items.iter(), style, level, text, |item, text| {
                    item.write(style, level + 1, text)
                })?;
            }
            Self::Object(members) => {
                let mut members: Vec<_> = members.iter().collect();
                if style.sorted {
                    members.sort_by_cached_key(|(key, _)| key.text());
                }
                block(b"{}", members.into_iter(), style, level, text, |(key, value), text| {
                    atom(*key, style.escapes, text);
                    text.extend(if style.layout == Layout::Compact { &b":"[..] } else { b": " });
                    value.write(style, level + 1, text)
                })?;
            }
        }
        Some(())
    }
}

fn block<T>(
    [open, close]: &[u8; 2],
    parts: impl ExactSizeIterator<Item = T>,
    style: Style,
    level: usize,
    text: &mut Vec<u8>,
    mut write: impl FnMut(T, &mut Vec<u8>) -> Option<()>,
) -> Option<()> {
    let line = |text: &mut Vec<u8>, level: usize| {
        if let Layout::Indented(by) = style.layout {
            text.push(b'\n');
            text.extend(std::iter::repeat_n(b' ', by * level));
        }
    };
    let empty = parts.len() == 0;
    text.push(*open);
    for (at, part) in parts.enumerate() {
        if at > 0 {
            text.extend(if style.layout == Layout::Spaced { &b", "[..] } else { b"," });
        }
        line(text, level + 1);
        write(part, text)?;
    }
    if !empty {
        line(text, level);
    }
    text.push(*close);
    Some(())
}

fn atom(raw: Raw<'_>, escapes: Escapes, text: &mut Vec<u8>) {
    let plain = if escapes == Escapes::AsTheyAre { None } else { raw.text() };
    let written = plain.map(|plain| serde_json::Value::from(plain.into_owned()).to_string());
    match (written, escapes) {
        (Some(written), Escapes::Ascii) => {
            for c in written.chars() {
                if c.is_ascii() {
                    text.push(c as u8);
                } else {
                    for unit in c.encode_utf16(&mut [0; 2]) {
                        text.extend(format!("\\u{unit:04x}").as_bytes());
                    }
                }
            }
        }
        (Some(written), _) => text.extend(written.as_bytes()),
        (None, _) => text.extend(raw.bytes()),
    }
}
