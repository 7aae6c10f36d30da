//! The daemon under a service manager: sockets that it is passed, and what it tells. The manager's part is
//! played by the test, as systemd's manual has it (sd_listen_fds(3), sd_notify(3)).

use core::sync::atomic::{AtomicBool, Ordering};
use std::{
    env, fs,
    fs::File,
    io::{ErrorKind, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    os::{
        fd::OwnedFd,
        linux::net::SocketAddrExt as _,
        unix::net::{SocketAddr, UnixDatagram},
    },
    path::PathBuf,
    process,
    process::{Command, Stdio},
    thread,
};

use campanile_tests::{Daemon, PATIENCE, Program, Wire, metrics::get};

use crate::{LAST, listener, publish_last};

/// What a service manager opens.
#[track_caller]
fn socket() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").expect("a port")
}

#[test]
fn a_restart_refuses_nobody_and_who_comes_meanwhile_is_served_by_the_next_daemon() {
    let socket = socket();
    let address = socket.local_addr().expect("an address");
    let mut daemon = Daemon::passed(&socket, &[], &[]);
    assert_eq!(daemon.address(), address);
    for _ in 0..3 {
        let mut client = listener(&daemon, "");
        daemon.signal("TERM");
        client.expect_error("shutting_down");
        // It drains, and accepts nobody.
        let mut early = Wire::connect(address);
        early.send(Wire::handshake(address).as_bytes());
        client.expect_close(1001);
        drop(client);
        assert_eq!(daemon.wait_for_end(), Some(0));
        // There is none.
        let mut late = Wire::connect(address);
        late.send(Wire::handshake(address).as_bytes());

        daemon = Daemon::passed(&socket, &[], &[]);
        for mut waiting in [early, late] {
            waiting.expect_upgrade();
            waiting.subscribe(r#"[{"package":"test","page":"last"}]"#);
            publish_last(&daemon);
            waiting.expect_text(LAST);
        }
    }
}

#[test]
fn of_who_keep_coming_during_restarts_nobody_is_refused() {
    const RESTARTS: usize = 5;
    let socket = socket();
    let address = socket.local_addr().expect("an address");
    let is_over = AtomicBool::new(false);
    thread::scope(|threads| {
        let coming = threads.spawn(|| {
            let (mut served, mut cut) = (0, 0);
            while !is_over.load(Ordering::Relaxed) {
                let mut stream = TcpStream::connect(address).expect("somebody listens");
                stream.set_read_timeout(Some(PATIENCE)).expect("a time");
                let _ = stream.write_all(Wire::handshake(address).as_bytes());
                let mut head = [0; 12];
                match stream.read_exact(&mut head) {
                    Ok(()) if head == *b"HTTP/1.1 101" => served += 1,
                    Err(error) if error.kind() == ErrorKind::WouldBlock => {
                        panic!("who waits is not served")
                    }
                    // Who was accepted, and not yet heard, when the drain began.
                    _ => cut += 1,
                }
            }
            (served, cut)
        });
        let mut daemon = Daemon::passed(&socket, &[], &[]);
        for _ in 0..RESTARTS {
            daemon.wait_for_log("connected");
            daemon.signal("TERM");
            assert_eq!(daemon.wait_for_end(), Some(0));
            daemon = Daemon::passed(&socket, &[], &[]);
        }
        daemon.wait_for_log("connected");
        is_over.store(true, Ordering::Relaxed);
        let (served, cut) = coming.join().expect("nobody is refused");
        assert!(served > RESTARTS, "{served}");
        assert!(cut <= RESTARTS, "{cut} of {served}");
    });
}

#[test]
fn the_admin_address_may_be_passed_by_its_name() {
    let socket = socket();
    let address = socket.local_addr().expect("an address");
    let names = [
        ("LISTEN_FDNAMES", "admin"),
        ("CAMPANILE_ADMIN_LISTEN", "127.0.0.1:1"),
    ];
    let daemon = Daemon::passed(&socket, &["--listen", "127.0.0.1:0"], &names);
    assert_ne!(daemon.address(), address);
    drop(daemon.connect());
    assert!(get(address, "/metrics").starts_with("HTTP/1.1 200 OK"));
    let line = daemon.wait_for_log("setting without effect");
    assert!(
        line.contains("setting=\"admin.listen\" value=\"127.0.0.1:1\" "),
        "{line}"
    );
}

#[test]
fn an_admin_address_that_is_off_stays_off_and_the_log_says_so() {
    let daemon = Daemon::passed(
        &socket(),
        &["--listen", "127.0.0.1:0", "--admin-listen", "off"],
        &[("LISTEN_FDNAMES", "admin")],
    );
    daemon.wait_for_log("no admin address");
}

#[test]
fn a_socket_that_is_passed_goes_before_the_address_that_is_set_and_the_log_says_so() {
    let socket = socket();
    let address = socket.local_addr().expect("an address").to_string();
    let named = [("LISTEN_FDNAMES", "campanile.socket")];
    for (listen, has_effect) in [("127.0.0.1:1", false), (&*address, true)] {
        let mut daemon = Daemon::passed(&socket, &["--listen", listen], &named);
        let line = daemon.wait_for_log("socket passed");
        assert!(
            line.contains(&format!("setting=\"listen\" address={address}")),
            "{line}"
        );
        drop(daemon.connect());
        assert_eq!(!daemon.log().contains("setting without effect"), has_effect);
        daemon.signal("TERM");
        assert_eq!(daemon.wait_for_end(), Some(0));
    }
}

#[test]
fn a_socket_that_is_for_another_process_is_not_taken() {
    let socket = socket();
    let input = OwnedFd::from(socket.try_clone().expect("a descriptor"));
    let script = r#"LISTEN_PID=1 LISTEN_FDS=1 exec "$@" 3<&0"#;
    let arguments = [
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "off",
        "--log-format",
        "text",
    ];
    let mut command = Daemon::command_in_shell(script, &arguments);
    let mut program = Program::start_with_input(&mut command, input.into());
    let line = program.next_line();
    let passed = socket.local_addr().expect("an address").to_string();
    assert!(!line.contains(&passed), "{line}");
    program.signal("TERM");
    assert!(program.wait().status.success());
}

#[test]
fn what_cannot_be_served_is_refused_with_what_to_do() {
    let connected = TcpStream::connect(socket().local_addr().expect("an address"));
    let connected = OwnedFd::from(connected.expect("it listens"));
    let nothing = OwnedFd::from(File::open("/dev/null").expect("it is there"));
    for (input, remedy) in [(connected, "Accept=no"), (nothing, "ListenStream=")] {
        let mut command = Daemon::command_with_socket(&[]);
        command.env("LISTEN_FDNAMES", "news");
        let ended = Program::start_with_input(&mut command, input.into()).wait();
        assert_eq!(ended.status.code(), Some(1), "{ended:?}");
        for named in ["socket 0 (news)", "service manager", remedy] {
            assert!(ended.errors.contains(named), "{named} in {}", ended.errors);
        }
    }
}

#[test]
fn two_sockets_for_the_same_are_refused_and_one_for_each_is_served() {
    let [first, second] = [socket(), socket()];
    let addresses = [&first, &second].map(|socket| socket.local_addr().expect("an address"));
    for (names, is_fine) in [("a:b", false), ("admin:admin", false), ("x:admin", true)] {
        let [first, second] = [&first, &second]
            .map(|socket| Stdio::from(OwnedFd::from(socket.try_clone().expect("a descriptor"))));
        let script = r#"LISTEN_PID=$$ LISTEN_FDS=2 exec "$@" 3<&0 4<&1 </dev/null >/dev/null"#;
        let mut command = Daemon::command_in_shell(script, &[]);
        command
            .env("LISTEN_FDNAMES", names)
            .stdin(first)
            .stdout(second);
        let mut child = command
            .stderr(Stdio::piped())
            .spawn()
            .expect("every Unix has sh");
        if is_fine {
            let [clients, admin] = addresses;
            assert!(get(admin, "/metrics").starts_with("HTTP/1.1 200 OK"));
            drop(Wire::open(clients));
            let pid = child.id().to_string();
            let killed = Command::new("kill")
                .arg(pid)
                .status()
                .expect("every Unix has kill");
            assert!(killed.success());
            assert!(child.wait().expect("it ends").success());
        } else {
            let output = child.wait_with_output().expect("it ends");
            let errors = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(1), "{names}: {errors}");
            let mut named = vec![
                "two sockets".to_owned(),
                "FileDescriptorName=admin".to_owned(),
            ];
            named.extend(addresses.map(|address| address.to_string()));
            for named in named {
                assert!(errors.contains(&named), "{named} in {errors}");
            }
        }
    }
}

/// Where a service manager is told how its service goes.
struct Manager {
    socket: UnixDatagram,
    name: String,
    path: Option<PathBuf>,
}

impl Manager {
    fn at_a_path(name: &str) -> Self {
        let path = env::temp_dir().join(format!("campanile-{}-{name}.socket", process::id()));
        let _ = fs::remove_file(&path);
        Self {
            socket: with_patience(UnixDatagram::bind(&path).expect("a path")),
            name: path.display().to_string(),
            path: Some(path),
        }
    }

    fn at_an_abstract_address(name: &str) -> Self {
        let name = format!("campanile-{}-{name}", process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        Self {
            socket: with_patience(UnixDatagram::bind_addr(&address).expect("an address")),
            name: format!("@{name}"),
            path: None,
        }
    }

    /// A daemon of its own, with further `arguments` and environment `variables`.
    #[track_caller]
    fn start(&self, arguments: &[&str], variables: &[(&str, &str)]) -> Daemon {
        let mut command = Daemon::command(&["--listen", "127.0.0.1:0"]);
        command.args(arguments).env("NOTIFY_SOCKET", &self.name);
        Daemon::from_command(command.envs(variables.iter().copied()))
    }

    /// The next message, as names and values.
    #[track_caller]
    fn hear(&self) -> Vec<(String, String)> {
        let mut message = [0; 4096];
        let length = self.socket.recv(&mut message).expect("a message comes");
        let text = String::from_utf8(message[..length].to_vec()).expect("it is text");
        let pairs = text
            .lines()
            .map(|line| line.split_once('=').expect("a pair"));
        pairs
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect()
    }

    /// The next message, which has these members; the value of the last.
    #[track_caller]
    fn expect(&self, names: &[&str]) -> String {
        let message = self.hear();
        let heard: Vec<_> = message.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(heard, names, "{message:?}");
        message.last().expect("a member").1.clone()
    }
}

impl Drop for Manager {
    fn drop(&mut self) {
        if let Some(path) = &self.path {
            let _ = fs::remove_file(path);
        }
    }
}

fn with_patience(socket: UnixDatagram) -> UnixDatagram {
    socket.set_read_timeout(Some(PATIENCE)).expect("a time");
    socket
}

#[test]
fn the_manager_hears_of_ready_reloading_and_stopping_in_their_order() {
    for manager in [
        Manager::at_a_path("order"),
        Manager::at_an_abstract_address("order"),
    ] {
        let mut daemon = manager.start(&["--drain", "20s", "--drain-grace", "1s"], &[]);
        let status = manager.expect(&["READY", "STATUS"]);
        assert_eq!(status, format!("Serving on {}", daemon.address()));
        let mut before = 0;
        for _ in 0..2 {
            daemon.signal("HUP");
            let now = manager.expect(&["RELOADING", "STATUS", "MONOTONIC_USEC"]);
            let now: u64 = now.parse().expect("a number");
            assert!(now > before, "{now} after {before}");
            before = now;
            assert_eq!(manager.expect(&["READY", "STATUS"]), status);
        }
        daemon.signal("TERM");
        let time = manager.expect(&["STOPPING", "STATUS", "EXTEND_TIMEOUT_USEC"]);
        // More than the connections have.
        assert!(
            time.parse::<u64>().expect("a number") > 21_000_000,
            "{time}"
        );
        assert_eq!(daemon.wait_for_end(), Some(0));
    }
}

#[test]
fn the_manager_hears_that_a_configuration_was_refused() {
    let path = env::temp_dir().join(format!("campanile-{}-refused.toml", process::id()));
    fs::write(&path, "").expect("a temporary file");
    let manager = Manager::at_a_path("refused");
    let daemon = manager.start(&["--config", &path.display().to_string()], &[]);
    manager.expect(&["READY", "STATUS"]);
    fs::write(&path, "nonsense").expect("a temporary file");
    daemon.signal("HUP");
    manager.expect(&["RELOADING", "STATUS", "MONOTONIC_USEC"]);
    let status = manager.expect(&["READY", "STATUS"]);
    assert!(
        status.contains("the new configuration is wrong"),
        "{status}"
    );
    fs::remove_file(path).expect("it is ours");
}

#[test]
fn the_manager_hears_beats_if_it_wants_to() {
    let manager = Manager::at_a_path("beats");
    let daemon = manager.start(&["--shards", "3"], &[("WATCHDOG_USEC", "20000")]);
    manager.expect(&["READY", "STATUS"]);
    for _ in 0..5 {
        assert_eq!(manager.expect(&["WATCHDOG"]), "1");
    }
    drop(daemon);
    let another = [("WATCHDOG_USEC", "20000"), ("WATCHDOG_PID", "1")];
    let manager = Manager::at_a_path("no-beats");
    let daemon = manager.start(&[], &another);
    manager.expect(&["READY", "STATUS"]);
    daemon.signal("HUP");
    manager.expect(&["RELOADING", "STATUS", "MONOTONIC_USEC"]);
}

#[test]
fn a_manager_that_is_not_there_or_reads_nothing_keeps_nobody_from_being_served() {
    let mut command = Daemon::command(&["--listen", "127.0.0.1:0"]);
    command.env("NOTIFY_SOCKET", "/nowhere/at-all");
    let daemon = Daemon::from_command(&mut command);
    let line = daemon.wait_for_log("service manager not told");
    assert!(line.contains("NOTIFY_SOCKET=/nowhere/at-all"), "{line}");
    drop(daemon.connect());

    // Its queue is full at once.
    let manager = Manager::at_a_path("silent");
    let mut daemon = manager.start(&[], &[("WATCHDOG_USEC", "2")]);
    for _ in 0..10 {
        let mut client = listener(&daemon, "");
        publish_last(&daemon);
        client.expect_text(LAST);
    }
    daemon.signal("TERM");
    assert_eq!(daemon.wait_for_end(), Some(0));
}
