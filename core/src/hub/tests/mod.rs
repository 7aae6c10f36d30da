//! The hub as its driver and its peers see it.

#[cfg(feature = "deflate")]
mod codec;
#[cfg(feature = "deflate")]
mod compression;
mod http;
mod order;
mod queues;
mod sessions;
mod simulation;
mod slowness;
mod splitting;
mod world;
