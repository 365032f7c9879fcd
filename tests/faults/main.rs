//! What goes wrong around the programs: links that break in the middle of a
//! body, disks that are full, clocks that are set, more large
//! bodies than fit into memory. After each, every event
//! that was answered 200 is in the edge's history exactly once, nothing is
//! left to do or given up on, both databases are sound, and neither a process
//! nor a task is left.

#![expect(
    clippy::expect_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and says what it left out"
)]

mod clock;
mod cuts;
mod disk_full;
mod large;
