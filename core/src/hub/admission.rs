//! How many connections there may be, in all and from one address.

use alloc::sync::Arc;
use core::{
    fmt,
    hash::BuildHasher,
    net::{IpAddr, Ipv6Addr},
};

use hashbrown::{HashMap, hash_map::Entry};
use siphasher::sip::SipHasher13;

use super::{HashKey, Passage, Policy};
use crate::handshake::Refusal;

/// Upper limits on connections; 0 means no limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdmissionLimits {
    /// In all. None by default: the descriptors that the process may open bound them.
    pub connections: usize,
    /// From one address; [`AdmissionLimits::PER_ADDRESS`] by default. Loopback addresses have no such
    /// limit: they are the back end, or a proxy for everybody. Nor have [proxies](super::Proxies), but
    /// each client that they name has it, whatever its address.
    pub per_address: usize,
}

impl AdmissionLimits {
    /// Many of a mobile network's customers share an address; half of what a process may usually
    /// open of descriptors in all is left to the others.
    pub const PER_ADDRESS: usize = 4096;
}

impl Default for AdmissionLimits {
    fn default() -> Self {
        Self {
            connections: 0,
            per_address: Self::PER_ADDRESS,
        }
    }
}

/// A connection too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TurnedAway {
    /// There are as many as there may be.
    Full,
    /// There are as many from this address as there may be.
    AddressFull,
}

impl TurnedAway {
    /// What to tell the client: with an HTTP status, before its connection is opened.
    #[must_use]
    pub const fn refusal(self) -> Refusal<'static> {
        match self {
            Self::Full => Refusal {
                status: 503,
                reason: "Service Unavailable",
                headers: &[("Retry-After", "30")],
                body: "The server has as many connections as it may have; try again later, or raise \
                       its limit on connections.",
            },
            Self::AddressFull => Refusal {
                status: 429,
                reason: "Too Many Requests",
                headers: &[("Retry-After", "30")],
                body: "There are as many connections from this address as the server allows; close \
                       some, or raise its limit on connections per address.",
            },
        }
    }
}

impl fmt::Display for TurnedAway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Full => "there are as many connections as there may be",
            Self::AddressFull => "there are as many connections from this address as there may be",
        })
    }
}

impl core::error::Error for TurnedAway {}

/// Counts connections. One for all hubs that share a limit.
#[derive(Debug)]
pub struct Admission {
    limits: AdmissionLimits,
    open: usize,
    /// Declined connections that are being told why.
    declined: usize,
    policy: Arc<Policy>,
    /// Loopback addresses are not in it, but for clients that a proxy has named, and nor are proxies.
    by_address: HashMap<IpAddr, usize, Keyed>,
}

/// The place of a connection among those that count, to be given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub struct Place(Option<IpAddr>);

/// Peers choose addresses, of IPv6 at least: they must not know which ones collide.
#[derive(Debug)]
struct Keyed(HashKey);

impl BuildHasher for Keyed {
    type Hasher = SipHasher13;

    fn build_hasher(&self) -> SipHasher13 {
        let HashKey([low, high]) = self.0;
        SipHasher13::new_with_keys(low, high)
    }
}

impl Admission {
    /// Most of the declined connections that may be reading why at a time. A flood of them must not take
    /// the descriptors that the limit was to spare.
    pub const DECLINED: usize = 64;

    /// Nobody is in. Addresses are hashed with a secret key.
    #[must_use]
    pub fn new(limits: AdmissionLimits, key: HashKey) -> Self {
        Self {
            limits,
            open: 0,
            declined: 0,
            policy: Arc::default(),
            by_address: HashMap::with_hasher(Keyed(key)),
        }
    }

    /// From now on `limits` are in force. Nobody who is in has to go, but as long as there are more than
    /// they allow, nobody enters.
    pub const fn set_limits(&mut self, limits: AdmissionLimits) {
        self.limits = limits;
    }

    /// From now on these are the proxies, whose own addresses are not counted.
    pub fn set_policy(&mut self, policy: Arc<Policy>) {
        self.policy = policy;
    }

    /// Counts a connection from `address`, which is to [`leave`](Self::leave) again.
    ///
    /// # Errors
    /// Why there is no room for it; it does not count then.
    pub fn enter(&mut self, address: IpAddr) -> Result<Place, TurnedAway> {
        let connections = self.limits.connections;
        if connections > 0 && self.open >= connections {
            return Err(TurnedAway::Full);
        }
        // All others are counted even where no limit is: one may be set while they are in.
        let is_exempt =
            address.to_canonical().is_loopback() || self.policy.proxies.speak_at(address);
        let place = Place((!is_exempt).then(|| counted(address)));
        if let Place(Some(address)) = place {
            self.count(address)?;
        }
        self.open = self.open.saturating_add(1);
        Ok(place)
    }

    /// The connection that had [entered](Self::enter) and has this place is over.
    pub fn leave(&mut self, place: Place) {
        self.open = self.open.saturating_sub(1);
        if let Place(Some(address)) = place {
            self.discount(address);
        }
    }

    /// Counts a client that a proxy has named, by its address alone: its connection has
    /// [entered](Self::enter) as the proxy's.
    ///
    /// # Errors
    /// It comes, and there are as many of its address as there may be.
    pub fn pass(&mut self, passage: Passage) -> Result<(), TurnedAway> {
        match passage {
            Passage::Enter(address) => self.count(counted(address)),
            Passage::Leave(address) => {
                self.discount(counted(address));
                Ok(())
            }
        }
    }

    fn count(&mut self, address: IpAddr) -> Result<(), TurnedAway> {
        let most = self.limits.per_address;
        let count = self.by_address.entry(address).or_default();
        if most > 0 && *count >= most {
            return Err(TurnedAway::AddressFull);
        }
        *count = count.saturating_add(1);
        Ok(())
    }

    fn discount(&mut self, address: IpAddr) {
        if let Entry::Occupied(mut entry) = self.by_address.entry(address) {
            let left = entry.get().saturating_sub(1);
            if left == 0 {
                entry.remove();
            } else {
                *entry.get_mut() = left;
            }
        }
        if self.by_address.capacity() > 64 && self.by_address.len() < self.by_address.capacity() / 8
        {
            self.by_address.shrink_to_fit();
        }
    }

    /// Counts a connection that could not [enter](Self::enter), to be told why, which is to
    /// [go](Self::declined_goes) again. `false`: it is to be dropped at once, since
    /// [so many](Self::DECLINED) are being told already.
    #[must_use]
    pub const fn decline(&mut self) -> bool {
        let has_room = self.declined < Self::DECLINED;
        if has_room {
            self.declined = self.declined.saturating_add(1);
        }
        has_room
    }

    /// A connection that was [declined](Self::decline) is over.
    pub const fn declined_goes(&mut self) {
        self.declined = self.declined.saturating_sub(1);
    }

    /// How many are in.
    #[must_use]
    pub const fn open(&self) -> usize {
        self.open
    }
}

/// The address to count by: of IPv6, the network of 64 bits that one customer has (RFC 6177).
const fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        address @ IpAddr::V4(_) => address,
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::HashMap as Counts;

    fn admission(connections: usize, per_address: usize) -> Admission {
        let limits = AdmissionLimits {
            connections,
            per_address,
        };
        Admission::new(limits, HashKey([1, 2]))
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_network_of_one_customer_counts_as_one_address_and_loopback_as_none() {
        let mut admission = admission(0, 1);
        assert!(admission.enter(ip("2001:db8::1")).is_ok());
        assert_eq!(
            admission.enter(ip("2001:db8::2")),
            Err(TurnedAway::AddressFull)
        );
        assert!(admission.enter(ip("2001:db8:0:1::1")).is_ok());
        assert!(admission.enter(ip("::ffff:192.0.2.1")).is_ok());
        assert_eq!(
            admission.enter(ip("192.0.2.1")),
            Err(TurnedAway::AddressFull)
        );
        for _ in 0..3 {
            assert!(admission.enter(ip("127.0.0.1")).is_ok());
            assert!(admission.enter(ip("::1")).is_ok());
        }
    }

    #[test]
    fn a_proxy_counts_as_no_address_and_each_client_that_it_names_as_its_own() {
        let mut admission = admission(0, 1);
        let (proxy, client) = (ip("192.0.2.1"), ip("127.0.0.2"));
        let place = admission.enter(proxy).unwrap();
        assert_eq!(admission.enter(proxy), Err(TurnedAway::AddressFull));
        let mut policy = Policy::default();
        policy.proxies.protocol = true;
        policy.proxies.trusted = alloc::vec![crate::proxy::Network::parse("192.0.2.1").unwrap()];
        admission.set_policy(Arc::new(policy));
        let proxied = [admission.enter(proxy), admission.enter(proxy)];
        assert_eq!(admission.open(), 3);
        // Those behind it are counted, loopback addresses too.
        assert_eq!(admission.pass(Passage::Enter(client)), Ok(()));
        assert_eq!(
            admission.pass(Passage::Enter(client)),
            Err(TurnedAway::AddressFull)
        );
        assert_eq!(admission.pass(Passage::Leave(client)), Ok(()));
        assert_eq!(admission.pass(Passage::Enter(client)), Ok(()));
        assert_eq!(admission.open(), 3);
        // Each place is given back as it was taken, whoever is a proxy by then.
        admission.set_policy(Arc::default());
        for place in proxied {
            admission.leave(place.unwrap());
        }
        assert_eq!(admission.enter(proxy), Err(TurnedAway::AddressFull));
        admission.leave(place);
        assert!(admission.enter(proxy).is_ok());
    }

    #[test]
    fn few_declined_connections_are_told_why_at_a_time() {
        let mut admission = admission(1, 0);
        for _ in 0..Admission::DECLINED {
            assert!(admission.decline());
        }
        assert!(!admission.decline());
        admission.declined_goes();
        assert!(admission.decline());
        assert!(!admission.decline());
        assert_eq!(admission.open(), 0);
    }

    /// Someone enters or leaves, or the limits change.
    #[derive(Clone, Debug)]
    enum Step {
        Enter(u8),
        Leave(u8),
        Limit(usize, usize),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            8 => (0_u8..4).prop_map(Step::Enter),
            8 => (0_u8..4).prop_map(Step::Leave),
            1 => (0_usize..20, 0_usize..7).prop_map(|(all, each)| Step::Limit(all, each)),
        ]
    }

    proptest! {
        #[test]
        fn the_counts_are_those_of_a_naive_book(steps in prop::collection::vec(step(), 0..200)) {
            let (mut most, mut each) = (20, 7);
            let mut admission = admission(most, each);
            let mut book = Counts::<IpAddr, usize>::new();
            for step in steps {
                let (host, enters) = match step {
                    Step::Enter(host) => (host, true),
                    Step::Leave(host) => (host, false),
                    Step::Limit(connections, per_address) => {
                        (most, each) = (connections, per_address);
                        admission.set_limits(AdmissionLimits { connections, per_address });
                        continue;
                    }
                };
                let address = IpAddr::from([192, 0, 2, host]);
                let total: usize = book.values().sum();
                let count = book.entry(address).or_default();
                let place = Place(Some(address));
                if enters {
                    let expected = if most > 0 && total >= most {
                        Err(TurnedAway::Full)
                    } else if each > 0 && *count >= each {
                        Err(TurnedAway::AddressFull)
                    } else {
                        *count += 1;
                        Ok(place)
                    };
                    prop_assert_eq!(admission.enter(address), expected);
                } else if *count > 0 {
                    *count -= 1;
                    admission.leave(place);
                }
                prop_assert_eq!(admission.open(), book.values().sum::<usize>());
                let known = book.values().filter(|count| **count > 0).count();
                prop_assert_eq!(admission.by_address.len(), known);
            }
        }
    }
}
