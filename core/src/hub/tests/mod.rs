//! The hub as its driver and its peers see it.

mod http;
mod order;
mod queues;
mod sessions;
mod simulation;
mod slowness;
mod splitting;
mod world;
