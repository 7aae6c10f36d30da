//! A client that stays connected (feature `alloc`), as a state machine: it subscribes, publishes and
//! awaits the answers, sees when the server is gone, connects again with backoff, and asks for its
//! subscriptions again.
//!
//! [`Machine`] has the driving contract. It speaks `campanile.v1`, in which everything is answered (the
//! protocol, sections 5 and 6). Programs use it through a runtime's `Client`, which documents the
//! promises to them; this is what they rest on:
//!
//! - **In order.** Notifications are told in the order in which they were received. Answers are matched
//!   with what they answer by their order, which the protocol has for each session.
//! - **At most once.** A publication is sent once. If the connection is lost between that and the
//!   answer, its outcome is [`Unknown`](PublishError::Unknown).
//! - **A gap is told.** After [`Disconnected`](Event::Disconnected), notifications may be missed until
//!   [`Reconnected`](Event::Reconnected), and not after it.
//! - **Nothing is waited for without end**, and nothing grows without bound: [`Options`] has all of the
//!   limits.

mod book;
mod error;
mod event;
mod machine;
mod message;
mod options;
#[cfg(test)]
mod tests;
mod url;

pub use error::{Cause, Error, Late, PublishError, SubscribeError};
pub use event::{Delivery, Event, PublicationId, Receipt, ServerError};
pub use machine::{Machine, Step};
pub use options::{Backoff, Options};
pub use url::{BadUrl, Url};
