//! What the peers' hubs share: the messages, as far as the work needs them, and who hears what.
//!
//! Every hub does the same: it echoes `campanile.v1` where that is offered, takes a subscription to a
//! package and page, or to one channel of them, parses a publication as far as it takes to know who
//! hears it, hands the publisher's bytes to those, and answers a v1 publisher. Each runs on one
//! thread, since one processor is what it is given.

use std::{
    borrow::Cow,
    collections::HashMap,
    env, fmt,
    net::{SocketAddr, TcpListener},
    rc::Rc,
};

use serde::Deserialize;

/// A message of a client or of a publisher. `serde_json` skips what is not named here.
#[derive(Debug, Deserialize)]
pub struct Message<'a> {
    #[serde(borrow)]
    pub subscriptions: Option<Vec<Target<'a>>>,
    #[serde(borrow)]
    pub notification: Option<Target<'a>>,
}

/// What a subscription is to, or a notification for.
#[derive(Debug, Deserialize)]
pub struct Target<'a> {
    #[serde(borrow)]
    package: Cow<'a, str>,
    #[serde(borrow)]
    page: Cow<'a, str>,
    #[serde(borrow)]
    filters: Option<Filters<'a>>,
}

#[derive(Debug, Deserialize)]
struct Filters<'a> {
    #[serde(borrow)]
    values: Values<'a>,
}

#[derive(Debug, Deserialize)]
struct Values<'a> {
    #[serde(borrow)]
    channel: Channels<'a>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Channels<'a> {
    One(#[serde(borrow)] Cow<'a, str>),
    Several(#[serde(borrow)] Vec<Cow<'a, str>>),
}

/// Reads a message.
///
/// # Errors
/// It is not JSON, or not such a message.
pub fn parse(text: &[u8]) -> serde_json::Result<Message<'_>> {
    serde_json::from_slice(text)
}

/// Who hears what: an exact table, as these libraries' users have one.
#[derive(Debug)]
pub struct Topics<S> {
    /// By package, page and, of a subscription to a channel, its name.
    members: HashMap<Topic, Vec<(u64, S)>>,
    /// A topic on its way to a look-up.
    key: String,
}

/// The name of what is subscribed to.
pub type Topic = Rc<str>;

impl<S> Default for Topics<S> {
    fn default() -> Self {
        Self {
            members: HashMap::new(),
            key: String::new(),
        }
    }
}

impl<S: Clone> Topics<S> {
    /// Replaces what session `id` hears, through `sender`; the session keeps the list of it.
    pub fn subscribe(&mut self, id: u64, sender: &S, wishes: &[Target<'_>], mine: &mut Vec<Topic>) {
        self.leave(id, mine);
        for wish in wishes {
            match &wish.filters {
                None => self.add(wish, None, id, sender, mine),
                Some(filters) => match &filters.values.channel {
                    Channels::One(channel) => self.add(wish, Some(channel), id, sender, mine),
                    Channels::Several(channels) => {
                        for channel in channels {
                            self.add(wish, Some(channel), id, sender, mine);
                        }
                    }
                },
            }
        }
    }

    fn add(
        &mut self,
        wish: &Target<'_>,
        channel: Option<&str>,
        id: u64,
        sender: &S,
        mine: &mut Vec<Topic>,
    ) {
        key(&mut self.key, wish, channel);
        let topic = match self.members.get_key_value(self.key.as_str()) {
            Some((topic, _)) => Rc::clone(topic),
            None => self.key.as_str().into(),
        };
        mine.push(Rc::clone(&topic));
        self.members
            .entry(topic)
            .or_default()
            .push((id, sender.clone()));
    }

    /// Forgets what session `id` hears.
    pub fn leave(&mut self, id: u64, mine: &mut Vec<Topic>) {
        for topic in mine.drain(..) {
            if let Some(members) = self.members.get_mut(&topic) {
                members.retain(|(member, _)| *member != id);
                if members.is_empty() {
                    self.members.remove(&topic);
                }
            }
        }
    }

    /// Hands the notification to whoever hears it; how many those are.
    pub fn publish(&mut self, notification: &Target<'_>, mut hand: impl FnMut(&S)) -> usize {
        let mut count = 0;
        let channel = match &notification.filters {
            Some(filters) => match &filters.values.channel {
                Channels::One(channel) => Some(&**channel),
                Channels::Several(_) => None,
            },
            None => None,
        };
        for channel in [None, channel]
            .into_iter()
            .take(1 + usize::from(channel.is_some()))
        {
            key(&mut self.key, notification, channel);
            for (_, sender) in self.members.get(self.key.as_str()).into_iter().flatten() {
                hand(sender);
                count += 1;
            }
        }
        count
    }
}

fn key(key: &mut String, target: &Target<'_>, channel: Option<&str>) {
    key.clear();
    for part in [&*target.package, "\0", &*target.page] {
        key.push_str(part);
    }
    if let Some(channel) = channel {
        key.push('\0');
        key.push_str(channel);
    }
}

/// The answer to a v1 publisher.
#[must_use]
pub fn published(position: u64, recipients: usize) -> String {
    format!(
        r#"{{"sender":"server","published":{{"position":"{position}","recipients":{recipients}}}}}"#
    )
}

/// The subprotocol of a session whose publications are answered.
pub const V1: &str = "campanile.v1";

/// Whether an offer of subprotocols has [`V1`].
#[must_use]
pub fn offers_v1(offer: &str) -> bool {
    offer.split(',').any(|name| name.trim() == V1)
}

/// Listens where the command line says, and says so; answers whether its second word is `variant`.
///
/// # Panics
/// Where it cannot: a benchmark has nobody else to turn to.
#[must_use]
pub fn listen(variant: &str) -> (TcpListener, bool) {
    let mut words = env::args().skip(1);
    let address: SocketAddr = words
        .next()
        .expect("usage: HUB ADDR:PORT [VARIANT]")
        .parse()
        .expect("an address and a port");
    let word = words.next();
    let chosen = word.as_deref() == Some(variant);
    assert!(word.is_none() || chosen, "the variant is {variant:?}");
    let listener = TcpListener::bind(address).expect("an address that is free");
    listener.set_nonblocking(true).expect("a socket");
    let local = listener.local_addr().expect("it is bound");
    println!("listening on ws://{local}");
    (listener, chosen)
}

/// Complaints of sessions go to standard error: the load tool tells what went wrong, and this why.
pub fn complain(error: &dyn fmt::Display) {
    eprintln!("session: {error}");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn heard(topics: &mut Topics<&'static str>, publication: &str) -> Vec<&'static str> {
        let message = parse(publication.as_bytes()).unwrap();
        let mut heard = Vec::new();
        let count = topics.publish(&message.notification.unwrap(), |who| heard.push(*who));
        assert_eq!(count, heard.len());
        heard
    }

    #[test]
    fn those_hear_who_subscribed_to_the_page_or_to_its_channel() {
        let all = r#"{"sender":"client","subscriptions":[{"package":"a","page":"b"}]}"#;
        let one = r#"{"sender":"client","subscriptions":[{"package":"a","page":"b","filters":{"values":{"channel":["2","3"]}}}]}"#;
        let [two, four, other] = [("b", "2"), ("b", "4"), ("c", "2")].map(|(page, channel)| {
            format!(
                r#"{{"sender":"server","notification":{{"package":"a","page":"{page}","filters":{{"values":{{"channel":"{channel}"}}}},"data":{{"x":1}}}}}}"#
            )
        });
        let mut topics = Topics::default();
        let [mut of_all, mut of_one] = [vec![], vec![]];
        for (id, who, text, mine) in [(1, "all", all, &mut of_all), (2, "one", one, &mut of_one)] {
            let message = parse(text.as_bytes()).unwrap();
            topics.subscribe(id, &who, &message.subscriptions.unwrap(), mine);
        }
        assert_eq!(heard(&mut topics, &two), ["all", "one"]);
        assert_eq!(heard(&mut topics, &four), ["all"]);
        assert!(heard(&mut topics, &other).is_empty());
        topics.leave(1, &mut of_all);
        assert_eq!(heard(&mut topics, &two), ["one"]);
        topics.subscribe(2, &"one", &[], &mut of_one);
        assert!(heard(&mut topics, &two).is_empty() && topics.members.is_empty());
    }

    #[test]
    fn a_v1_session_is_one_that_offers_it() {
        assert!(offers_v1("campanile.v1") && offers_v1("chat, campanile.v1"));
        assert!(!offers_v1("") && !offers_v1("campanile.v10"));
    }
}
