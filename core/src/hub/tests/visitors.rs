//! Who asks: clients behind proxies, and pages in browsers.

use alloc::{
    boxed::Box,
    collections::BTreeMap,
    format,
    string::{String, ToString as _},
    sync::Arc,
    vec::Vec,
};
use core::net::{IpAddr, SocketAddr};
use std::sync::Mutex;

use super::{
    http::{Response, post_with, responses},
    world::{PUBLISHER, Seen, World, publication, request_with},
};
use crate::{
    hub::{Admission, AdmissionLimits, HashKey, Options, Passage, Policy, Version},
    proxy::{Field, Network},
};

const PROXY: &str = "127.0.0.1:1000";

fn options(change: impl FnOnce(&mut Policy)) -> Options {
    let mut policy = Policy::default();
    change(&mut policy);
    Options {
        policy: Arc::new(policy),
        ..Options::default()
    }
}

fn origins(list: &[&str]) -> Options {
    options(|policy| {
        for pattern in list {
            policy.origins.add(pattern).unwrap();
        }
    })
}

fn proxies(protocol: bool, field: Option<Field>) -> Options {
    options(|policy| {
        policy.proxies.protocol = protocol;
        policy.proxies.field = field;
        policy.proxies.trusted = ["127.0.0.1", "10.0.0.0/8"]
            .map(|text| Network::parse(text).unwrap())
            .into();
    })
}

/// What a connection from this address that says this is answered, and what is seen of it.
fn says(options: &Options, from: &str, said: &[u8]) -> (Vec<Response>, Vec<Seen>) {
    let mut world = World::new(1, options);
    let peer = world.connect_from(0, from.parse().unwrap(), PUBLISHER);
    world.say_raw(peer, said);
    world.quiesce();
    let seen = world.seen.borrow().clone();
    (responses(&world.peers[peer].bytes, false), seen)
}

/// The status of the answer to an opening handshake with these header fields.
fn opens(options: &Options, from: &str, fields: &str) -> u16 {
    let said = request_with(Version::Classic, fields);
    says(options, from, said.as_bytes()).0[0].status
}

/// Whether whoever opens a WebSocket so may publish.
fn publishes(options: &Options, from: &str, before: &[u8], fields: &str) -> bool {
    let mut world = World::new(1, options);
    let peer = world.connect_from(0, from.parse().unwrap(), PUBLISHER);
    world.peers[peer].version = Version::V1;
    world.say_raw(peer, before);
    world.say_raw(peer, request_with(Version::V1, fields).as_bytes());
    world.quiesce();
    assert!(world.text(peer, &publication(1, 0)));
    world.quiesce();
    let seen = world.seen.borrow();
    let published = seen
        .iter()
        .any(|seen| matches!(seen, Seen::Published { .. }));
    let forbidden = seen.iter().any(|seen| matches!(seen, Seen::Refused(..)));
    assert_ne!(published, forbidden, "{seen:?}");
    published
}

fn post(fields: &str) -> String {
    let body = publication(1, 0);
    let length = body.len();
    let fields = format!("Content-Type: application/json\r\nContent-Length: {length}\r\n{fields}");
    post_with(&fields, &body)
}

#[test]
fn a_page_opens_a_connection_when_its_origin_is_listed_or_there_is_no_list() {
    let listed = origins(&["https://app.example.com", "https://*.example.org", "null"]);
    for (origin, status) in [
        ("https://app.example.com", 101),
        ("https://a.b.example.org", 101),
        ("null", 101),
        ("https://evil.example", 403),
        ("https://example.org", 403),
        ("http://app.example.com", 403),
        ("", 403),
    ] {
        let field = format!("Origin: {origin}\r\n");
        assert_eq!(opens(&listed, PROXY, &field), status, "{origin}");
        assert_eq!(opens(&Options::default(), PROXY, &field), 101, "{origin}");
    }
    // Who sends none is no browser.
    assert_eq!(opens(&listed, PROXY, ""), 101);
    let any = origins(&["*"]);
    assert_eq!(opens(&any, PROXY, "Origin: https://evil.example\r\n"), 101);
    assert_eq!(opens(&any, PROXY, "Origin: null\r\n"), 403);

    let said = request_with(Version::Classic, "Origin: https://evil.example\r\n");
    let (answers, seen) = says(&listed, PROXY, said.as_bytes());
    assert!(answers[0].body.contains("`origins`"), "{answers:?}");
    assert_eq!(seen[0], Seen::OriginRefused("https://evil.example".into()));
}

#[test]
fn a_page_publishes_from_a_loopback_address_only_when_its_origin_is_listed_by_name() {
    let page = "Origin: https://app.example.com\r\n";
    for (list, may) in [
        (&[][..], false),
        (&["*"], false),
        (&["https://app.example.com"], true),
        (&["*", "https://*.example.com"], true),
    ] {
        assert_eq!(publishes(&origins(list), PROXY, b"", page), may, "{list:?}");
    }
    assert!(publishes(&Options::default(), PROXY, b"", ""));
}

#[test]
fn a_page_whose_origin_is_listed_publishes_with_fetch() {
    let options = origins(&["https://app.example.com"]);
    let page = "Origin: https://app.example.com\r\n";
    let allowed = "Access-Control-Allow-Origin: https://app.example.com";
    let preflight = |origin: &str| {
        format!(
            "OPTIONS /notifications HTTP/1.1\r\nHost: h\r\n{origin}Access-Control-Request-Method: POST\r\n\
             Access-Control-Request-Headers: content-type\r\n\r\n"
        )
    };
    // On one connection, as browsers do it.
    let said = [preflight(page), post(page)].concat();
    let (answers, _) = says(&options, PROXY, said.as_bytes());
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [204, 200]);
    assert!(
        answers
            .iter()
            .all(|answer| answer.has(allowed) && answer.has("Vary: Origin"))
    );
    assert!(answers[0].has("Access-Control-Allow-Methods: POST"));
    assert!(answers[0].has("Access-Control-Allow-Headers: Authorization, Content-Type"));
    // What is wrong with it the page may read too.
    let wrong = post(page).replace("application/json", "text/plain");
    let (answers, _) = says(&options, PROXY, wrong.as_bytes());
    assert_eq!(answers[0].status, 415);
    assert!(answers[0].has(allowed));

    let other = "Origin: https://evil.example\r\n";
    for said in [preflight(other), post(other)] {
        let (answers, seen) = says(&options, PROXY, said.as_bytes());
        assert_eq!(answers[0].status, 403);
        assert!(!answers[0].head.contains("Access-Control"), "{answers:?}");
        assert_eq!(seen[0], Seen::OriginRefused("https://evil.example".into()));
    }
    // A page that may come as everybody may has no right of its own.
    let (answers, _) = says(&origins(&["*"]), PROXY, post(other).as_bytes());
    assert_eq!(answers[0].status, 403);
    // Health is anybody's.
    let health = format!("GET /healthz HTTP/1.1\r\nHost: h\r\n{other}\r\n");
    assert_eq!(says(&options, PROXY, health.as_bytes()).0[0].status, 200);
}

#[test]
fn what_comes_through_a_proxy_is_never_beside_the_server() {
    let field = proxies(false, Some(Field::XForwardedFor));
    for fields in [
        "",
        "X-Forwarded-For: 127.0.0.1\r\n",
        "X-Forwarded-For: 192.0.2.1\r\n",
        "X-Forwarded-For: 127.0.0.2\r\n",
    ] {
        assert!(!publishes(&field, PROXY, b"", fields), "{fields}");
        let (answers, _) = says(&field, PROXY, post(fields).as_bytes());
        assert_eq!(answers[0].status, 403, "{fields}");
    }
    let protocol = proxies(true, None);
    for header in [
        "PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n",
        "PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n",
        "PROXY UNKNOWN\r\n",
    ] {
        assert!(
            !publishes(&protocol, PROXY, header.as_bytes(), ""),
            "{header}"
        );
    }
    // The back end has an address of its own.
    assert!(publishes(&field, "127.0.0.2:1", b"", ""));
    assert!(publishes(&protocol, "127.0.0.2:1", b"", ""));
}

#[test]
fn traces_of_a_proxy_that_is_not_configured_cost_the_right_to_publish_and_are_warned_of_once() {
    for trace in [
        "X-Forwarded-For: 192.0.2.1",
        "Forwarded: for=x",
        "Via: 1.1 x",
        "X-Real-IP: 192.0.2.1",
    ] {
        let fields = format!("{trace}\r\n");
        assert!(
            !publishes(&Options::default(), PROXY, b"", &fields),
            "{trace}"
        );
        let said = [post(&fields)].concat();
        let (answers, seen) = says(&Options::default(), PROXY, said.as_bytes());
        assert_eq!(answers[0].status, 403);
        assert_eq!(seen[0], Seen::UnknownProxy(PROXY.parse().unwrap()));
    }
    let mut world = World::alone();
    for _ in 0..3 {
        let peer = world.connect_from(0, PROXY.parse().unwrap(), PUBLISHER);
        let said = request_with(Version::Classic, "Via: 1.1 x\r\n");
        world.say_raw(peer, said.as_bytes());
        world.quiesce();
    }
    let seen = world.seen.borrow();
    let warned = seen
        .iter()
        .filter(|seen| matches!(seen, Seen::UnknownProxy(_)));
    assert_eq!(warned.count(), 1);
}

#[test]
fn nobody_is_believed_who_is_not_trusted() {
    let header = "PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n";
    let stranger = "192.0.2.9:5";
    let said = [header, &request_with(Version::Classic, "")].concat();
    let (answers, _) = says(&proxies(true, None), stranger, said.as_bytes());
    assert_eq!(answers[0].status, 400);
    let options = proxies(false, Some(Field::XForwardedFor));
    let mut world = World::new(1, &options);
    let peer = world.connect_from(0, stranger.parse().unwrap(), PUBLISHER);
    let said = request_with(Version::Classic, "X-Forwarded-For: 10.0.0.1\r\n");
    world.say_raw(peer, said.as_bytes());
    world.quiesce();
    assert_eq!(peer_of(&world, peer), stranger);
}

/// Where a session comes from, for the log.
fn peer_of(world: &World, peer: usize) -> String {
    let hub = &world.hubs[world.peers[peer].hub];
    let index = hub.find(world.peers[peer].id).expect("it is there");
    hub.session(index)
        .expect("it is there")
        .peer
        .get()
        .to_string()
}

#[test]
fn the_client_is_whom_a_trusted_proxy_names() {
    let head = |fields: &str| request_with(Version::Classic, fields);
    for (options, said, expected) in [
        (
            proxies(true, None),
            ["PROXY TCP4 192.0.2.1 127.0.0.1 99 2\r\n", &head("")].concat(),
            "192.0.2.1:99",
        ),
        (
            proxies(true, None),
            ["PROXY UNKNOWN\r\n", &head("")].concat(),
            PROXY,
        ),
        (
            proxies(false, Some(Field::XForwardedFor)),
            head("X-Forwarded-For: 6.6.6.6, 192.0.2.1, 10.0.0.1\r\nForwarded: for=6.6.6.6\r\n"),
            "192.0.2.1:0",
        ),
        (
            proxies(false, Some(Field::Forwarded)),
            head("Forwarded: for=\"[2001:db8::1]:99\"\r\nX-Forwarded-For: 6.6.6.6\r\n"),
            "[2001:db8::1]:99",
        ),
        // One proxy behind the other: the first names the second, and the second the client.
        (
            proxies(true, Some(Field::XForwardedFor)),
            [
                "PROXY TCP4 10.0.0.7 127.0.0.1 99 2\r\n",
                &head("X-Forwarded-For: 192.0.2.1\r\n"),
            ]
            .concat(),
            "192.0.2.1:0",
        ),
        (
            proxies(true, Some(Field::XForwardedFor)),
            [
                "PROXY TCP4 192.0.2.1 127.0.0.1 99 2\r\n",
                &head("X-Forwarded-For: 6.6.6.6\r\n"),
            ]
            .concat(),
            "192.0.2.1:99",
        ),
    ] {
        for piece in [1, 7, usize::MAX] {
            let mut world = World::new(1, &options);
            let peer = world.connect_from(0, PROXY.parse().unwrap(), PUBLISHER);
            world.say_raw(peer, said.as_bytes());
            while !world.peers[peer].wire.is_empty() {
                world.carry(peer, piece);
            }
            world.quiesce();
            assert!(
                world.peers[peer].bytes.starts_with(b"HTTP/1.1 101 "),
                "{said}"
            );
            assert_eq!(peer_of(&world, peer), expected, "{said}");
        }
    }
}

#[test]
fn a_proxy_that_does_not_say_who_asks_as_it_should_is_refused() {
    let options = proxies(false, Some(Field::XForwardedFor));
    for value in ["unknown", "192.0.2", "example.com"] {
        let fields = format!("X-Forwarded-For: {value}\r\n");
        let said = request_with(Version::Classic, &fields);
        for said in [said, post(&fields)] {
            let (answers, seen) = says(&options, PROXY, said.as_bytes());
            assert_eq!(answers[0].status, 400);
            assert!(answers[0].body.contains("X-Forwarded-For"), "{answers:?}");
            assert_eq!(seen[0], Seen::ForwardingRefused(PROXY.parse().unwrap()));
        }
    }
    for said in ["GET / HTTP/1.1\r\n", "PROXY TCP4 x\r\n", "\u{16}\u{3}\u{1}"] {
        let (answers, seen) = says(&proxies(true, None), PROXY, said.as_bytes());
        assert!(answers.is_empty());
        let [Seen::HandshakeFailed(why)] = &seen[..] else {
            panic!("{seen:?}");
        };
        assert!(why.starts_with("Proxy("), "{why}");
    }
}

#[test]
fn a_proxy_header_has_no_more_time_than_the_handshake() {
    let options = proxies(true, None);
    let mut world = World::new(1, &options);
    let peer = world.connect_from(0, PROXY.parse().unwrap(), PUBLISHER);
    for byte in b"PROXY TCP4 " {
        world.say_raw(peer, &[*byte]);
        world.quiesce();
        world.wait(1_000);
    }
    assert!(world.peers[peer].gone);
    let seen = world.seen.borrow();
    assert_eq!(seen[..], [Seen::HandshakeFailed("TimedOut".into())]);
}

/// A gate that has one place for each address, and what it counts.
fn narrow(world: &mut World) -> Arc<Mutex<BTreeMap<IpAddr, usize>>> {
    let book = Arc::new(Mutex::new(BTreeMap::<IpAddr, usize>::new()));
    let limits = AdmissionLimits {
        connections: 0,
        per_address: 1,
    };
    let admission = Mutex::new(Admission::new(limits, HashKey([1, 2])));
    let kept = Arc::clone(&book);
    let gate = move |passage| {
        let passed = admission.lock().unwrap().pass(passage);
        let mut book = kept.lock().unwrap();
        match passage {
            Passage::Enter(address) if passed.is_ok() => *book.entry(address).or_default() += 1,
            Passage::Enter(_) => {}
            Passage::Leave(address) => {
                let count = book.get_mut(&address).expect("who leaves has entered");
                *count = count.checked_sub(1).expect("who leaves has entered");
            }
        }
        passed
    };
    world.hubs[0].set_gate(Arc::new(gate));
    book
}

#[test]
fn clients_behind_a_proxy_are_counted_by_their_own_addresses_until_they_leave() {
    type Says = Box<dyn Fn(&str) -> String>;
    let by_protocol: Says = Box::new(|client: &str| {
        let head = request_with(Version::Classic, "");
        format!("PROXY TCP4 {client} 127.0.0.1 1 2\r\n{head}")
    });
    let by_field: Says = Box::new(|client: &str| {
        request_with(Version::Classic, &format!("X-Forwarded-For: {client}\r\n"))
    });
    for (options, says) in [
        (proxies(true, None), by_protocol),
        (proxies(false, Some(Field::XForwardedFor)), by_field),
    ] {
        let mut world = World::new(1, &options);
        let book = narrow(&mut world);
        let open = |world: &mut World, client: &str| {
            let peer = world.connect_from(0, PROXY.parse().unwrap(), PUBLISHER);
            world.say_raw(peer, says(client).as_bytes());
            world.quiesce();
            let status = responses(&world.peers[peer].bytes, false)[0].status;
            (peer, status)
        };
        let (first, status) = open(&mut world, "127.0.0.2");
        assert_eq!(status, 101);
        assert_eq!(open(&mut world, "127.0.0.3").1, 101);
        assert_eq!(open(&mut world, "127.0.0.2").1, 429);
        let declined = |seen: &Seen| matches!(seen, Seen::TurnedAway(peer) if peer.ip().to_string() == "127.0.0.2");
        assert_eq!(
            world
                .seen
                .borrow()
                .iter()
                .filter(|seen| declined(seen))
                .count(),
            1
        );
        world.peers[first].ended = true;
        world.quiesce();
        assert_eq!(open(&mut world, "127.0.0.2").1, 101);
        // A request that opens nothing takes no place.
        for peer in 0..world.peers.len() {
            world.peers[peer].ended = true;
        }
        world.quiesce();
        world.wait(5_000);
        assert_eq!(book.lock().unwrap().values().sum::<usize>(), 0, "{book:?}");
    }
}

#[test]
fn a_client_too_many_holds_no_connection_by_not_asking() {
    let mut world = World::new(1, &proxies(true, None));
    let _book = narrow(&mut world);
    let silent = |world: &mut World| {
        let peer = world.connect_from(0, PROXY.parse().unwrap(), PUBLISHER);
        world.say_raw(peer, b"PROXY TCP4 192.0.2.1 127.0.0.1 1 2\r\n");
        world.quiesce();
        peer
    };
    let peers = [silent(&mut world), silent(&mut world)];
    world.wait(1_500);
    assert_eq!(peers.map(|peer| world.peers[peer].gone), [false, true]);
}

#[test]
fn several_origins_are_none() {
    let options = origins(&["https://app.example.com"]);
    let one = "Origin: https://app.example.com\r\n";
    let two = [one, "Origin: https://evil.example\r\n"].concat();
    for (fields, status) in [(one, 200), (&two, 403)] {
        let (answers, _) = says(&options, PROXY, post(fields).as_bytes());
        assert_eq!(answers[0].status, status);
    }
}

#[test]
fn requests_of_many_clients_on_one_connection_are_judged_one_by_one() {
    let options = options(|policy| {
        policy.proxies.field = Some(Field::XForwardedFor);
        policy.proxies.trusted = [Network::parse("127.0.0.1").unwrap()].into();
        policy.origins.add("https://app.example.com").unwrap();
    });
    let mut world = World::new(1, &options);
    let peer = world.connect_from(0, "127.0.0.9:1".parse().unwrap(), PUBLISHER);
    let page = post("Origin: https://app.example.com\r\n");
    let own = post("");
    world.say_raw(peer, [page, own].concat().as_bytes());
    world.quiesce();
    let answers = responses(&world.peers[peer].bytes, false);
    let allowed = |answer: &Response| answer.head.contains("Access-Control-Allow-Origin");
    let seen: Vec<_> = answers
        .iter()
        .map(|answer| (answer.status, allowed(answer)))
        .collect();
    assert_eq!(seen, [(200, true), (200, false)]);
    // A trace in one of them costs that one the right.
    let said = [post(""), post("Via: 1.1 x\r\n")].concat();
    let (answers, _) = says(&options, "127.0.0.9:1", said.as_bytes());
    let statuses: Vec<_> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [200, 403]);
}

#[test]
fn a_changed_policy_is_that_of_new_handshakes() {
    let mut world = World::alone();
    let page = request_with(Version::Classic, "Origin: https://evil.example\r\n");
    let status = |world: &mut World| {
        let peer = world.connect_from(0, PROXY.parse().unwrap(), PUBLISHER);
        world.say_raw(peer, page.as_bytes());
        world.quiesce();
        let status = responses(&world.peers[peer].bytes, false)[0].status;
        (peer, status)
    };
    let (open, before) = status(&mut world);
    world.hubs[0].reconfigure(&origins(&["https://app.example.com"]));
    let (_, after) = status(&mut world);
    assert_eq!((before, after), (101, 403));
    assert!(!world.peers[open].gone);
}

/// The addresses of sockets are what is seen of them.
#[test]
fn a_requests_peer_in_the_log_is_the_client() {
    let options = proxies(false, Some(Field::XForwardedFor));
    let said = "GET /readyz HTTP/1.1\r\nHost: h\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n";
    let seen = Arc::new(Mutex::new(Vec::<SocketAddr>::new()));
    let kept = Arc::clone(&seen);
    let mut hub = crate::hub::Hub::new(
        &options,
        HashKey([1, 2]),
        crate::notify::Position::new(1, 0),
        move |fact: &crate::hub::Fact<'_>| {
            if let crate::hub::Fact::Requested { peer, .. } = fact {
                kept.lock().unwrap().push(*peer);
            }
        },
    );
    let now = crate::Instant::from_millis(1);
    let id = hub
        .accept(1, PROXY.parse().unwrap(), PUBLISHER, now)
        .unwrap();
    let mut bytes = said.as_bytes().to_vec();
    assert_eq!(hub.receive(id, &mut bytes, now), said.len());
    assert_eq!(*seen.lock().unwrap(), ["192.0.2.1:0".parse().unwrap()]);
}
