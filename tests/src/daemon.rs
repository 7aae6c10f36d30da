//! The daemon as a child process.

use core::net::{Ipv4Addr, SocketAddr};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::thread;
use std::{env, fs};

use crate::{Program, Wire, tools};

/// A running daemon. Dropping it ends it, and fails the test when the daemon had ended or panicked by itself.
#[derive(Debug)]
pub struct Daemon {
    program: Program,
    ready_line: String,
    address: SocketAddr,
    /// Whether it was not told to end.
    is_to_run: bool,
}

impl Daemon {
    /// Starts the daemon on a free port of the IPv4 loopback address and waits until it is ready.
    #[track_caller]
    pub fn start() -> Self {
        Self::listening_on("127.0.0.1:0")
    }

    /// Starts the daemon with `--listen address` and waits until it is ready.
    #[track_caller]
    pub fn listening_on(address: &str) -> Self {
        Self::from_command(&mut Self::command(&["--listen", address]))
    }

    /// Starts the daemon on a free port with further `arguments` and waits until it is ready.
    #[track_caller]
    pub fn with(arguments: &[&str]) -> Self {
        let mut command = Self::command(&["--listen", "127.0.0.1:0"]);
        Self::from_command(command.args(arguments))
    }

    /// Starts the daemon on a free port with further `arguments` and an admin address, which is the
    /// second one, and waits until it is ready.
    #[track_caller]
    pub fn with_admin(arguments: &[&str]) -> (Self, SocketAddr) {
        let daemon = Self::with(&[&["--admin-listen", "127.0.0.1:0"], arguments].concat());
        let address = daemon.admin_address();
        (daemon, address)
    }

    /// Starts the daemon on a free port, and on another one with TLS and the certificate and key in
    /// `files`, with further `arguments`; waits until it is ready.
    #[track_caller]
    pub fn with_tls(files: &[PathBuf; 2], arguments: &[&str]) -> (Self, SocketAddr) {
        let mut command = Self::command(&["--listen", "127.0.0.1:0", "--runtime", "smol"]);
        command.args(["--tls-listen", "127.0.0.1:0"]);
        command.arg("--tls-certificate").arg(&files[0]);
        command.arg("--tls-key").arg(&files[1]);
        let daemon = Self::from_command(command.args(arguments));
        let line = daemon.wait_for_log("tls=true");
        let address = line
            .split_whitespace()
            .find_map(|field| field.strip_prefix("address="));
        let address = address.and_then(|address| address.parse().ok());
        (daemon, address.expect("an address"))
    }

    /// Starts the daemon on a free port with further `arguments`, on this `runtime` whatever
    /// `$CAMPANILE_RUNTIME` says.
    #[track_caller]
    pub fn on(runtime: &str, arguments: &[&str]) -> Self {
        let mut command = Self::command(&["--listen", "127.0.0.1:0", "--runtime", runtime]);
        Self::from_command(command.args(arguments))
    }

    /// Starts the daemon by a command line of the caller's and waits until it is ready. Its log is text,
    /// and it has no admin address, unless `command` says otherwise.
    #[track_caller]
    pub fn from_command(command: &mut Command) -> Self {
        Self::from_program(Program::start(with_defaults(command)))
    }

    /// Starts the daemon as a service manager does that has opened `listener`, which is the first of
    /// the sockets that it passes, with further `arguments` and environment `variables`, and waits until
    /// it is ready.
    #[track_caller]
    pub fn passed(listener: &TcpListener, arguments: &[&str], variables: &[(&str, &str)]) -> Self {
        let socket = listener.try_clone().expect("a descriptor");
        let mut command = Self::command_with_socket(arguments);
        command.envs(variables.iter().copied());
        let socket = OwnedFd::from(socket).into();
        Self::from_program(Program::start_with_input(
            with_defaults(&mut command),
            socket,
        ))
    }

    /// The daemon's command line with these `arguments`, the standard input of which is a socket that a
    /// service manager passes, called as `$LISTEN_FDNAMES` says. Only unsafe code could put it where
    /// that belongs, or a shell.
    #[track_caller]
    #[must_use]
    pub fn command_with_socket(arguments: &[&str]) -> Command {
        let script = r#"LISTEN_PID=$$ LISTEN_FDS=1 exec "$@" 3<&0 </dev/null"#;
        Self::command_in_shell(script, arguments)
    }

    /// A shell's command line that starts the daemon with these `arguments` by `"$@"` in the script.
    #[track_caller]
    #[must_use]
    pub fn command_in_shell(script: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script, "sh"]);
        command.arg(Self::binary()).args(arguments);
        hide_environment(&mut command);
        command
    }

    #[track_caller]
    fn from_program(mut program: Program) -> Self {
        let ready_line = program.next_line();
        let port = port_in(&ready_line)
            .unwrap_or_else(|| panic!("no ws:// URL with a port in {ready_line:?}"));
        Self {
            program,
            ready_line,
            address: (Ipv4Addr::LOCALHOST, port).into(),
            is_to_run: true,
        }
    }

    /// The daemon's command line with these `arguments`, in an environment that says nothing to it but
    /// the runtime.
    #[track_caller]
    #[must_use]
    pub fn command(arguments: &[&str]) -> Command {
        let mut command = Command::new(Self::binary());
        command.args(arguments);
        hide_environment(&mut command);
        command
    }

    /// The daemon's executable: `$CAMPANILE_BIN`, or the one that cargo builds (once per process) with
    /// the profile and into the target folder of the running test.
    #[track_caller]
    pub fn binary() -> &'static Path {
        static BINARY: OnceLock<Option<PathBuf>> = OnceLock::new();
        let binary = BINARY.get_or_init(|| {
            env::var_os("CAMPANILE_BIN").map_or_else(
                || build("campanile", &[], "campanile"),
                |path| Some(path.into()),
            )
        });
        binary
            .as_ref()
            .expect("cargo builds the daemon (what it says is above), or CAMPANILE_BIN names it")
    }

    /// The executable of an example, which cargo builds in the same way.
    #[track_caller]
    pub fn example(package: &str, name: &str) -> PathBuf {
        build(package, &["--example", name], name).expect("cargo builds it (what it says is above)")
    }

    /// The IPv4 loopback address with the daemon's port.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// The admin address of a daemon that has one and logs that as text.
    #[track_caller]
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        let line = self.wait_for_log("admin listening");
        let (_, address) = line.rsplit_once("address=").expect("an address");
        address.trim().parse().expect("an address")
    }

    /// The URL of [`Daemon::address`].
    #[must_use]
    pub fn url(&self) -> String {
        format!("ws://{}", self.address)
    }

    /// The daemon's process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.program.pid()
    }

    /// The line by which the daemon said that it is ready.
    #[must_use]
    pub fn ready_line(&self) -> &str {
        &self.ready_line
    }

    /// Waits for a line of the log that contains `substring`, and returns it.
    #[track_caller]
    pub fn wait_for_log(&self, substring: &str) -> String {
        self.wait_for_logs(substring, 1)
    }

    /// Waits for `count` lines of the log that contain `substring`, and returns the last of them.
    #[track_caller]
    pub fn wait_for_logs(&self, substring: &str, count: usize) -> String {
        self.program.wait_for_errors(substring, count)
    }

    /// The log so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.program.errors()
    }

    /// Sends the daemon a signal, such as `TERM`.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        self.program.signal(name);
    }

    /// Waits until the daemon has ended, as it was told to; its exit code.
    #[track_caller]
    pub fn wait_for_end(&mut self) -> Option<i32> {
        self.is_to_run = false;
        self.program.wait().status.code()
    }

    /// How many of the process's descriptors are open, and how many bytes of its memory are resident.
    #[track_caller]
    #[must_use]
    pub fn footprint(&self) -> (usize, usize) {
        let proc = PathBuf::from(format!("/proc/{}", self.program.id()));
        let descriptors = fs::read_dir(proc.join("fd")).expect("it runs").count();
        let status = fs::read_to_string(proc.join("status")).expect("it runs");
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let resident = resident.and_then(|text| text.trim().strip_suffix(" kB"));
        let kilobytes: usize = resident
            .and_then(|text| text.parse().ok())
            .expect("a number");
        (descriptors, kilobytes * 1024)
    }

    /// How many threads the process has.
    #[track_caller]
    #[must_use]
    pub fn threads(&self) -> usize {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.program.id()));
        tasks.expect("it runs").count()
    }

    /// A v1 session after its opening handshake.
    #[track_caller]
    #[must_use]
    pub fn connect_v1(&self) -> Wire {
        Wire::open_v1(self.address)
    }

    /// A client after its opening handshake.
    #[track_caller]
    #[must_use]
    pub fn connect(&self) -> Wire {
        Wire::open(self.address)
    }

    /// A client whose subscriptions (a JSON array) are in force.
    #[track_caller]
    #[must_use]
    pub fn subscriber(&self, subscriptions: &str) -> Wire {
        let mut wire = self.connect();
        wire.subscribe(subscriptions);
        wire
    }

    /// Publishes `message` over a connection of its own, as a back end does: the daemon takes it and
    /// closes the connection with 1000.
    #[track_caller]
    pub fn publish(&self, message: &str) {
        let mut publisher = self.connect();
        publisher.send_text(message);
        publisher.expect_close(1000);
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if thread::panicking() {
            eprintln!("{}", self.program);
            return;
        }
        assert!(
            !self.is_to_run || self.program.is_running(),
            "the daemon ended by itself: {}",
            self.program
        );
        assert!(
            !self.program.errors().contains("panicked at"),
            "the daemon panicked: {}",
            self.program
        );
    }
}

/// Runs `test` on a daemon of its own which also serves a bystander, and asserts that nothing in the
/// test disturbed the bystander: the first thing it hears is the notification published afterwards.
#[track_caller]
pub fn with_bystander(test: impl FnOnce(&Daemon)) {
    let daemon = Daemon::start();
    let mut bystander = daemon.subscriber(r#"[{"package":"harness","page":"bystander"}]"#);
    test(&daemon);
    let notification =
        r#"{"sender":"server","notification":{"package":"harness","page":"bystander"}}"#;
    daemon.publish(notification);
    bystander.expect_text(notification);
}

/// What a daemon of the tests does unless `command` says otherwise.
fn with_defaults(command: &mut Command) -> &mut Command {
    hide_environment(command);
    for (name, value) in [
        ("CAMPANILE_LOG_FORMAT", "text"),
        ("CAMPANILE_ADMIN_LISTEN", "off"),
    ] {
        if command.get_envs().all(|(own, _)| own != name) {
            command.env(name, value);
        }
    }
    command
}

/// This process's variables for the tests have names that the daemon would take for its own, and
/// not know. Those that `command` itself sets are for it.
fn hide_environment(command: &mut Command) {
    let own: Vec<_> = command
        .get_envs()
        .map(|(name, _)| name.to_owned())
        .collect();
    for (name, _) in env::vars_os() {
        let is_ours = name.as_encoded_bytes().starts_with(b"CAMPANILE_");
        // This one is for the tests and the daemon: all of them run on another runtime then.
        let is_meant = name == "CAMPANILE_RUNTIME";
        if is_ours && !is_meant && !own.contains(&name) {
            command.env_remove(name);
        }
    }
}

fn port_in(ready_line: &str) -> Option<u16> {
    let (_, url) = ready_line.split_once("ws://")?;
    let authority = url.split([' ', '/']).next()?;
    authority.rsplit_once(':')?.1.parse().ok()
}

/// The executable that cargo builds; `None` when it does not, or when the test does not run from a
/// target folder of cargo's.
fn build(package: &str, what: &[&str], name: &str) -> Option<PathBuf> {
    let executable = env::current_exe().ok()?;
    // Cargo marks the root of its target folder; between it and `deps/` there is the profile, and
    // before that the target triple when one was asked for.
    let target = executable
        .ancestors()
        .find(|folder| folder.join("CACHEDIR.TAG").exists())?;
    let profile = match executable.parent()?.parent()?.file_name()?.to_str()? {
        "debug" => "dev",
        other => other,
    };
    let output = Command::new(env!("CARGO"))
        .current_dir(tools::checkout())
        .args([
            "build",
            "--package",
            package,
            "--message-format",
            "json-render-diagnostics",
        ])
        .args(what)
        .args(["--profile", profile, "--target-dir"])
        .arg(target)
        .stderr(Stdio::inherit())
        .output()
        .ok()?;
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .find(|message| message["target"]["name"] == name && message["executable"].is_string())
        .and_then(|message| message["executable"].as_str().map(PathBuf::from))
}
