//! Lines that fit: pieces of text, each cut where the line ends.

use crate::output::{Ink, Style};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Fewer columns say nothing.
const LEAST: usize = 4;

/// One line in the making: pieces of text, up to a width.
pub(crate) struct Line<'s> {
    /// How its pieces look.
    pub(crate) style: &'s Style,
    room: usize,
    pub(crate) text: String,
}

impl<'s> Line<'s> {
    pub(crate) fn new(style: &'s Style, width: usize) -> Self {
        Self { style, room: width, text: String::new() }
    }

    /// Adds a piece, cut where the line ends.
    pub(crate) fn add(mut self, ink: Option<Ink>, text: &str) -> Self {
        let text = cut(text, self.room);
        self.room -= text.width();
        match ink {
            Some(ink) => self.text.push_str(&self.style.paint(ink, &text)),
            None => self.text.push_str(&text),
        }
        self
    }

    /// Adds a piece, padded to a width.
    pub(crate) fn column(self, ink: Option<Ink>, text: &str, width: usize) -> Self {
        let text = cut(text, width);
        let gap = " ".repeat(width - text.width());
        self.add(ink, &text).add(None, &gap)
    }

    /// Adds a piece so that `keep` columns stay free after it, unless hardly
    /// anything of it would be left.
    pub(crate) fn leave(mut self, keep: usize, ink: Option<Ink>, text: &str) -> Self {
        let kept = keep.min(self.room);
        let room = self.room - kept;
        if room < LEAST && room < text.width() {
            return self;
        }
        self.room -= kept;
        let mut line = self.add(ink, text);
        line.room += kept;
        line
    }

    /// Moves what follows, so wide, to the right end.
    pub(crate) fn right(self, width: usize) -> Self {
        let gap = " ".repeat(self.room.saturating_sub(width));
        self.add(None, &gap)
    }
}

/// `text` on one line and not wider than `width`, `…` where it is cut.
pub(crate) fn cut(text: &str, width: usize) -> String {
    let text = text.replace(['\n', '\t'], " ");
    if text.width() <= width {
        return text;
    }
    let mut room = width.saturating_sub(1);
    let fits = |c: &char| {
        let wide = c.width().unwrap_or(0);
        let fits = wide <= room;
        room = if fits { room - wide } else { 0 };
        fits
    };
    let mut kept: String = text.chars().take_while(fits).collect();
    if width > 0 {
        kept.push('…');
    }
    kept
}
