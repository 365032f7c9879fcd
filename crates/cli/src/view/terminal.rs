//! The terminal as the view has it: another screen, keys as they are pressed.
//! It is put back when this is dropped, and before a panic is said.

use crossterm::cursor::{Hide, MoveTo, Show};
use crossterm::terminal::{
    BeginSynchronizedUpdate, Clear, ClearType, DisableLineWrap, EnableLineWrap, EndSynchronizedUpdate,
    EnterAlternateScreen, LeaveAlternateScreen, disable_raw_mode, enable_raw_mode, size,
};
use crossterm::{execute, queue};
use std::io::{self, Write};
use std::sync::Once;

/// What the size is where the terminal does not say.
const USUAL: (u16, u16) = (80, 24);

pub(crate) struct Terminal {
    /// What is on it: the same is not drawn again.
    drawn: Vec<String>,
}

impl Terminal {
    /// Takes the terminal over.
    ///
    /// # Errors
    /// When it is none.
    pub(crate) fn enter() -> io::Result<Self> {
        static HOOK: Once = Once::new();
        HOOK.call_once(|| {
            let before = std::panic::take_hook();
            std::panic::set_hook(Box::new(move |panic| {
                leave();
                before(panic);
            }));
        });
        enable_raw_mode()?;
        let entered = Self { drawn: Vec::new() };
        execute!(io::stdout(), EnterAlternateScreen, Hide, DisableLineWrap)?;
        Ok(entered)
    }

    /// Columns and rows.
    ///
    /// # Errors
    /// When it is gone.
    pub(crate) fn size(&self) -> io::Result<(usize, usize)> {
        let (width, height) = match size()? {
            (0, _) | (_, 0) => USUAL,
            size => size,
        };
        Ok((width.into(), height.into()))
    }

    /// Shows these lines, one for each row; they fit.
    ///
    /// # Errors
    /// When it is gone.
    pub(crate) fn draw(&mut self, lines: &[String]) -> io::Result<()> {
        if self.drawn == lines {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        queue!(out, BeginSynchronizedUpdate)?;
        for (row, line) in (0..).zip(lines) {
            // Cleared before: behind a full line stands its last character.
            queue!(out, MoveTo(0, row), Clear(ClearType::CurrentLine))?;
            out.write_all(line.as_bytes())?;
        }
        queue!(out, EndSynchronizedUpdate)?;
        out.flush()?;
        self.drawn = lines.to_vec();
        Ok(())
    }
}

impl Terminal {
    /// Says something on the terminal's own screen, where long lines are whole when
    /// they are copied or clicked. Until [`Self::back`] nothing is drawn.
    ///
    /// # Errors
    /// When it is gone.
    pub(crate) fn aside(&mut self, text: &str) -> io::Result<()> {
        execute!(io::stdout(), LeaveAlternateScreen, EnableLineWrap)?;
        let mut out = io::stdout().lock();
        // Raw mode: a new line alone begins where the last one ended.
        write!(out, "\r\n{}\r\n", text.replace('\n', "\r\n"))?;
        out.flush()
    }

    /// Goes on with the view.
    ///
    /// # Errors
    /// When it is gone.
    pub(crate) fn back(&mut self) -> io::Result<()> {
        self.drawn.clear();
        execute!(io::stdout(), EnterAlternateScreen, Hide, DisableLineWrap)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        leave();
    }
}

/// Puts it back; twice does no harm.
fn leave() {
    // Nothing can be done for a terminal that is gone.
    let _ = execute!(io::stdout(), EndSynchronizedUpdate, EnableLineWrap, Show, LeaveAlternateScreen);
    let _ = disable_raw_mode();
}
