//! TLS, of the server and of both clients.

use std::{
    fs,
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::Command,
    sync::Arc,
};

use campanile_smol::client as smol_client;
use campanile_std::client as std_client;
use campanile_tests::{Authority, Daemon, PATIENCE, Program, Received, Wire};
use campanile_tls::{
    Client, Identity,
    rustls::{
        ClientConfig, ProtocolVersion, RootCertStore, SupportedProtocolVersion,
        crypto::ring,
        pki_types::{CertificateDer, pem::PemObject as _},
        version::{TLS12, TLS13},
    },
};
use smol_client::{Event, Options, Url};

const WISH: &str = r#"[{"package":"p","page":"q"}]"#;

/// Trusts `ca`.
fn trust(ca: &Authority) -> Client {
    Client::new(Some(&ca.certificate()), None).expect("a client")
}

/// The same, and is somebody.
fn identified(ca: &Authority, [certificate, key]: [PathBuf; 2]) -> Client {
    let identity = Identity { certificate, key };
    Client::new(Some(&ca.certificate()), Some(&identity)).expect("a client")
}

/// Speaks one version alone.
fn only(ca: &Authority, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_file(ca.certificate()).expect("a certificate");
    roots.add(root).expect("a root");
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .expect("a version")
        .with_root_certificates(roots)
        .with_no_client_auth();
    Arc::new(config)
}

/// A daemon with a certificate of `ca`.
fn serve(ca: &Authority, arguments: &[&str]) -> (Daemon, SocketAddr) {
    Daemon::with_tls(&ca.server("server.example"), arguments)
}

fn text(path: &Path) -> &str {
    path.to_str().expect("text")
}

/// Whether a connection gets through TLS and the opening handshake.
fn opens(address: SocketAddr, client: &Client) -> bool {
    let Ok(mut wire) = Wire::connect_tls(address, client.config()) else {
        return false;
    };
    // With TLS 1.3 a client learns only by reading that it was refused.
    wire.try_send(Wire::handshake(address).as_bytes()) && wire.is_upgraded()
}

#[test]
fn plain_and_secured_clients_of_either_version_hear_each_other() {
    let ca = Authority::new();
    let (daemon, address) = serve(&ca, &[]);
    let mut plain = daemon.subscriber(WISH);
    let versions = [
        (&TLS12, ProtocolVersion::TLSv1_2),
        (&TLS13, ProtocolVersion::TLSv1_3),
    ];
    let mut listeners = versions.map(|(version, expected)| {
        let mut wire = Wire::open_tls(address, only(&ca, version));
        let tls = wire.tls().expect("TLS");
        assert_eq!(tls.protocol_version(), Some(expected));
        wire.subscribe(WISH);
        wire
    });
    // Whoever comes from a loopback address may publish, with TLS or without.
    for (at, version) in versions.iter().enumerate() {
        let message = format!(
            r#"{{"sender":"server","notification":{{"package":"p","page":"q","data":{at}}}}}"#
        );
        let mut publisher = Wire::open_tls(address, only(&ca, version.0));
        publisher.send_text(&message);
        publisher.expect_close(1000);
        publisher.expect_end();
        for wire in listeners.iter_mut().chain([&mut plain]) {
            wire.expect_text(&message);
        }
    }
    daemon.wait_for_logs("secured connection=", 4);
    assert!(daemon.log().contains("version=\"1.2\""), "{}", daemon.log());
    assert!(
        daemon.log().contains("identity=\"none\""),
        "{}",
        daemon.log()
    );
}

#[test]
fn a_large_fan_out_over_tls_is_byte_exact() {
    let ca = Authority::new();
    let (daemon, address) = serve(
        &ca,
        &[
            "--publications-per-second",
            "0",
            "--max-waiting-bytes",
            "1GiB",
        ],
    );
    let config = trust(&ca).config();
    let mut listeners: Vec<Wire> = (0..20)
        .map(|_| {
            let mut wire = Wire::open_tls(address, Arc::clone(&config));
            wire.subscribe(WISH);
            wire
        })
        .collect();
    // From a few bytes to some records, and together more than a socket holds.
    let messages: Vec<String> = (0..200_usize)
        .map(|at| {
            let filler = "x".repeat((at * 7919) % 60_000);
            format!(
                r#"{{"sender":"server","notification":{{"package":"p","page":"q","data":[{at},"{filler}"]}}}}"#
            )
        })
        .collect();
    let mut publisher = Wire::open_v1_tls(address, config);
    let feed = messages.clone();
    let publishing = std::thread::spawn(move || {
        for message in &feed {
            publisher.send_text(message);
        }
        publisher
    });
    for message in &messages {
        for wire in &mut listeners {
            wire.expect_text(message);
        }
    }
    drop(publishing.join().expect("no panic"));
    drop(daemon);
}

#[test]
fn a_client_over_tls_that_does_not_read_is_a_slow_consumer_and_holds_up_nobody() {
    let ca = Authority::new();
    let (daemon, address) = serve(
        &ca,
        &[
            "--max-waiting-bytes",
            "64KiB",
            "--publications-per-second",
            "0",
        ],
    );
    let config = trust(&ca).config();
    let mut slow = Wire::open_tls(address, Arc::clone(&config));
    slow.subscribe(WISH);
    let mut quick = Wire::open_tls(address, Arc::clone(&config));
    quick.subscribe(WISH);
    let filler = "x".repeat(60_000);
    let message = format!(
        r#"{{"sender":"server","notification":{{"package":"p","page":"q","data":"{filler}"}}}}"#
    );
    while !daemon.log().contains("slow consumer") {
        let mut publisher = Wire::open_tls(address, Arc::clone(&config));
        publisher.send_text(&message);
        publisher.expect_close(1000);
        quick.expect_text(&message);
    }
    // All that it reads is whole messages, the last word and the Close.
    let mut count = 0;
    loop {
        let received = slow.receive();
        if received == Received::Text(message.clone()) {
            count += 1;
            continue;
        }
        let Received::Text(last) = received else {
            assert!(matches!(received, Received::Close(1013, _)), "{received:?}");
            break;
        };
        assert!(last.contains("slow_consumer"), "{last}");
    }
    assert!(count > 0, "something came through before");
}

#[test]
fn an_unknown_authority_an_expired_certificate_and_another_name_are_told_apart() {
    let ca = Authority::new();
    let (daemon, address) = serve(&ca, &[]);
    let (_expired, expired) = Daemon::with_tls(&ca.expired_server("old.example"), &[]);
    let stranger = Authority::new();
    let port = address.port();
    let port_expired = expired.port();
    for (url, ca, reason) in [
        (
            format!("wss://127.0.0.1:{port}"),
            &stranger,
            "not trusted here",
        ),
        (
            format!("wss://127.0.0.1:{port_expired}"),
            &ca,
            "has expired",
        ),
        (
            format!("wss://localhost:{port}"),
            &ca,
            "is not for localhost",
        ),
        (
            format!("wss://127.0.0.1:{}", daemon.address().port()),
            &ca,
            "does not speak TLS",
        ),
    ] {
        let said = [refusal_smol(&url, trust(ca)), refusal_std(&url, trust(ca))];
        for error in said {
            assert!(error.contains(reason), "{url}: {error}");
        }
    }
    daemon.wait_for_log("TLS failed");
    assert!(
        daemon
            .log()
            .contains("does not trust the certificate's authority")
    );
}

/// Why a client cannot connect.
fn refusal_smol(url: &str, tls: Client) -> String {
    let url: Url = url.parse().expect("a URL");
    let mut client = smol_client::Client::with_options(url, once());
    client.set_tls(tls);
    smol::block_on(client.next())
        .expect_err("it cannot connect")
        .to_string()
}

fn refusal_std(url: &str, tls: Client) -> String {
    let url: Url = url.parse().expect("a URL");
    let mut client = std_client::Client::with_options(url, once());
    client.set_tls(tls);
    client.next().expect_err("it cannot connect").to_string()
}

/// Tries once.
fn once() -> Options {
    Options {
        max_attempts: core::num::NonZeroU32::new(1),
        ..Options::new()
    }
}

#[test]
fn clients_of_both_runtimes_subscribe_and_publish_over_tls() {
    let ca = Authority::new();
    let (daemon, address) = serve(&ca, &[]);
    let url = format!("wss://{address}");
    let wish = r#"{"package":"p","page":"q"}"#;
    let news = r#"{"package":"p","page":"q","data":1}"#;
    let mut one = smol_client::Client::new(&url).expect("a URL");
    one.set_tls(trust(&ca));
    one.subscribe(wish).expect("it is valid");
    let mut other = std_client::Client::new(&url).expect("a URL");
    other.set_tls(trust(&ca));
    other.subscribe(wish).expect("it is valid");
    while !matches!(
        other.next().expect("no error"),
        Some(Event::Subscribed { .. })
    ) {}
    let receipt = smol::block_on(async {
        while !matches!(
            one.next().await.expect("no error"),
            Some(Event::Subscribed { .. })
        ) {}
        one.publish(news).await.expect("it is published")
    });
    assert_eq!(receipt.recipients, 2);
    let receipt = other.publish(news).expect("it is published");
    assert_eq!(receipt.recipients, 2);
    for _ in 0..2 {
        let event = smol::block_on(one.next()).expect("no error");
        assert!(matches!(event, Some(Event::Notification(_))), "{event:?}");
        let event = other.next().expect("no error");
        assert!(matches!(event, Some(Event::Notification(_))), "{event:?}");
    }
    smol::block_on(one.close());
    other.close();
    daemon.wait_for_logs("disconnected", 2);
}

#[test]
fn a_client_certificate_is_asked_for_as_is_configured_and_its_subject_is_the_identity() {
    let ca = Authority::new();
    let clients = Authority::new();
    let known = identified(&ca, clients.client("press 4"));
    let stranger = identified(&ca, Authority::new().client("nobody"));
    let nobody = trust(&ca);
    let file = clients.certificate();
    for (asked, without) in [("optional", true), ("required", false)] {
        let (daemon, address) = serve(
            &ca,
            &[
                "--tls-client-certificates",
                asked,
                "--tls-client-ca",
                text(&file),
            ],
        );
        assert!(opens(address, &known), "{asked}");
        daemon.wait_for_log(r#"identity="CN=press 4,O=Tests""#);
        assert_eq!(opens(address, &nobody), without, "{asked}");
        assert!(!opens(address, &stranger), "{asked}");
        daemon.wait_for_log("authority that is not in `tls.client_ca`");
        if !without {
            daemon.wait_for_log("the client has no certificate, which is required");
        }
    }
}

#[test]
fn a_reload_gives_new_connections_the_new_certificate_and_leaves_the_others_alone() {
    let old = Authority::new();
    let files = old.server("server.example");
    let (daemon, address) = Daemon::with_tls(&files, &[]);
    let mut before = Wire::open_tls(address, trust(&old).config());
    before.subscribe(WISH);

    let new = Authority::new();
    for (from, to) in new.server("server.example").iter().zip(&files) {
        fs::copy(from, to).expect("a file");
    }
    daemon.signal("HUP");
    daemon.wait_for_logs("configuration reloaded", 1);
    assert!(opens(address, &trust(&new)));
    assert!(!opens(address, &trust(&old)));

    // A key that is not there, and one of another certificate, change nothing.
    fs::remove_file(&files[1]).expect("a file");
    daemon.signal("HUP");
    daemon.wait_for_logs("cannot read the private key file", 1);
    fs::copy(&old.server("other.example")[1], &files[1]).expect("a file");
    daemon.signal("HUP");
    daemon.wait_for_logs("is not that of the certificate", 1);
    assert!(opens(address, &trust(&new)));

    let message = r#"{"sender":"server","notification":{"package":"p","page":"q"}}"#;
    daemon.publish(message);
    before.expect_text(message);
}

#[test]
fn a_tls_handshake_that_is_not_finished_in_time_is_cut_off() {
    let ca = Authority::new();
    let (daemon, address) = serve(&ca, &["--handshake-time", "3s"]);
    let mut bystander = daemon.subscriber(WISH);
    // Nothing at all, the beginning of a record, and TLS without an opening handshake behind it.
    let mut silent = Wire::connect(address);
    let mut begun = Wire::connect(address);
    begun.send(&[0x16, 3, 1, 0x20, 0, 1]);
    let mut secured = Wire::connect_tls(address, trust(&ca).config()).expect("TLS");
    silent.read_to_end();
    begun.read_to_end();
    secured.read_to_end();
    let message = r#"{"sender":"server","notification":{"package":"p","page":"q"}}"#;
    daemon.publish(message);
    bystander.expect_text(message);
}

#[test]
fn who_speaks_http_where_tls_is_spoken_is_told_so() {
    let ca = Authority::new();
    let (daemon, address) = serve(&ca, &[]);
    let mut wire = Wire::connect(address);
    wire.send(Wire::handshake(address).as_bytes());
    let response = String::from_utf8(wire.read_to_end()).expect("text");
    assert!(
        response.starts_with("HTTP/1.1 400 Bad Request\r\n"),
        "{response}"
    );
    let (_, body) = response.split_once("\r\n\r\n").expect("a head");
    assert!(response.contains(&format!("Content-Length: {}\r\n", body.len())));
    assert!(body.contains("wss://"), "{body}");
    daemon.wait_for_log("the client speaks HTTP without TLS");
    // And what is neither.
    let mut wire = Wire::connect(address);
    wire.send(&[0; 100]);
    wire.read_to_end();
    daemon.wait_for_logs("TLS failed", 2);
    // Each is told once.
    daemon.publish(r#"{"sender":"server","notification":{"package":"p","page":"q"}}"#);
    daemon.wait_for_log("INFO notification");
    assert_eq!(daemon.log().matches("TLS failed").count(), 2);
}

#[test]
fn http_over_tls_publishes() {
    let ca = Authority::new();
    let (daemon, address) = serve(&ca, &[]);
    let mut plain = daemon.subscriber(WISH);
    let mut wire = Wire::connect_tls(address, trust(&ca).config()).expect("TLS");
    let body = r#"{"sender":"server","notification":{"package":"p","page":"q"}}"#;
    wire.send(
        format!(
            "POST /notifications HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n\
             Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        )
        .as_bytes(),
    );
    let response = String::from_utf8(wire.read_to_end()).expect("text");
    assert!(response.starts_with("HTTP/1.1 200 "), "{response}");
    assert!(matches!(plain.receive(), Received::Text(_)));
}

#[test]
fn a_request_cut_into_single_bytes_of_ciphertext_is_understood() {
    let ca = Authority::new();
    let (_daemon, address) = serve(&ca, &[]);
    let name = address.ip().into();
    let config = trust(&ca).config();
    let mut tls =
        campanile_tls::rustls::ClientConnection::new(config, name).expect("a configuration");
    let mut socket = TcpStream::connect(address).expect("a connection");
    socket.set_nodelay(true).expect("TCP");
    socket.set_read_timeout(Some(PATIENCE)).expect("a time");
    tls.writer()
        .write_all(Wire::handshake(address).as_bytes())
        .expect("a buffer");
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut out = Vec::new();
        while tls.wants_write() {
            tls.write_tls(&mut out).expect("a buffer");
        }
        for byte in out {
            socket.write_all(&[byte]).expect("it is read");
        }
        assert_ne!(tls.read_tls(&mut socket).expect("an answer"), 0);
        tls.process_new_packets().expect("TLS");
        // It says that there is nothing where there is nothing.
        let _ = tls.reader().read_to_end(&mut head);
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "));
}

#[test]
fn the_verbs_speak_tls() {
    let ca = Authority::new();
    let (daemon, address) = serve(&ca, &[]);
    let (url, file) = (format!("wss://{address}"), ca.certificate());
    let verb = |arguments: &[&str]| {
        let mut command = Daemon::command(arguments);
        command.args(["--ca", text(&file)]);
        Program::start(&mut command)
    };
    let mut listening = verb(&[
        "subscribe",
        &url,
        "--package",
        "p",
        "--page",
        "q",
        "--count",
        "1",
        "--json",
    ]);
    daemon.wait_for_log("subscribed");
    let publish = [
        "publish",
        &url,
        "--package",
        "p",
        "--page",
        "q",
        "--message",
        "Fire",
    ];
    assert!(verb(&publish).wait().status.success());
    assert!(listening.next_line().contains("Fire"));
    assert!(listening.wait().status.success());
    // Without the authority it is not trusted, which is said.
    let output = Daemon::command(&publish).output().expect("it runs");
    let error = String::from_utf8(output.stderr).expect("text");
    assert!(!output.status.success());
    assert!(
        error.contains("not trusted") || error.contains("no list of trusted"),
        "{error}"
    );
}

#[test]
fn bench_checks_its_deliveries_over_tls() {
    let ca = Authority::new();
    let (daemon, address) = serve(&ca, &[]);
    let (url, file) = (format!("wss://{address}"), ca.certificate());
    let load = [
        "--clients",
        "5",
        "--notifications",
        "200",
        "--size",
        "20000",
        "--json",
    ];
    let mut command = Daemon::command(&["bench", &url, "--ca", text(&file)]);
    let ended = Program::run(command.args(load));
    assert!(ended.status.success(), "{ended:?}");
    let report: serde_json::Value = serde_json::from_slice(&ended.output).expect("JSON");
    assert_eq!(report["delivery"]["delivered"], 1000, "{report}");
    daemon.wait_for_logs("secured", 6);
}

#[test]
fn what_is_wrong_with_the_configuration_of_tls_is_said_by_the_server_and_by_check() {
    let ca = Authority::new();
    let [certificate, key] = ca.server("server.example");
    let other = ca.server("other.example")[1].clone();
    let listen = ["--listen", "127.0.0.1:0", "--tls-listen", "127.0.0.1:0"];
    let (certificate, key, other) = (text(&certificate), text(&key), text(&other));
    for (arguments, reason) in [
        (vec![], "set `tls.certificate`"),
        (vec!["--tls-certificate", certificate], "set `tls.key`"),
        (
            vec!["--tls-certificate", "/nowhere.pem", "--tls-key", key],
            "cannot read the certificate file /nowhere.pem",
        ),
        (
            vec!["--tls-certificate", key, "--tls-key", key],
            "there is no certificate in",
        ),
        (
            vec!["--tls-certificate", certificate, "--tls-key", other],
            "is not that of the certificate",
        ),
        (
            vec![
                "--tls-certificate",
                certificate,
                "--tls-key",
                key,
                "--tls-client-certificates",
                "required",
            ],
            "set `tls.client_ca`",
        ),
        (
            vec![
                "--tls-certificate",
                certificate,
                "--tls-key",
                key,
                "--runtime",
                "std",
            ],
            "the runtime std has no TLS",
        ),
    ] {
        for verb in ["serve", "check"] {
            let mut command: Command = Daemon::command(&[verb]);
            command.env("CAMPANILE_RUNTIME", "smol");
            let output = command
                .args(listen)
                .args(&arguments)
                .output()
                .expect("it runs");
            let error = String::from_utf8(output.stderr).expect("text");
            assert!(!output.status.success(), "{verb} {arguments:?}");
            assert!(error.contains(reason), "{verb} {arguments:?}: {error}");
        }
    }
}
