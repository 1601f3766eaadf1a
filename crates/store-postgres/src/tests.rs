//! What reads cost on a real server: which plans it makes of them, and how many bytes a card takes.

mod found;
mod plans;
mod size;
mod support;
