//! The system's clock, behind the protocol's [`Clock`]. The only place in the
//! proxy that reads the wall clock.

use postern_protocol::{Clock, UnixMillis};

/// The operating system's wall clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixMillis {
        UnixMillis(jiff::Timestamp::now().as_millisecond())
    }
}
