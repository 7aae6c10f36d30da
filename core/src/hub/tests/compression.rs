//! What compression changes for clients, and what it does not.

use alloc::{format, string::String, vec::Vec};

use super::world::{LISTENER, PUBLISHER, World, subscription};
use crate::{
    conn::{Config, Prepared},
    deflate::{Settings, WindowBits, bomb},
    hub::{
        Options, OutboxLimits, Version,
        compression::{Class, Compression},
    },
    wire::{Kind, MAX_HEAD},
};

fn world(settings: &Settings) -> World {
    let options = Options {
        compression: Some(*settings),
        ..Options::default()
    };
    World::new(1, &options)
}

fn window(bits: u8) -> WindowBits {
    WindowBits::new(bits).expect("8 to 15")
}

/// A client that lets the server compress with so large a window.
fn client(bits: u8) -> Settings {
    Settings {
        receive_window: window(bits),
        ..Settings::client()
    }
}

/// A publication of about `len` bytes, whose second half is like the first: who cannot refer back so
/// far gains little.
fn news(len: usize) -> String {
    let mut random = 1_u32;
    let half: String = (0..len / 2)
        .map(|_| {
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            char::from_digit(random >> 28, 16).expect("a digit")
        })
        .collect();
    let words = half.repeat(2);
    format!(
        r#"{{"sender":"server","notification":{{"package":"p","page":"q","filters":{{"values":1}},"data":"{words}"}}}}"#
    )
}

/// What the hub has sent to a client since it had sent `before` bytes.
fn sent(world: &World, peer: usize, before: usize) -> &[u8] {
    &world.peers[peer].bytes[before..]
}

/// Publishes, and gives what each listener was sent for it.
fn publish(world: &mut World, publisher: usize, text: &str, to: &[usize]) -> Vec<Vec<u8>> {
    let before: Vec<usize> = to.iter().map(|at| world.peers[*at].bytes.len()).collect();
    assert!(world.text(publisher, text));
    world.quiesce();
    to.iter()
        .zip(before)
        .map(|(at, before)| sent(world, *at, before).to_vec())
        .collect()
}

fn is_compressed(frame: &[u8]) -> bool {
    frame[0] == 0xC1
}

fn listener(world: &mut World, version: Version, client: &Settings) -> usize {
    let peer = world.open_offering(version, LISTENER, client);
    assert!(world.text(peer, &subscription(&[1])));
    world.quiesce();
    peer
}

#[test]
fn all_hear_the_same_whatever_window_they_asked_for_and_those_of_a_class_the_same_bytes() {
    for len in [600, 3_000, 20_000] {
        for version in [Version::Classic, Version::V1] {
            let mut world = world(&Settings::server());
            let publisher = world.open(0, Version::V1, PUBLISHER);
            let plain = world.open(0, version, LISTENER);
            assert!(world.text(plain, &subscription(&[1])));
            let peers: Vec<usize> = (8..=15)
                .map(|bits| listener(&mut world, version, &client(bits)))
                .collect();
            let all = [&[plain][..], &peers].concat();
            let frames = publish(&mut world, publisher, &news(len), &all);
            let heard = world.texts(plain).pop().map(String::from);
            for (peer, frame) in peers.iter().zip(&frames[1..]) {
                assert_eq!(world.texts(*peer).pop(), heard.as_deref());
                assert!(is_compressed(frame) && frame.len() < frames[0].len() * 3 / 4);
            }
            assert!(!is_compressed(&frames[0]));
            let [small, medium, large] = [&frames[1..5], &frames[5..8], &frames[8..]];
            for class in [small, medium, large] {
                assert!(class.iter().all(|frame| *frame == class[0]));
            }
            assert!(medium[0].len() < small[0].len() || len == 20_000);
            // A window that is larger than the message is of no use.
            assert_eq!(large[0] == medium[0], len < 4_000);
            assert!(large[0].len() < medium[0].len() || len < 4_000);
        }
    }
}

#[test]
fn receivers_of_one_class_are_written_from_the_same_memory() {
    let mut world = world(&Settings::server());
    let publisher = world.open(0, Version::V1, PUBLISHER);
    let peers = [12, 14, 15].map(|bits| listener(&mut world, Version::V1, &client(bits)));
    assert!(world.text(publisher, &news(2_000)));
    world.carry(publisher, usize::MAX);
    world.hand_out(0);
    let chunks = peers.map(|peer| {
        let chunks: Vec<&[u8]> = world.hubs[0].chunks(world.peers[peer].id).collect();
        assert_eq!(chunks.len(), 1);
        (chunks[0].as_ptr(), chunks[0].len())
    });
    assert!(chunks.iter().all(|chunk| *chunk == chunks[0]));
}

#[test]
fn what_is_published_together_is_written_in_a_few_pieces_however_it_is_compressed() {
    let mut world = world(&Settings::server());
    let publisher = world.open(0, Version::V1, PUBLISHER);
    let peer = listener(&mut world, Version::V1, &client(15));
    let texts: Vec<String> = (0..18).map(|at| news([0, 900, 9_000][at % 3])).collect();
    for text in &texts[..9] {
        assert!(world.text(publisher, text));
    }
    world.carry(publisher, usize::MAX);
    world.hand_out(0);
    // As they are, for the window of the middle, and for the large one from then on.
    assert_eq!(world.hubs[0].chunks(world.peers[peer].id).count(), 3);
    for text in &texts[9..] {
        assert!(world.text(publisher, text));
    }
    world.quiesce();
    let heard = world.texts(peer);
    let heard = heard.iter().filter(|text| text.contains("notification"));
    assert!(
        heard
            .zip(&texts)
            .all(|(heard, text)| heard.ends_with(&text[1..]))
    );
    assert_eq!(world.texts(peer).len(), 1 + texts.len());
}

#[test]
fn what_is_short_is_sent_as_it_is() {
    let mut world = world(&Settings::server());
    let peer = listener(&mut world, Version::Classic, &client(15));
    let short = news(0);
    let long = news(Settings::THRESHOLD);
    let filler = |len: usize| short.replace("\"\"", &format!("\"{:1$}\"", "", len - short.len()));
    for (text, compressed) in [
        (short.clone(), false),
        (filler(Settings::THRESHOLD - 1), false),
        (filler(Settings::THRESHOLD), true),
        (long, true),
    ] {
        let publisher = world.open(0, Version::Classic, PUBLISHER);
        let frames = publish(&mut world, publisher, &text, &[peer]);
        assert_eq!(
            is_compressed(&frames[0]),
            compressed,
            "{} bytes",
            text.len()
        );
        assert_eq!(world.texts(peer).pop(), Some(&*text));
    }
}

#[test]
fn what_does_not_shrink_is_not_compressed() {
    let mut codecs = Compression::new(&Settings::server(), &Config::new());
    let mut frames = b"before".to_vec();
    for len in [1, 2, 10, 600, 70_000] {
        let mut random = 7_u64;
        let noise: Vec<u8> = (0..len)
            .map(|_| {
                random = random
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                random.to_be_bytes()[0]
            })
            .collect();
        let mut plain = alloc::vec![0; len + MAX_HEAD];
        let plain = Prepared::encode(Kind::Text, &noise, &mut plain).expect("there is room");
        for class in [Class::Small, Class::Medium, Class::Large] {
            assert_eq!(codecs.frame(class, plain.as_bytes(), &mut frames), None);
            assert_eq!(frames, b"before");
        }
    }
}

#[test]
fn without_the_option_nobody_compresses() {
    let mut world = World::alone();
    let publisher = world.open(0, Version::V1, PUBLISHER);
    let peer = listener(&mut world, Version::V1, &client(15));
    let frames = publish(&mut world, publisher, &news(2_000), &[peer]);
    assert!(!is_compressed(&frames[0]));
}

#[test]
fn a_message_may_come_in_pieces_of_any_size_and_refer_to_earlier_ones_where_that_is_allowed() {
    for receive_takeover in [false, true] {
        for bits in [8, 11, 15] {
            let settings = Settings {
                receive_takeover,
                ..Settings::server()
            };
            let mut world = world(&settings);
            let client = Settings {
                send_takeover: true,
                send_window: window(bits),
                ..Settings::client()
            };
            let peer = world.open_offering(Version::V1, PUBLISHER, &client);
            let codec = world.peers[peer].codec.as_ref().expect("it was agreed on");
            assert_eq!(codec.agreed.client.takeover, receive_takeover);
            let mut lengths = Vec::new();
            for step in 1..20 {
                let before = world.peers[peer].said;
                assert!(world.text(peer, &subscription(&[1, 2, 3])));
                lengths.push(world.peers[peer].said - before);
                while !world.peers[peer].wire.is_empty() {
                    world.carry(peer, step);
                }
                world.flush(0);
                assert_eq!(world.texts(peer).len(), step);
                assert!(world.texts(peer)[step - 1].contains("\"count\":1"));
            }
            assert_eq!(lengths[1] * 2 < lengths[0], receive_takeover);
        }
    }
}

#[test]
fn another_limit_on_messages_is_one_on_compressed_messages_too() {
    for (before, after, code) in [(64, 4096, None), (4096, 64, Some(1009))] {
        let of = |max_message| Options {
            compression: Some(Settings::server()),
            connection: Config {
                max_message,
                ..Config::new()
            },
            ..Options::default()
        };
        let mut world = World::new(1, &of(before));
        // Its inflater is there already.
        let early = world.open_offering(Version::V1, PUBLISHER, &Settings::client());
        assert!(world.text(early, "{\"type\":\"ping\"}"));
        world.quiesce();
        world.hubs[0].reconfigure(&of(after));
        let peer = world.open_offering(Version::V1, PUBLISHER, &Settings::client());
        assert!(world.text(peer, &subscription(&[1; 100])));
        world.quiesce();
        assert_eq!(world.close_code(peer), code, "{before} to {after}");
    }
}

#[test]
fn a_bomb_ends_its_own_connection_with_1009_and_no_other() {
    for bits in [8, 15] {
        let mut world = world(&Settings::server());
        let peers = [0, 1].map(|_| {
            let client = Settings {
                send_window: window(bits),
                ..Settings::client()
            };
            world.open_offering(Version::V1, LISTENER, &client)
        });
        let (bad, good) = (peers[0], peers[1]);
        let payload = bomb(100_000_000);
        let mut frame = alloc::vec![0xC1, 0xFE];
        let len = u16::try_from(payload.len().min(60_000)).expect("it is short");
        frame.extend(len.to_be_bytes());
        frame.extend([0; 4]);
        frame.extend(&payload[..usize::from(len)]);
        world.say_raw(bad, &frame);
        world.quiesce();
        assert_eq!(world.close_code(bad), Some(1009));
        assert!(world.texts(bad)[0].contains("message_too_big"));
        // The same inflater serves the next one.
        assert!(world.text(good, &subscription(&[1])));
        world.quiesce();
        assert_eq!(world.texts(good).len(), 1);
        assert_eq!(world.close_code(good), None);
    }
}

#[test]
fn a_message_that_is_no_deflate_or_no_text_ends_its_connection_with_1007() {
    for payload in [&[0xFF, 0xFF][..], &[0x02, 0x01, 0x00, 0xFE, 0xFF, 0xFF]] {
        let mut world = world(&Settings::server());
        let peer = world.open_offering(Version::V1, LISTENER, &Settings::client());
        let mut frame = alloc::vec![
            0xC1,
            0x80 | u8::try_from(payload.len()).expect("it is short"),
            0,
            0,
            0,
            0
        ];
        frame.extend(payload);
        world.say_raw(peer, &frame);
        world.quiesce();
        assert_eq!(world.close_code(peer), Some(1007));
    }
}

#[test]
fn a_compressed_binary_message_is_as_unwelcome_as_another() {
    let mut world = world(&Settings::server());
    let peer = world.open_offering(Version::V1, LISTENER, &Settings::client());
    assert!(world.say(peer, Kind::Binary, b"1"));
    world.quiesce();
    assert_eq!(world.close_code(peer), Some(1003));
}

#[test]
fn what_waits_counts_with_the_bytes_that_it_has_on_the_wire() {
    let options = Options {
        compression: Some(Settings::server()),
        outbox: OutboxLimits {
            bytes: 20_000,
            ..OutboxLimits::default()
        },
        ..Options::default()
    };
    let mut world = World::new(1, &options);
    let publisher = world.open(0, Version::V1, PUBLISHER);
    let compressing = listener(&mut world, Version::V1, &client(15));
    let plain = world.open(0, Version::V1, LISTENER);
    assert!(world.text(plain, &subscription(&[1])));
    world.quiesce();
    for peer in [compressing, plain] {
        world.peers[peer].room = 0;
    }
    let text = news(10_000);
    for _ in 0..3 {
        assert!(world.text(publisher, &text));
        world.carry(publisher, usize::MAX);
        world.hand_out(0);
        world.flush(0);
    }
    world.quiesce();
    assert_eq!(world.close_code(plain), Some(1013));
    assert_eq!(world.close_code(compressing), None);
    let heard = world.texts(compressing);
    assert_eq!(heard.iter().filter(|text| text.len() > 10_000).count(), 3);
}

#[test]
fn the_codecs_go_with_the_last_session_that_compresses() {
    let settings = Settings {
        receive_takeover: true,
        ..Settings::server()
    };
    let mut world = world(&settings);
    let publisher = world.open(0, Version::V1, PUBLISHER);
    let client = Settings {
        send_takeover: true,
        ..client(15)
    };
    let peers = [0, 1].map(|_| listener(&mut world, Version::V1, &client));
    publish(&mut world, publisher, &news(10_000), &peers);
    let codecs = |world: &World| world.hubs[0].compression.as_ref().expect("on").made();
    assert_eq!(codecs(&world), (1, 2));
    for (left, peer) in [(1, 1), (0, 0)].into_iter().zip(peers) {
        world.peers[peer].ended = true;
        world.quiesce();
        assert_eq!(codecs(&world), left);
    }
}
