//! Two daemons behind nginx and HAProxy, which run with the very configurations in `deploy/`, but for the
//! addresses: clients are seen as who they are, both servers have some, and when one ends its clients go to
//! the other without a failed attempt.
//!
//! A trial whose proxy is missing is ignored, and says so; with `CI=true` it fails instead.

use core::{
    net::{Ipv4Addr, SocketAddr},
    time::Duration,
};
use std::{
    env, fs,
    net::{TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{self, Command, ExitCode},
    thread,
    time::Instant,
};

use campanile_tests::{Daemon, PATIENCE, Program, Received, Wire, tools};
use libtest_mimic::{Arguments, Failed, Trial};

/// What all clients hear.
const NOTIFICATION: &str = r#"{"sender":"server","notification":{"package":"p","page":"q"}}"#;
const SUBSCRIPTIONS: &str = r#"[{"package":"p","page":"q"}]"#;

/// As many as make sure that both servers have some of them.
const CLIENTS: u8 = 8;

/// How many connections one address may have at one server.
const PER_ADDRESS: usize = 2;

/// A proxy with one of the configurations.
#[derive(Clone, Copy, Debug)]
struct Kind {
    name: &'static str,
    /// In `deploy/`.
    file: &'static str,
    /// What the configuration listens on, and what it would be with this address.
    listens: &'static str,
    find: fn() -> tools::Found,
    run: fn(&Path, &Path) -> Command,
    /// How it names its clients: what the servers are told.
    setting: [&'static str; 2],
}

impl Kind {
    /// Whether it understands HTTP.
    fn speaks_http(&self) -> bool {
        self.setting[0] == "--proxy-headers"
    }
}

const BY_HEADER: [&str; 2] = ["--proxy-headers", "x-forwarded-for"];
const BY_PROTOCOL: [&str; 2] = ["--proxy-protocol", "on"];

const KINDS: [Kind; 4] = [
    Kind {
        name: "nginx",
        file: "nginx/campanile.conf",
        listens: "listen 80;",
        find: tools::nginx,
        run: nginx,
        setting: BY_HEADER,
    },
    Kind {
        name: "nginx_stream",
        file: "nginx/campanile-stream.conf",
        listens: "listen 81;",
        find: tools::nginx_stream,
        run: nginx_stream,
        setting: BY_PROTOCOL,
    },
    Kind {
        name: "haproxy",
        file: "haproxy/campanile.cfg",
        listens: "bind :80\n",
        find: || tools::server("haproxy"),
        run: haproxy,
        setting: BY_HEADER,
    },
    Kind {
        name: "haproxy_tcp",
        file: "haproxy/campanile-tcp.cfg",
        listens: "bind :80\n",
        find: || tools::server("haproxy"),
        run: haproxy,
        setting: BY_PROTOCOL,
    },
];

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let missing_is_failure = env::var("CI").is_ok_and(|value| value == "true");
    let mut skipped = Vec::new();
    let mut trials = Vec::new();
    for kind in KINDS {
        let missing = (kind.find)().err();
        let ignored = missing.is_some() && !missing_is_failure;
        if let (Some(why), true) = (&missing, ignored) {
            skipped.push(format!(
                "skipped two servers behind {}: {why}; install it with: sh tests/clients/install.sh",
                kind.name
            ));
        }
        let parts: [(&str, fn(Kind)); 2] = [
            ("clients_are_seen_as_who_they_are", clients_are_seen),
            ("a_server_that_ends_hands_its_clients_over", one_ends),
        ];
        for (part, play) in parts {
            let missing = missing.clone();
            let name = format!("behind_{}_{part}", kind.name);
            let trial = Trial::test(name, move || match missing {
                None => {
                    play(kind);
                    Ok(())
                }
                Some(why) => Err(Failed::from(why)),
            });
            trials.push(trial.with_ignored_flag(ignored));
        }
    }
    let conclusion = libtest_mimic::run(&arguments, trials);
    if !arguments.list {
        skipped.iter().for_each(|line| eprintln!("{line}"));
    }
    conclusion.exit_code()
}

/// A running proxy, in a folder of its own.
struct Proxy {
    program: Program,
    address: SocketAddr,
    folder: PathBuf,
}

impl Proxy {
    /// Starts one in front of the servers, and waits until it listens.
    fn start(kind: Kind, servers: &[Daemon; 2]) -> Self {
        let free = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr());
        let address = free.expect("a free port");
        let folder =
            env::temp_dir().join(format!("campanile-{}-{}", process::id(), address.port()));
        fs::create_dir_all(&folder).expect("a temporary folder");
        let file = tools::checkout().join("deploy").join(kind.file);
        let mut text = fs::read_to_string(file).expect("it is shipped");
        // Nothing else is changed.
        let [word, end] = [
            kind.listens.split(' ').next(),
            kind.listens.get(kind.listens.len() - 1..),
        ];
        let listens = format!(
            "{} {address}{}",
            word.expect("a word"),
            end.expect("an end")
        );
        for (shipped, here) in [
            (kind.listens, listens),
            (" 127.0.0.1:8000", format!(" {}", servers[0].address())),
            (" 127.0.0.1:8010", format!(" {}", servers[1].address())),
        ] {
            assert_eq!(text.matches(shipped).count(), 1, "{shipped:?} in {text}");
            text = text.replace(shipped, &here);
        }
        let configuration = folder.join("campanile");
        fs::write(&configuration, text).expect("a temporary file");
        let mut program = Program::start(&mut (kind.run)(&folder, &configuration));
        let start = Instant::now();
        while TcpStream::connect(address).is_err() {
            assert!(program.is_running(), "it ended: {program}");
            assert!(start.elapsed() < PATIENCE, "it does not listen: {program}");
            thread::sleep(Duration::from_millis(20));
        }
        Self {
            program,
            address,
            folder,
        }
    }

    /// A client at one of this machine's loopback addresses, through the proxy.
    fn connect(&self, host: u8) -> Wire {
        Wire::connect_from(client(host), self.address)
    }

    /// The same, with what it hears.
    fn subscriber(&self, host: u8) -> Wire {
        let mut wire = self.connect(host);
        wire.send(Wire::handshake(self.address).as_bytes());
        wire.expect_upgrade();
        wire.subscribe(SUBSCRIPTIONS);
        wire
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.program);
        }
        // nginx has children, who end when they are told.
        self.program.signal("TERM");
        let start = Instant::now();
        while self.program.is_running() && start.elapsed() < PATIENCE {
            thread::sleep(Duration::from_millis(10));
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

const fn client(host: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 0, host)
}

fn nginx(folder: &Path, configuration: &Path) -> Command {
    let site = format!(
        "http {{ access_log off; include {}; }}",
        configuration.display()
    );
    nginx_with(folder, "", &site)
}

fn nginx_stream(folder: &Path, configuration: &Path) -> Command {
    let module = tools::nginx_stream().expect("it was found");
    let load = format!("load_module {};", module.display());
    nginx_with(
        folder,
        &load,
        &format!("include {};", configuration.display()),
    )
}

/// nginx with what `/etc/nginx/nginx.conf` would be, which includes the site.
fn nginx_with(folder: &Path, load: &str, site: &str) -> Command {
    let main = folder.join("nginx.conf");
    let pid = folder.join("pid");
    let text = format!(
        "{load}\ndaemon off;\npid {};\nerror_log stderr;\nevents {{ }}\n{site}\n",
        pid.display()
    );
    fs::write(&main, text).expect("a temporary file");
    let mut command = Command::new(tools::nginx().expect("it was found"));
    command.args(["-e", "stderr", "-p"]).arg(folder);
    command.arg("-c").arg(main);
    command
}

fn haproxy(_: &Path, configuration: &Path) -> Command {
    let mut command = Command::new(tools::server("haproxy").expect("it was found"));
    command.args(["-db", "-f"]).arg(configuration);
    command
}

/// Two servers as the configurations say that they should be.
fn servers(kind: Kind) -> [Daemon; 2] {
    let limit = PER_ADDRESS.to_string();
    let arguments = [
        &["--proxy-trusted", "127.0.1.1"][..],
        &kind.setting,
        &["--max-connections-per-address", &limit],
    ];
    [(); 2].map(|()| Daemon::with(&arguments.concat()))
}

/// How often the logs of both say this.
fn count(servers: &[Daemon; 2], what: &str) -> usize {
    servers
        .iter()
        .map(|server| server.log().matches(what).count())
        .sum()
}

/// Waits until the logs of both have said this so often.
fn wait_for(servers: &[Daemon; 2], what: &str, times: usize) {
    let start = Instant::now();
    while count(servers, what) < times {
        let logs = || servers.each_ref().map(Daemon::log).join("\n");
        assert!(
            start.elapsed() < PATIENCE,
            "{times} × {what:?} in {}",
            logs()
        );
        thread::sleep(Duration::from_millis(10));
    }
}

fn clients_are_seen(kind: Kind) {
    let servers = servers(kind);
    let proxy = Proxy::start(kind, &servers);
    // More than one address may have at both servers together, and another one that has none yet.
    let mut open = Vec::new();
    let declined = loop {
        let mut wire = proxy.connect(2);
        wire.send(Wire::handshake(proxy.address).as_bytes());
        let head = wire.receive_head();
        if !head.starts_with("HTTP/1.1 101 ") {
            break head;
        }
        open.push(wire);
        assert!(open.len() <= 2 * PER_ADDRESS, "nobody is too many");
    };
    assert!(declined.starts_with("HTTP/1.1 429 "), "{declined}");
    assert!(open.len() >= PER_ADDRESS, "{}", open.len());
    wait_for(&servers, "connection declined peer=127.0.0.2:", 1);
    wait_for(&servers, " peer=127.0.0.2:", open.len() + 1);
    let mut other = proxy.subscriber(3);
    wait_for(&servers, " peer=127.0.0.3:", 1);
    // What comes through the proxy is not beside the server, even from this machine.
    let mut near = proxy.connect(1);
    near.send(Wire::handshake(proxy.address).as_bytes());
    near.expect_upgrade();
    near.send_text(NOTIFICATION);
    near.expect_error("forbidden");
    near.expect_close(1008);
    // Nor does it help to say so.
    let mut liar = proxy.connect(4);
    let request = Wire::handshake(proxy.address);
    if kind.speaks_http() {
        let request = request.trim_end();
        let fields = "X-Forwarded-For: 127.0.0.1\r\nForwarded: for=127.0.0.1";
        liar.send(format!("{request}\r\n{fields}\r\n\r\n").as_bytes());
        liar.expect_upgrade();
        liar.send_text(NOTIFICATION);
        liar.expect_error("forbidden");
        wait_for(&servers, " peer=127.0.0.4:", 1);
        let mut poster = proxy.connect(5);
        let length = NOTIFICATION.len();
        let head = "POST /notifications HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n";
        poster.send(format!("{head}Content-Length: {length}\r\n\r\n{NOTIFICATION}").as_bytes());
        assert!(poster.receive_head().starts_with("HTTP/1.1 403 "));
        wait_for(&servers, " peer=127.0.0.5:", 1);
    } else {
        let header = "PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n";
        liar.send([header, &request].concat().as_bytes());
        assert!(liar.receive_head().starts_with("HTTP/1.1 400 "));
        wait_for(&servers, "handshake refused peer=127.0.0.4:", 1);
    }
    // The back end is, and tells both servers, who do not tell each other.
    for server in &servers {
        server.publish(NOTIFICATION);
    }
    other.expect_text(NOTIFICATION);
    other.synchronise();
    assert_eq!(count(&servers, "connected connection=1 peer=127.0.1.1:"), 0);
}

fn one_ends(kind: Kind) {
    let mut servers = servers(kind);
    let proxy = Proxy::start(kind, &servers);
    let mut wires: Vec<_> = (0..CLIENTS)
        .map(|host| (host + 10, proxy.subscriber(host + 10)))
        .collect();
    wait_for(&servers, " connected connection=", CLIENTS.into());
    let shares = servers
        .each_ref()
        .map(|server| server.log().matches(" connected connection=").count());
    assert!(shares.iter().all(|share| *share > 0), "{shares:?}");
    let publish = |servers: &[&Daemon], wires: &mut [(u8, Wire)]| {
        for server in servers {
            server.publish(NOTIFICATION);
        }
        for (_, wire) in wires {
            wire.expect_text(NOTIFICATION);
            wire.synchronise();
        }
    };
    publish(&[&servers[0], &servers[1]], &mut wires);

    servers[0].signal("TERM");
    // Whose server it was is told, and comes back at once: the first attempt succeeds.
    let mut moved = 0;
    for (host, wire) in &mut wires {
        wire.send_text(r#"{"type":"ping"}"#);
        loop {
            match wire.receive() {
                Received::Text(text) if text.contains("shutting_down") => {}
                Received::Text(text) => {
                    // It may have been answered before the end.
                    assert_eq!(text, r#"{"type":"pong"}"#);
                    if is_at_the_other(&servers[1], *host) {
                        break;
                    }
                }
                Received::Close(code, _) => {
                    assert_eq!(code, 1001);
                    *wire = proxy.subscriber(*host);
                    moved += 1;
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(moved, shares[0]);
    assert_eq!(servers[0].wait_for_end(), Some(0));
    publish(&[&servers[1]], &mut wires);
    // Newcomers go there, too.
    let mut newcomer = proxy.subscriber(9);
    servers[1].publish(NOTIFICATION);
    newcomer.expect_text(NOTIFICATION);
}

/// Whether the log of a server has this client.
fn is_at_the_other(server: &Daemon, host: u8) -> bool {
    server.log().contains(&format!(" peer={}:", client(host)))
}
