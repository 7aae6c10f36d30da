//! Bytes that a peer sends.

use campanile_core::conn::Config;

use crate::{made, script};

/// What a peer sends to one connection.
#[derive(Clone, Debug)]
pub struct Stream {
    /// The name of a vector, or the seed.
    pub name: String,
    /// Whether the connection is a server's: its peer masks.
    pub is_server: bool,
    /// The connection's limits.
    pub config: Config,
    /// The bytes.
    pub bytes: Vec<u8>,
    /// The lengths of the pieces in which they come, over and over.
    pub pieces: Vec<usize>,
}

/// How many streams are made up for each role.
const MADE: u64 = 6_000;

/// Every stream: each vector in which nothing but bytes happens, and those that are made up.
#[must_use]
pub fn streams() -> Vec<Stream> {
    let vectors = script::vectors();
    let of_vectors = vectors.iter().flat_map(|vector| {
        let roles = [(true, vector.server), (false, vector.client)];
        let roles = roles.into_iter().filter(|(_, is_meant)| *is_meant);
        roles.filter_map(|(is_server, _)| of_vector(vector, is_server))
    });
    let made = (0..MADE).flat_map(|seed| [made::stream(seed, true), made::stream(seed, false)]);
    of_vectors.chain(made).collect()
}

fn of_vector(vector: &script::Vector, is_server: bool) -> Option<Stream> {
    let mut all = Vec::new();
    for one in vector.moves(is_server) {
        match one {
            script::Move::Bytes(bytes) => all.extend(bytes),
            script::Move::Eof => break,
            script::Move::Wait(_) | script::Move::Close(..) => return None,
        }
    }
    let mut config = Config::new();
    let limits = vector.limits;
    config.max_message = limits.message.unwrap_or(config.max_message);
    config.max_fragments = limits.fragments.unwrap_or(config.max_fragments);
    config.control_rate = limits.rate.unwrap_or(config.control_rate);
    config.control_burst = limits.burst.unwrap_or(config.control_burst);
    Some(Stream {
        name: vector.name.clone(),
        is_server,
        config,
        bytes: all,
        pieces: vec![7],
    })
}
