//! Side-by-side benchmarks of Campanile and its peers: what they share.
//!
//! Candidates are run in turns within one process, so that whatever else the machine does hits all
//! of them alike, and the median over the rounds is what counts. Before anything is timed, all
//! candidates must have given the same answers.

mod harness;
mod traffic;

pub use harness::{median_of_rounds, ratio};
pub use traffic::{Checksum, Lengths, Pieces, Sink, Traffic};
