//! The hub as its driver and its peers see it.

mod order;
mod simulation;
mod world;
