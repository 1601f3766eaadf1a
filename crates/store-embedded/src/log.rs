//! The log: segments of frames, each frame one commit.

mod archive;
mod behind;
mod erase;
mod frame;
mod recover;
mod segment;
mod spare;
mod tail;
#[cfg(test)]
mod tests;

pub(crate) use archive::archived_segments;
pub(crate) use behind::LogRead;
pub(crate) use erase::erase;
pub(crate) use frame::{Frame, FrameBuilder, HEADER_BYTES, Verified};
pub(crate) use recover::{Recovered, recover};
pub(crate) use segment::{SegmentHeader, segment_path};
pub(crate) use spare::Spares;
pub(crate) use tail::{AppendFault, Tail};
