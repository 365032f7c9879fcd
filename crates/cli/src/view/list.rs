//! What the view shows, and what keys do to it.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use postern_edge::api::{EventSummary, Status};
use std::collections::VecDeque;

/// Older events leave the view; the history keeps them.
const KEPT: usize = 2_000;
/// Lines above and below the list: the path, the filter; the note, the keys.
pub(super) const FRAME: usize = 4;

/// What a key asks the edge for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Act {
    Open(String),
    Replay(String),
    Quit,
}

/// An event's text, scrolled.
pub(super) struct Pager {
    pub(super) lines: Vec<String>,
    pub(super) top: usize,
}

pub(super) struct Model {
    pub(super) status: Status,
    pub(super) forward_to: Option<String>,
    /// Newest last.
    events: VecDeque<EventSummary>,
    /// The selected event's id; none: the newest is followed.
    selected: Option<String>,
    /// The first event shown, of those the filter takes.
    pub(super) top: usize,
    /// Words that events must have.
    pub(super) filter: String,
    /// Whether keys go to the filter.
    pub(super) typing: bool,
    pub(super) pager: Option<Pager>,
    /// What the last key came to.
    pub(super) note: String,
    /// Rows for the list.
    room: usize,
}

impl Model {
    pub(super) fn new(status: Status, forward_to: Option<String>) -> Self {
        Self {
            status,
            forward_to,
            events: VecDeque::new(),
            selected: None,
            top: 0,
            filter: String::new(),
            typing: false,
            pager: None,
            note: String::new(),
            room: 1,
        }
    }

    /// A new event, or a known one's newest state.
    pub(super) fn put(&mut self, event: EventSummary) {
        match self.events.iter_mut().rev().find(|known| known.id == event.id) {
            Some(known) => *known = event,
            None => self.events.push_back(event),
        }
        if self.events.len() > KEPT {
            let gone = self.events.pop_front();
            if gone.is_some_and(|gone| self.selected.as_ref() == Some(&gone.id)) {
                self.selected = None;
            }
        }
    }

    /// A second has passed.
    pub(super) fn second(&mut self) {
        self.status.now = self.status.now.plus(1_000);
    }

    pub(super) fn open(&mut self, text: String) {
        let lines = text.lines().map(|line| line.replace('\t', "    ")).collect();
        self.pager = Some(Pager { lines, top: 0 });
    }

    /// How many events there are, whatever the filter.
    pub(super) fn count(&self) -> usize {
        self.events.len()
    }

    /// The events that the filter takes, newest last.
    pub(super) fn shown(&self) -> Vec<&EventSummary> {
        let words: Vec<_> = self.filter.split_whitespace().map(str::to_lowercase).collect();
        let takes = |event: &&EventSummary| {
            let line = format!(
                "{} {} {} {} {} {}",
                event.name, event.provider, event.source, event.subject, event.detail, event.outcome.label
            );
            let line = line.to_lowercase();
            words.iter().all(|word| line.contains(word))
        };
        self.events.iter().filter(takes).collect()
    }

    /// The place of the selected event among those shown; the newest unless
    /// another is selected.
    pub(super) fn at(&self) -> Option<usize> {
        let shown = self.shown();
        let selected = self.selected.as_ref().and_then(|id| shown.iter().position(|event| event.id == *id));
        selected.or(shown.len().checked_sub(1))
    }

    /// Scrolls so that the selected event is among the rows of a screen.
    pub(super) fn fit(&mut self, height: usize) {
        self.room = height.saturating_sub(FRAME).max(1);
        let last = self.shown().len().saturating_sub(self.room);
        let at = self.at().unwrap_or(0);
        self.top = self.top.clamp((at + 1).saturating_sub(self.room), at).min(last);
        if let Some(pager) = &mut self.pager {
            pager.top = pager.top.min(pager.lines.len().saturating_sub(self.room));
        }
    }

    /// Takes a key; what it asks the edge for.
    pub(super) fn key(&mut self, key: KeyEvent) -> Option<Act> {
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
            KeyCode::Enter => return self.id().map(Act::Open),
            KeyCode::Char('r') => return self.replay(),
            code => {
                if let Some(by) = self.step(code) {
                    self.select(by);
                }
            }
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

    fn paged(&mut self, code: KeyCode) -> Option<Act> {
        match code {
            KeyCode::Char('q') | KeyCode::Esc | KeyCode::Enter | KeyCode::Left => self.pager = None,
            KeyCode::Char('r') => return self.replay(),
            code => {
                if let (Some(by), Some(pager)) = (self.step(code), &mut self.pager) {
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

    /// Selects the event so many places on. The newest is followed again.
    fn select(&mut self, by: isize) {
        let Some(at) = self.at() else { return };
        let shown = self.shown();
        let last = shown.len() - 1;
        let to = at.saturating_add_signed(by).min(last);
        self.selected = (to < last).then(|| shown[to].id.clone());
    }

    fn id(&self) -> Option<String> {
        let shown = self.shown();
        self.at().map(|at| shown[at].id.clone())
    }

    fn replay(&mut self) -> Option<Act> {
        let id = self.id()?;
        // Stay with the event while others arrive.
        self.selected = Some(id.clone());
        self.note = "Replaying…".into();
        Some(Act::Replay(id))
    }
}
