//! What is done so that secrets stay in memory: no core dumps, no swap, no panic message with a value in it.

use std::panic;

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

use crate::standard_error;

/// What became of the wish to keep memory off the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Hardened {
    /// Core dumps are off, and other processes of this user cannot read the memory.
    pub(crate) no_dumps: bool,
    /// No page of this process is swapped out.
    pub(crate) locked: bool,
    /// The machine has swap.
    pub(crate) swap: bool,
}

/// A panic prints its place and nothing else: its message could hold a value.
pub(crate) fn panics_say_where_only() {
    panic::set_hook(Box::new(|info| {
        let place = info.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        standard_error::line(format!("panic at {place}; this is a bug, please report it with this line"));
    }));
}

/// Turns core dumps off and locks memory where the system allows it.
pub(crate) fn memory() -> Hardened {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let no_dumps = set_dumpable_behavior(DumpableBehavior::NotDumpable).is_ok()
        & setrlimit(Resource::Core, none).is_ok();
    Hardened { no_dumps, locked: lock(), swap: has_swap() }
}

/// Locks pages as they are touched. Under a limit of locked memory this is left alone: allocations would fail later.
fn lock() -> bool {
    let unlimited = getrlimit(Resource::Memlock).current.is_none();
    unlimited && mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT).is_ok()
}

/// Whether the machine has swap.
pub(crate) fn has_swap() -> bool {
    // One line is the heading.
    std::fs::read_to_string("/proc/swaps").is_ok_and(|swaps| swaps.lines().count() > 1)
}
