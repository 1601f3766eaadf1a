//! Reads on a real server: what they find, what they do when it is late or away, which plans it makes of them, and how many bytes a card takes.

mod found;
mod late;
mod plans;
mod size;
mod support;
