//! Rows that come, and what keys do to them: the newest is followed unless
//! another is selected, words choose among them, and one is shown in full.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use std::collections::VecDeque;

/// Older rows leave the view; what they tell of is kept elsewhere.
const KEPT: usize = 2_000;

/// What there is a line of.
pub(crate) trait Row {
    type Id: Clone + PartialEq;

    /// Which it is: the same in each of its states.
    fn id(&self) -> Self::Id;

    /// What a filter's words are looked for in.
    fn words(&self) -> String;
}

/// What a key asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Act<Id> {
    Open(Id),
    Replay(Id),
    Quit,
    /// A key of the view's own, on this row.
    Own(char, Id),
}

/// A row's text, scrolled.
pub(crate) struct Pager {
    pub(crate) lines: Vec<String>,
    pub(crate) top: usize,
}

pub(crate) struct List<R: Row> {
    /// Newest last.
    rows: VecDeque<R>,
    /// The selected row's id; none: the newest is followed.
    selected: Option<R::Id>,
    /// The first row shown, of those the filter takes.
    pub(crate) top: usize,
    /// Words that rows must have.
    pub(crate) filter: String,
    /// Whether keys go to the filter.
    pub(crate) typing: bool,
    pub(crate) pager: Option<Pager>,
    /// What the last key came to.
    pub(crate) note: String,
    /// Rows that have a place on the screen.
    room: usize,
}

impl<R: Row> Default for List<R> {
    fn default() -> Self {
        Self {
            rows: VecDeque::new(),
            selected: None,
            top: 0,
            filter: String::new(),
            typing: false,
            pager: None,
            note: String::new(),
            room: 1,
        }
    }
}

impl<R: Row> List<R> {
    /// A new row, or a known one's newest state.
    pub(crate) fn put(&mut self, row: R) {
        let id = row.id();
        match self.rows.iter_mut().rev().find(|known| known.id() == id) {
            Some(known) => *known = row,
            None => self.rows.push_back(row),
        }
        if self.rows.len() > KEPT {
            let gone = self.rows.pop_front();
            if gone.is_some_and(|gone| self.selected.as_ref() == Some(&gone.id())) {
                self.selected = None;
            }
        }
    }

    pub(crate) fn open(&mut self, text: &str) {
        let lines = text.lines().map(|line| line.replace('\t', "    ")).collect();
        self.pager = Some(Pager { lines, top: 0 });
    }

    /// All rows, whatever the filter.
    pub(crate) fn rows(&self) -> impl Iterator<Item = &R> {
        self.rows.iter()
    }

    /// How many rows there are, whatever the filter.
    pub(crate) fn count(&self) -> usize {
        self.rows.len()
    }

    /// The rows that the filter takes, newest last.
    pub(crate) fn shown(&self) -> Vec<&R> {
        let words: Vec<_> = self.filter.split_whitespace().map(str::to_lowercase).collect();
        let takes = |row: &&R| {
            let line = row.words().to_lowercase();
            words.iter().all(|word| line.contains(word))
        };
        self.rows.iter().filter(takes).collect()
    }

    /// The place of the selected row among those shown; the newest unless
    /// another is selected.
    pub(crate) fn at(&self) -> Option<usize> {
        let shown = self.shown();
        let selected = self.selected.as_ref().and_then(|id| shown.iter().position(|row| row.id() == *id));
        selected.or(shown.len().checked_sub(1))
    }

    /// Scrolls so that the selected row is among so many, one or more.
    pub(crate) fn fit(&mut self, room: usize) {
        self.room = room;
        let last = self.shown().len().saturating_sub(self.room);
        let at = self.at().unwrap_or(0);
        self.top = self.top.clamp((at + 1).saturating_sub(self.room), at).min(last);
        if let Some(pager) = &mut self.pager {
            pager.top = pager.top.min(pager.lines.len().saturating_sub(self.room));
        }
    }

    /// Takes a key; what it asks the edge for.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Option<Act<R::Id>> {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        if control && matches!(key.code, KeyCode::Char('c' | 'd')) {
            return Some(Act::Quit);
        }
        self.note.clear();
        if self.typing {
            self.typed(key.code);
            return None;
        }
        if self.pager.is_some() {
            return self.paged(key.code);
        }
        match key.code {
            KeyCode::Char('q') => return Some(Act::Quit),
            KeyCode::Char('/') => self.typing = true,
            KeyCode::Esc if !self.filter.is_empty() => self.filter.clear(),
            KeyCode::Esc => self.selected = None,
            KeyCode::Enter => {
                // Stay with the row while others arrive.
                self.selected = self.id();
                return self.selected.clone().map(Act::Open);
            }
            KeyCode::Char('r') => return self.replay(),
            code => match self.step(code) {
                Some(by) => self.select(by),
                None => return self.own(code),
            },
        }
        None
    }

    fn typed(&mut self, code: KeyCode) {
        match code {
            KeyCode::Enter => self.typing = false,
            KeyCode::Esc => {
                self.typing = false;
                self.filter.clear();
            }
            KeyCode::Backspace => {
                self.filter.pop();
            }
            KeyCode::Char(c) if !c.is_control() => self.filter.push(c),
            _ => {}
        }
    }

    fn paged(&mut self, code: KeyCode) -> Option<Act<R::Id>> {
        match code {
            KeyCode::Char('q') | KeyCode::Esc | KeyCode::Enter | KeyCode::Left => self.pager = None,
            KeyCode::Char('r') => return self.replay(),
            code => {
                let Some(by) = self.step(code) else { return self.own(code) };
                if let Some(pager) = &mut self.pager {
                    // `fit` keeps the last line in view.
                    pager.top = pager.top.saturating_add_signed(by).min(pager.lines.len());
                }
            }
        }
        None
    }

    /// How far a key moves, in lines.
    fn step(&self, code: KeyCode) -> Option<isize> {
        let page = isize::try_from(self.room).unwrap_or(isize::MAX);
        Some(match code {
            KeyCode::Up | KeyCode::Char('k') => -1,
            KeyCode::Down | KeyCode::Char('j') => 1,
            KeyCode::PageUp => -page,
            KeyCode::PageDown | KeyCode::Char(' ') => page,
            KeyCode::Home | KeyCode::Char('g') => isize::MIN,
            KeyCode::End | KeyCode::Char('G') => isize::MAX,
            _ => return None,
        })
    }

    /// Selects the row so many places on. The newest is followed again.
    fn select(&mut self, by: isize) {
        let Some(at) = self.at() else { return };
        let shown = self.shown();
        let last = shown.len() - 1;
        let to = at.saturating_add_signed(by).min(last);
        self.selected = (to < last).then(|| shown[to].id());
    }

    fn id(&self) -> Option<R::Id> {
        let shown = self.shown();
        self.at().map(|at| shown[at].id())
    }

    fn replay(&mut self) -> Option<Act<R::Id>> {
        let id = self.id()?;
        self.selected = Some(id.clone());
        self.note = "Replaying…".into();
        Some(Act::Replay(id))
    }

    fn own(&mut self, code: KeyCode) -> Option<Act<R::Id>> {
        let KeyCode::Char(letter) = code else { return None };
        Some(Act::Own(letter, self.id()?))
    }
}
