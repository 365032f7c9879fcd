//! The proxy: in this process, or as the real program.
