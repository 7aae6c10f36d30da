//! Notifications: strict parsing of the JSON messages of the protocol (sections 2 to 5) and the
//! pure matching of section 4. Nothing here allocates, recurses or panics, whatever the peer sent.
//!
//! [`parse`] turns the text of one message into a [`Message`], or into a [`Refusal`] that is ready
//! to be answered through a [`Reply`]. The types borrow the text and exist only in valid form, so
//! that [`matches()`] has no error to report. Who matches often compiles both sides first
//! ([`Subscriptions::compile`], [`Notification::compile`]): the canonical form outlives the text, is
//! shorter, and is compared without reading JSON again. A [`Registry`](registry::Registry) keeps such
//! sets for the clients of a device; with the feature `alloc`, `compile_owned` puts a form on the
//! heap, and `hub::Index` finds those who match without asking each. A client reads what a server says
//! with [`hear`]. [`explain`] says in words why the
//! two match or do not, and [`Grants`] what a session may do (section 7): [`covers`] is the question
//! whether a grant allows a subscription.
//!
//! ```
//! use campanile_core::notify::{Limits, Message, matches, parse};
//!
//! let wish = br#"{"sender":"client","subscriptions":[
//!     {"package":"plant","page":"alerts","filters":{"values":{"channel":["2","3"]}}}]}"#;
//! let news = br#"{"sender":"server","notification":{
//!     "package":"plant","page":"alerts","filters":{"values":2},"data":{"id":7}}}"#;
//!
//! let limits = Limits::default();
//! let (Ok(Message::Client(client)), Ok(Message::Publication(notification))) =
//!     (parse(wish, &limits), parse(news, &limits))
//! else {
//!     panic!("both are valid");
//! };
//! let mut subscriptions = client.subscriptions().into_iter().flatten();
//! assert!(subscriptions.any(|subscription| matches(&subscription, &notification)));
//!
//! let refusal = parse(b"{\"sender\":\"client\",}", &limits).unwrap_err();
//! assert_eq!(refusal.code().as_str(), "invalid_json");
//! ```
//!
//! Where the protocol allows several readings, its section 9 says which one is implemented here.
//! Limits count what is written, duplicate members included.
//!
//! # Why a parser of our own
//!
//! Needed are: strict validation of everything including what is skipped, no recursion, the raw
//! bytes of values, offsets in errors, lone surrogates where they do no harm, and no panic. Of the
//! `no_std` crates
//!
//! - `serde-json-core` recurses, lets invalid JSON pass in skipped values, and has no raw values or
//!   offsets (it writes our [`Reply`], where none of this matters);
//! - `picojson` needs a scratch buffer as long as the longest string with an escape even to skip
//!   it, refuses lone surrogates everywhere, and gives neither raw values nor offsets;
//! - `core-json` reads forward through a mutable borrow, one character at a time, without raw
//!   values or offsets (but strictly and without recursion);
//! - `hifijson` recurses when it skips, and does not check UTF-8 in what it skips.

mod compiled;
mod covers;
#[cfg(any(test, feature = "fast"))]
mod effective;
mod envelope;
mod explain;
mod filter;
mod grant;
mod heard;
mod json;
mod limits;
mod matches;
mod notification;
mod number;
#[cfg(feature = "alloc")]
mod owned_grants;
mod position;
#[cfg(feature = "fast")]
mod quick;
mod raw;
mod refusal;
pub mod registry;
mod reply;
mod scalar;
mod shown;
mod subscription;
mod target;
mod text;
mod token_fault;
#[cfg(feature = "alloc")]
mod told;
mod word;

#[cfg(feature = "alloc")]
pub(crate) use compiled::shorten;
pub use compiled::{
    CompiledNotification, CompiledSubscription, CompiledSubscriptions, CompiledSubscriptionsIter,
    MemoryTooSmall,
};
pub use covers::{covers, covers_keyed};
#[cfg(feature = "alloc")]
pub(crate) use envelope::elements;
pub use envelope::{ClientMessage, Message, parse};
pub use explain::{Explanation, Location, explain};
pub use filter::{Accepts, Constraint, Constraints, Entries, Keyed, Scalars, ScalarsIter, Values};
pub use grant::{Grant, Grants, GrantsIter};
pub use heard::{Delivered, Heard, hear};
pub use json::MAX_DEPTH;
pub use limits::Limits;
pub use matches::matches;
pub use notification::{Located, Notification};
pub use number::{MAX_NUMBER_LEN, Number};
#[cfg(feature = "alloc")]
pub use owned_grants::OwnedGrants;
pub use position::Position;
pub use refusal::{ErrorCode, Refusal};
#[cfg(feature = "alloc")]
pub(crate) use reply::error_object;
pub use reply::{BufferTooSmall, MAX_REPLY_LEN, Reply};
pub use scalar::{Canonical, Scalar};
pub use subscription::{Subscription, Subscriptions, SubscriptionsIter};
pub use text::{Bytes, Chars, Text};
pub use token_fault::TokenFault;
#[cfg(feature = "alloc")]
pub(crate) use told::{tell_scalar, tell_text};

#[cfg(test)]
pub(crate) mod tests;
