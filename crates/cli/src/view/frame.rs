//! A list on a screen: what is above it, the list or a row's text, a remark, and
//! the keys.

use super::list::{List, Row};
use super::{Line, cut};
use crate::output::{Ink, Style, safe};
use unicode_width::UnicodeWidthStr;

/// What stands around a list, and for it where it is empty.
pub(crate) struct Frame<'a> {
    /// Lines at the top, each as wide as the screen at most.
    pub(crate) head: Vec<String>,
    /// `12 events`: how many rows there are.
    pub(crate) count: String,
    /// Before the first row.
    pub(crate) waiting: &'a str,
    /// Where the filter takes none.
    pub(crate) no_match: &'a str,
    pub(crate) keys: &'a str,
    /// While a row's text is shown.
    pub(crate) pager_keys: &'a str,
}

impl Frame<'_> {
    /// The whole screen, each line as wide as it at most; of a row what `draw`
    /// adds to its line.
    pub(crate) fn lines<R: Row>(
        &self,
        list: &mut List<R>,
        (width, height): (usize, usize),
        style: &Style,
        draw: impl for<'s> Fn(Line<'s>, &R) -> Line<'s>,
    ) -> Vec<String> {
        // Below the head the count; below the list the remark and the keys.
        let room = height.saturating_sub(self.head.len() + 3).max(1);
        list.fit(room);
        let mut lines = self.head.clone();
        lines.push(self.filter(list, width, style));
        let above = lines.len();
        if let Some(pager) = &list.pager {
            let text = pager.lines.iter().skip(pager.top).take(room);
            lines.extend(text.map(|line| Line::new(style, width).add(None, line).text));
        } else if list.shown().is_empty() {
            let text = if list.count() > 0 { self.no_match } else { self.waiting };
            lines.push(String::new());
            lines.push(Line::new(style, width).add(Some(Ink::Faint), &format!("  {text}")).text);
        } else {
            let at = list.at();
            let rows = list.shown().into_iter().enumerate().skip(list.top).take(room);
            lines.extend(rows.map(|(n, row)| selectable(row, at == Some(n), width, style, &draw)));
        }
        lines.resize(above + room, String::new());
        lines.push(Line::new(style, width).add(Some(Ink::Strong), &safe(&list.note)).text);
        let keys = if list.pager.is_some() { self.pager_keys } else { self.keys };
        lines.push(Line::new(style, width).add(Some(Ink::Faint), keys).text);
        // On a screen too small for all, the top counts.
        lines.truncate(height);
        lines
    }

    /// How many rows there are, and what chooses among them.
    fn filter<R: Row>(&self, list: &List<R>, width: usize, style: &Style) -> String {
        let line = Line::new(style, width);
        if list.typing || !list.filter.is_empty() {
            let cursor = if list.typing { "▏" } else { "" };
            return line
                .add(Some(Ink::Strong), &format!("/{}{cursor}", safe(&list.filter)))
                .add(Some(Ink::Faint), &format!("  {} of {}", list.shown().len(), list.count()))
                .text;
        }
        line.add(Some(Ink::Faint), &self.count).text
    }
}

fn selectable<R: Row>(
    row: &R,
    selected: bool,
    width: usize,
    style: &Style,
    draw: &impl for<'s> Fn(Line<'s>, &R) -> Line<'s>,
) -> String {
    // Colours within would end the selected row's.
    let plain = style.plain();
    let inner = if selected { &plain } else { style };
    let line = draw(Line::new(inner, width).add(None, if selected { "› " } else { "  " }), row);
    if selected && style.colour() { format!("\x1b[7m{}\x1b[0m", line.text) } else { line.text }
}

/// A line with this on the left, as far as there is room, and that at the right
/// end, at most half as wide as the line.
pub(crate) fn ends(style: &Style, width: usize, left: &[(Option<Ink>, &str)], right: (Ink, &str)) -> String {
    let (ink, text) = right;
    let text = cut(text, width / 2);
    let keep = text.width() + 2;
    let line = Line::new(style, width);
    let line = left.iter().fold(line, |line, (ink, piece)| line.leave(keep, *ink, piece));
    line.right(text.width()).add(Some(ink), &text).text
}
