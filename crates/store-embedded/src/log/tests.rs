//! The log by itself: over files in memory, with every way that bytes can be wrong.

mod files;
mod flips;
mod prefixes;
mod segments;
mod spares;
mod support;
mod torn;
mod unreadable;
mod vectors;
