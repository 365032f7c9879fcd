//! What live views in a terminal share: a [`List`] of rows that is followed,
//! filtered and gone through by keys; its [`Frame`] on the screen; and the
//! [`Terminal`], which is put back as it was however a view ends.
//!
//! The list knows no terminal, and drawing makes lines of it; so both are tested
//! without one.

mod frame;
mod line;
mod list;
mod terminal;

pub(crate) use frame::{Frame, ends};
pub(crate) use line::{Line, cut};
pub(crate) use list::{Act, List, Row};
pub(crate) use terminal::Terminal;
