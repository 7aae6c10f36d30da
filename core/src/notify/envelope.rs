//! The message as a whole: who sends it, and what for.

use core::fmt;

#[cfg(feature = "fast")]
use super::quick;
use super::{
    json,
    limits::Limits,
    notification::Notification,
    raw::{Kind, RawString, Value},
    refusal::{ErrorCode, Path, Problem, Refusal, SENDERS},
    subscription::Subscriptions,
    target::List,
    text::Text,
};

/// A valid message from a client or publisher (the protocol, sections 2, 3 and 5).
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Message<'a> {
    /// `{"type":"ping"}`, the mobile client's keep-alive; to be answered with
    /// [`Reply::Pong`](super::Reply::Pong).
    Ping,
    /// `"sender":"client"`.
    Client(ClientMessage<'a>),
    /// `"sender":"server"`. The text that was parsed is what is delivered.
    Publication(Notification<'a>),
}

/// What a client asks for; at least one of these. `Debug` keeps the token secret.
#[derive(Clone, Copy)]
pub struct ClientMessage<'a> {
    subscriptions: Option<Subscriptions<'a>>,
    token: Option<Text<'a>>,
}

impl<'a> ClientMessage<'a> {
    /// At least one of these must be there.
    #[cfg(feature = "fast")]
    pub(super) const fn new(
        subscriptions: Option<Subscriptions<'a>>,
        token: Option<Text<'a>>,
    ) -> Self {
        Self {
            subscriptions,
            token,
        }
    }

    /// The set that replaces the connection's whole set (the protocol, section 2).
    #[must_use]
    pub const fn subscriptions(&self) -> Option<Subscriptions<'a>> {
        self.subscriptions
    }

    /// The JWT by which the session is authorised from now on (the protocol, section 7). Its
    /// contents have not been looked at.
    #[must_use]
    pub const fn token(&self) -> Option<Text<'a>> {
        self.token
    }
}

impl fmt::Debug for ClientMessage<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClientMessage")
            .field("subscriptions", &self.subscriptions)
            .field("token", &self.token.map(|_| "(secret)"))
            .finish()
    }
}

/// Parses the text of one message. All of it is validated, also what is not interpreted.
///
/// Time is proportional to the length of `text`, but for filters with many keys, see [`Limits`].
///
/// # Errors
/// A [`Refusal`] with one of the codes
/// - [`InvalidJson`](ErrorCode::InvalidJson): not UTF-8, not strict RFC 8259, not an object, or
///   nested more deeply than [`MAX_DEPTH`](super::MAX_DEPTH);
/// - [`InvalidMessage`](ErrorCode::InvalidMessage): the members of the message itself;
/// - [`InvalidSubscription`](ErrorCode::InvalidSubscription) and
///   [`InvalidNotification`](ErrorCode::InvalidNotification): their members, and the [`Limits`] on
///   filters;
/// - [`TooManySubscriptions`](ErrorCode::TooManySubscriptions): more than
///   [`Limits::subscriptions`].
pub fn parse<'a>(text: &'a [u8], limits: &Limits) -> Result<Message<'a>, Refusal> {
    #[cfg(feature = "fast")]
    if let Some(message) = quick::message(text, limits) {
        return Ok(message);
    }
    thoroughly(text, limits)
}

/// The same without short cuts: first all of it is validated, then it is interpreted.
pub(super) fn thoroughly<'a>(text: &'a [u8], limits: &Limits) -> Result<Message<'a>, Refusal> {
    let mut members = Members::default();
    let validated = json::object(text, |name, value| members.record(name, value));
    let from_publisher = members.is_from_publisher();
    validated
        .map_err(|fault| Refusal::at(ErrorCode::InvalidJson, Path::new(), Problem::Json(fault)))
        .and_then(|()| members.interpret(limits))
        .map_err(|refusal| refusal.with_publisher(from_publisher))
}

/// The elements of a text that is one strict array, each of them valid JSON.
///
/// # Errors
/// [`InvalidJson`](ErrorCode::InvalidJson) if it is anything else.
#[cfg(feature = "alloc")]
pub(crate) fn elements(text: &[u8]) -> Result<impl Iterator<Item = &[u8]> + Clone, Refusal> {
    let array = json::array(text)
        .map_err(|fault| Refusal::at(ErrorCode::InvalidJson, Path::new(), Problem::Json(fault)))?;
    Ok(array.elements().map(Value::as_bytes))
}

/// The raw top-level members that are interpreted, the last of each name.
#[derive(Default)]
struct Members<'a> {
    sender: Option<Value<'a>>,
    kind: Option<Value<'a>>,
    subscriptions: Option<Value<'a>>,
    token: Option<Value<'a>>,
    notification: Option<Value<'a>>,
    /// Which is the server's own to put in front (the protocol, section 6).
    position: Option<Value<'a>>,
}

impl<'a> Members<'a> {
    fn record(&mut self, name: RawString<'a>, value: Value<'a>) {
        let member = if name.is("sender") {
            &mut self.sender
        } else if name.is("notification") {
            &mut self.notification
        } else if name.is("subscriptions") {
            &mut self.subscriptions
        } else if name.is("type") {
            &mut self.kind
        } else if name.is("token") {
            &mut self.token
        } else if name.is(POSITION) {
            &mut self.position
        } else {
            return;
        };
        *member = Some(value);
    }

    fn is_from_publisher(&self) -> bool {
        is_string(self.sender, SERVER)
    }

    fn interpret(&self, limits: &Limits) -> Result<Message<'a>, Refusal> {
        if is_string(self.sender, CLIENT) {
            self.client_message(limits).map(Message::Client)
        } else if self.is_from_publisher() {
            self.notification(limits).map(Message::Publication)
        } else if self.sender.is_none() && is_string(self.kind, "ping") {
            Ok(Message::Ping)
        } else {
            Err(refuse("sender", self.sender_problem()))
        }
    }

    fn client_message(&self, limits: &Limits) -> Result<ClientMessage<'a>, Refusal> {
        if self.subscriptions.is_none() && self.token.is_none() {
            return Err(refuse(
                "subscriptions",
                Problem::Missing("an array, unless there is a token"),
            ));
        }
        let subscriptions = self
            .subscriptions
            .map(|list| Subscriptions::parse(list, List::Subscriptions, limits))
            .transpose()?;
        let token = self.token.map(|token| match token.string().map(Text::new) {
            None => Err(refuse("token", Problem::WrongType("a string"))),
            Some(None) => Err(refuse("token", Problem::NotUnicode)),
            Some(Some(token)) => Ok(token),
        });
        Ok(ClientMessage {
            subscriptions,
            token: token.transpose()?,
        })
    }

    fn notification(&self, limits: &Limits) -> Result<Notification<'a>, Refusal> {
        if self.position.is_some() {
            return Err(refuse(POSITION, Problem::NotTheirs));
        }
        match self.notification {
            None => Err(refuse("notification", Problem::Missing("an object"))),
            Some(value) if value.kind() == Kind::Object => {
                Notification::parse_member(value, limits)
            }
            Some(_) => Err(refuse("notification", Problem::WrongType("an object"))),
        }
    }

    /// What is wrong with a sender that is not known.
    fn sender_problem(&self) -> Problem {
        match self.sender.map(Value::string) {
            None => Problem::Missing(SENDERS),
            Some(None) => Problem::WrongType(SENDERS),
            Some(Some(sender)) if sender.is_unicode() => Problem::UnknownSender,
            Some(Some(_)) => Problem::NotUnicode,
        }
    }
}

pub(super) const CLIENT: &str = "client";
pub(super) const SERVER: &str = "server";
pub(super) const POSITION: &str = "position";

fn is_string(value: Option<Value<'_>>, text: &str) -> bool {
    value
        .and_then(Value::string)
        .is_some_and(|string| string.is(text))
}

fn refuse(member: &'static str, problem: Problem) -> Refusal {
    Refusal::at(
        ErrorCode::InvalidMessage,
        Path::new().member(member),
        problem,
    )
}
