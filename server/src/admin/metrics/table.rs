//! Every metric. `docs/metrics.md` is made from it.

use prometheus_client::registry::Unit;

use super::{
    Kind, Metric,
    Number::{Seconds, Whole},
};

/// In the order of the page.
pub(super) static METRICS: &[Metric] = &[
    Metric {
        name: "campanile_build",
        unit: None,
        help: "The program that runs",
        kind: Kind::Info("version", env!("CARGO_PKG_VERSION")),
    },
    Metric {
        name: "campanile_shards",
        unit: None,
        help: "Threads that serve, each its share of the connections",
        kind: Kind::Gauge(|it| Some(Whole(it.shards as u64))),
    },
    Metric {
        name: "campanile_connections",
        unit: None,
        help: "Connections that there are, those in their opening handshake or on their way out included",
        kind: Kind::Gauge(|it| Some(Whole(it.readings.connections))),
    },
    Metric {
        name: "campanile_connections_accepted",
        unit: None,
        help: "Connections that were taken in, those included that were then declined",
        kind: Kind::Counter(|it| Some(Whole(it.readings.accepted))),
    },
    Metric {
        name: "campanile_handshakes",
        unit: None,
        help: "Opening handshakes that have ended",
        kind: Kind::Counters(
            "result",
            &[
                ("opened", "the connection is open", |it| {
                    it.count("connections")
                }),
                ("refused", "the request opens no WebSocket", |it| {
                    it.count("handshakes_refused")
                }),
                (
                    "declined",
                    "a limit on connections, an origin, what a proxy said of its client, or the server \
                     was on its way out",
                    |it| it.count("handshakes_declined"),
                ),
                ("timed_out", "the request was not complete in time", |it| {
                    it.count("handshakes_too_slow")
                }),
                ("lost", "the connection ended first", |it| {
                    it.count("handshakes_lost")
                }),
                (
                    "proxy_header",
                    "a trusted proxy did not send a PROXY protocol header",
                    |it| it.count("proxy_headers_refused"),
                ),
            ],
        ),
    },
    Metric {
        name: "campanile_origins_refused",
        unit: None,
        help: "Requests of web pages whose origins are not in the list",
        kind: Kind::Counter(|it| it.count("origins_refused")),
    },
    Metric {
        name: "campanile_forwarding_refused",
        unit: None,
        help: "Requests of trusted proxies that do not say as they should who made them",
        kind: Kind::Counter(|it| it.count("forwarding_refused")),
    },
    Metric {
        name: "campanile_tls_handshakes",
        unit: None,
        help: "Handshakes of TLS by what came of them; what fails later counts as well",
        kind: Kind::Counters(
            "result",
            &[
                ("secured", "the connection has TLS", |it| {
                    it.count("tls_connections")
                }),
                ("not_tls", "what came was no TLS", |it| {
                    it.count("tls_not_spoken")
                }),
                (
                    "incompatible",
                    "no version, cipher suite or protocol is common to both sides",
                    |it| it.count("tls_incompatible"),
                ),
                (
                    "certificate",
                    "the client's certificate is missing or not trusted",
                    |it| it.count("tls_certificates"),
                ),
                (
                    "declined",
                    "the client gave up, most likely for the server's certificate",
                    |it| it.count("tls_declined"),
                ),
                (
                    "broken",
                    "the peer broke the protocol, or bytes were changed on their way",
                    |it| it.count("tls_broken"),
                ),
            ],
        ),
    },
    Metric {
        name: "campanile_http_requests",
        unit: None,
        help: "HTTP requests that are no opening handshakes and have been answered",
        kind: Kind::Counter(|it| it.count("http_requests")),
    },
    Metric {
        name: "campanile_http_errors",
        unit: None,
        help: "Those of them whose answer has a status from 400 on",
        kind: Kind::Counter(|it| it.count("http_errors")),
    },
    Metric {
        name: "campanile_disconnections",
        unit: None,
        help: "Connections that had been open and have ended",
        kind: Kind::Counters(
            "cause",
            &[
                (
                    "server",
                    "the server closed it: a publisher that was heard, a limit, or its own end",
                    |it| it.count("closed_by_server"),
                ),
                ("peer", "the peer closed it", |it| {
                    it.count("closed_by_peer")
                }),
                ("violation", "the peer broke a rule of the protocol", |it| {
                    it.count("closed_for_violation")
                }),
                ("silent", "the peer did not answer in time", |it| {
                    it.count("silent")
                }),
                ("gone", "the transport ended without a Close", |it| {
                    it.count("gone")
                }),
            ],
        ),
    },
    Metric {
        name: "campanile_accept_failures",
        unit: None,
        help: "Times that the system refused connections, counted once in ten seconds",
        kind: Kind::Counter(|it| it.count("accept_failures")),
    },
    Metric {
        name: "campanile_received",
        unit: Some(Unit::Bytes),
        help: "Bytes that were read from clients and publishers",
        kind: Kind::Counter(|it| Some(Whole(it.readings.received_bytes))),
    },
    Metric {
        name: "campanile_sent",
        unit: Some(Unit::Bytes),
        help: "Bytes that the system took for clients and publishers",
        kind: Kind::Counter(|it| Some(Whole(it.readings.sent_bytes))),
    },
    Metric {
        name: "campanile_messages_received",
        unit: None,
        help: "Messages that were received whole, the refused ones included",
        kind: Kind::Counter(|it| Some(Whole(it.readings.messages))),
    },
    Metric {
        name: "campanile_answers",
        unit: None,
        help: "Answers to messages: acknowledgements, errors, and pongs of the application",
        kind: Kind::Counter(|it| Some(Whole(it.readings.answers))),
    },
    Metric {
        name: "campanile_notifications",
        unit: None,
        help: "Notifications that were handed out",
        kind: Kind::Counter(|it| it.count("notifications")),
    },
    Metric {
        name: "campanile_deliveries",
        unit: None,
        help: "Notifications that became due to a connection, once for each",
        kind: Kind::Counter(|it| Some(Whole(it.readings.deliveries))),
    },
    Metric {
        name: "campanile_notifications_dropped",
        unit: None,
        help: "Notifications that slow consumers lost, where the oldest are dropped",
        kind: Kind::Counter(|it| it.count("dropped")),
    },
    Metric {
        name: "campanile_outbox",
        unit: Some(Unit::Bytes),
        help: "Bytes that wait for connections that do not take them",
        kind: Kind::Gauge(|it| Some(Whole(it.readings.waiting_bytes))),
    },
    Metric {
        name: "campanile_outbox_connections",
        unit: None,
        help: "Connections that do not take what is due to them",
        kind: Kind::Gauge(|it| Some(Whole(it.readings.behind))),
    },
    Metric {
        name: "campanile_publish_latency",
        unit: Some(Unit::Seconds),
        help: "Time from the read that brought a notification, or the first of those that came together, until it was written to all who hear it, as far as the system took it; each notification counts once in each shard; none with the runtime std",
        kind: Kind::Histogram,
    },
    Metric {
        name: "campanile_messages_refused",
        unit: None,
        help: "Messages that were answered with an error",
        kind: Kind::Counters(
            "error",
            &[
                ("forbidden", "without the right to publish", |it| {
                    it.count("forbidden")
                }),
                ("rate_limited", "over a rate", |it| it.count("rate_limited")),
                (
                    "too_many_subscriptions",
                    "more subscriptions than allowed",
                    |it| it.count("too_many_subscriptions"),
                ),
                (
                    "other",
                    "not a message, or over another limit on messages",
                    |it| it.count("invalid_messages"),
                ),
            ],
        ),
    },
    Metric {
        name: "campanile_protocol_violations",
        unit: None,
        help: "Connections that were closed since the peer broke a rule of the protocol",
        kind: Kind::Counter(|it| it.count("protocol_violations")),
    },
    Metric {
        name: "campanile_limits_hit",
        unit: None,
        help: "Times that something was refused, closed or dropped for one of the limits on peers",
        kind: Kind::Counters(
            "limit",
            &[
                ("connections", "a connection was declined", |it| {
                    it.count("declined_in_all")
                }),
                ("connections_per_address", "likewise", |it| {
                    it.count("declined_by_address")
                }),
                ("handshake_time", "a client was cut off", |it| {
                    it.count("handshakes_too_slow")
                }),
                ("message_size", "a client was closed", |it| {
                    it.count("messages_too_big")
                }),
                (
                    "rate",
                    "a message was refused, of those a minute or of the publications a second",
                    |it| it.count("rate_limited"),
                ),
                ("subscriptions", "a message was refused", |it| {
                    it.count("too_many_subscriptions")
                }),
                ("waiting", "a slow consumer was closed", |it| {
                    it.count("slow_consumers")
                }),
            ],
        ),
    },
    Metric {
        name: "campanile_subscriptions",
        unit: None,
        help: "Subscriptions; equal ones count each",
        kind: Kind::Gauge(|it| Some(Whole(it.readings.subscriptions))),
    },
    Metric {
        name: "campanile_index_partitions",
        unit: None,
        help: "Packages with pages that somebody subscribes to, in each shard",
        kind: Kind::Gauge(|it| Some(Whole(it.readings.partitions))),
    },
    Metric {
        name: "campanile_index_shapes",
        unit: None,
        help: "Sets of constrained keys with a table of their own; a notification looks into each that fits it",
        kind: Kind::Gauge(|it| Some(Whole(it.readings.shapes))),
    },
    Metric {
        name: "campanile_index_cohorts",
        unit: None,
        help: "Different tuples of values that subscribers wait for, in each shard",
        kind: Kind::Gauge(|it| Some(Whole(it.readings.cohorts))),
    },
    Metric {
        name: "campanile_index_tuples",
        unit: None,
        help: "Tuples of all subscribers",
        kind: Kind::Gauge(|it| Some(Whole(it.readings.tuples))),
    },
    Metric {
        name: "campanile_index_verified",
        unit: None,
        help: "Subscriptions that are verified one by one, in part or all of them, which costs time",
        kind: Kind::Gauges(
            "reason",
            &[
                (
                    "expansion",
                    "some constraint would have taken too many tuples",
                    |it| Some(Whole(it.readings.left_out)),
                ),
                ("shapes", "no shape was left", |it| {
                    Some(Whole(it.readings.overflowed))
                }),
            ],
        ),
    },
    Metric {
        name: "campanile_index_lost_tuples",
        unit: None,
        help: "Tuples that found no place, which takes billions: subscriptions that do not match as they should",
        kind: Kind::Counter(|it| Some(Whole(it.readings.lost_tuples))),
    },
    Metric {
        name: "process_cpu",
        unit: Some(Unit::Seconds),
        help: "Processor time of this process, user and system",
        kind: Kind::Counter(|it| it.process.ticks.map(|ticks| Seconds(ticks as f64 / 100.0))),
    },
    Metric {
        name: "process_resident_memory",
        unit: Some(Unit::Bytes),
        help: "Memory of this process that is resident",
        kind: Kind::Gauge(|it| it.process.resident.map(Whole)),
    },
    Metric {
        name: "process_open_fds",
        unit: None,
        help: "File descriptors that are open; each connection takes one",
        kind: Kind::Gauge(|it| it.process.descriptors.map(Whole)),
    },
    Metric {
        name: "process_max_fds",
        unit: None,
        help: "File descriptors that may be open",
        kind: Kind::Gauge(|it| it.process.max_descriptors.map(Whole)),
    },
    Metric {
        name: "process_start_time",
        unit: Some(Unit::Seconds),
        help: "When this process was started, since 1970",
        kind: Kind::Gauge(|it| it.start()),
    },
];
