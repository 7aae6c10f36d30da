//! The configuration: where it comes from, what is said when it is wrong, and changing it while the
//! daemon runs.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{self, Command},
    sync::atomic::{AtomicUsize, Ordering},
};

use campanile_tests::{Daemon, Ended, Program, Wire};

use crate::{LAST, listener, publish_last};

/// A file that goes with the value.
struct File(PathBuf);

impl File {
    #[track_caller]
    fn new(text: &str) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("campanile-it-{}-{number}.toml", process::id());
        let file = Self(env::temp_dir().join(name));
        file.write(text);
        file
    }

    #[track_caller]
    fn write(&self, text: &str) {
        fs::write(&self.0, text).expect("a temporary file can be written");
    }

    fn path(&self) -> &str {
        self.0.to_str().expect("UTF-8")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

#[track_caller]
fn check(arguments: &[&str], variables: &[(&str, &str)]) -> Ended {
    let mut command = Daemon::command(&["check"]);
    Program::run(command.args(arguments).envs(variables.iter().copied()))
}

/// The line of `campanile check` for a key, spaces between words reduced to one.
#[track_caller]
fn line(ended: &Ended, key: &str) -> String {
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let text = String::from_utf8_lossy(&ended.output);
    let start = format!("{key} = ");
    let line = text.lines().find(|line| line.starts_with(&start));
    let line = line.unwrap_or_else(|| panic!("{key} in {text}"));
    line.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What is said about a configuration that is refused, by `check` and by the server alike.
#[track_caller]
fn assert_refused(arguments: &[&str], variables: &[(&str, &str)], expected: &str) {
    for verb in ["check", "serve"] {
        let mut command = Daemon::command(&[verb]);
        let ended = Program::run(command.args(arguments).envs(variables.iter().copied()));
        assert_eq!(ended.errors, expected);
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
        assert!(ended.output.is_empty(), "{ended:?}");
    }
}

#[test]
fn a_flag_goes_before_a_variable_that_before_the_file_and_that_before_the_default() {
    let file = File::new("[limits]\nvalues = 11\nsubscriptions = 12\n\nconnections = 13\n");
    let config = ["--config", file.path()];
    let ended = check(
        &[&config[..], &["--max-connections", "31"]].concat(),
        &[
            ("CAMPANILE_LIMITS_SUBSCRIPTIONS", "22"),
            ("CAMPANILE_LIMITS_CONNECTIONS", "23"),
            ("CAMPANILE_LIMITS_MESSAGE_SIZE", ""),
        ],
    );
    let path = file.path();
    assert_eq!(line(&ended, "values"), format!("values = 11 # {path}:2"));
    assert_eq!(
        line(&ended, "subscriptions"),
        "subscriptions = 22 # CAMPANILE_LIMITS_SUBSCRIPTIONS"
    );
    assert_eq!(
        line(&ended, "connections"),
        "connections = 31 # --max-connections"
    );
    assert_eq!(
        line(&ended, "message_size"),
        "message_size = \"64KiB\" # default"
    );
    // What it is when it serves.
    let daemon = Daemon::from_command(
        Daemon::command(&["serve", "--listen", "127.0.0.1:0"])
            .env("CAMPANILE_CONFIG", path)
            .env("CAMPANILE_LISTEN", "127.0.0.1:1")
            .env("CAMPANILE_LIMITS_CONNECTIONS", "1"),
    );
    let mut first = daemon.connect();
    first.synchronise();
    let mut second = Wire::connect(daemon.address());
    second.send(Wire::handshake(daemon.address()).as_bytes());
    assert_eq!(second.expect_refusal().status, 503);
}

#[test]
fn a_file_that_a_flag_names_goes_before_one_that_the_environment_names() {
    let (flag, variable) = (File::new("shards = 2"), File::new("shards = 3"));
    let variables = [("CAMPANILE_CONFIG", variable.path())];
    let ended = check(&[], &variables);
    assert_eq!(
        line(&ended, "shards"),
        format!("shards = 3 # {}:1", variable.path())
    );
    let ended = check(&["--config", flag.path()], &variables);
    assert_eq!(
        line(&ended, "shards"),
        format!("shards = 2 # {}:1", flag.path())
    );
}

#[test]
fn the_printed_defaults_are_valid_and_the_defaults() {
    let ended = check(&["--defaults"], &[]);
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    let file = File::new(&String::from_utf8_lossy(&ended.output));
    let values = |ended: &Ended| {
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        let text = String::from_utf8_lossy(&ended.output).into_owned();
        let values = text.lines().map(|line| line.split('#').next());
        values
            .map(|value| value.unwrap_or_default().trim().to_owned())
            .collect::<Vec<_>>()
    };
    let again = check(&["--config", file.path()], &[]);
    assert_eq!(values(&again), values(&check(&[], &[])));
    let text = String::from_utf8_lossy(&again.output);
    assert!(!text.contains("# default"), "{text}");
}

#[test]
fn what_check_prints_says_the_same_when_it_is_read() {
    let ended = check(
        &["--max-message", "1MiB", "--drain", "90", "--log", "warn"],
        &[],
    );
    let file = File::new(&String::from_utf8_lossy(&ended.output));
    let again = check(&["--config", file.path()], &[]);
    for (key, value) in [
        ("message_size", "\"1MiB\""),
        ("window", "\"90s\""),
        ("level", "\"warn\""),
    ] {
        let line = line(&again, key);
        assert!(line.starts_with(&format!("{key} = {value} # ")), "{line}");
    }
    // Colours are for terminals.
    assert!(!ended.output.contains(&b'\x1b'));
}

#[test]
fn an_unknown_key_is_named_with_its_place_and_the_closest_known_one() {
    let file = File::new("[limits]\n  conections = 5\n[lgo]\nlevel = \"info\"\n");
    let path = file.path();
    assert_refused(
        &["--config", path],
        &[],
        &format!(
            "campanile: {path}:2:3: unknown key `limits.conections`: did you mean `limits.connections`?\n\
             campanile: {path}:3:2: unknown key `lgo`: did you mean `log`?\n"
        ),
    );
}

#[test]
fn a_wrong_value_is_named_with_its_place_and_what_is_allowed() {
    let file = File::new("listen = 8000\n[limits]\nhandshake_time = \"soon\"\nvalues = -1\n");
    let path = file.path();
    assert_refused(
        &["--config", path],
        &[],
        &format!(
            "campanile: {path}:1:10: `listen` cannot be 8000; allowed is an IP address with a port, such as \
             \"127.0.0.1:8000\" or \"[::]:8000\"\n\
             campanile: {path}:3:18: `limits.handshake_time` cannot be \"soon\"; allowed is a duration from \
             1ms to 1h, such as \"10s\"; a plain number is in seconds\n\
             campanile: {path}:4:10: `limits.values` cannot be -1; allowed is a whole number from 0 to \
             4294967295\n"
        ),
    );
}

#[test]
fn variables_that_are_wrong_are_named_with_the_remedy_and_those_of_kubernetes_are_ignored() {
    assert_refused(
        &[],
        &[
            ("CAMPANILE_LIMITS_CONECTIONS", "5"),
            ("CAMPANILE_LOG_LEVEL", "loud"),
            ("CAMPANILE_PORT", "tcp://10.0.0.1:8000"),
            ("CAMPANILE_SERVICE_HOST", "10.0.0.1"),
        ],
        "campanile: unknown environment variable CAMPANILE_LIMITS_CONECTIONS: did you mean \
         CAMPANILE_LIMITS_CONNECTIONS?\n\
         campanile: the environment variable CAMPANILE_LOG_LEVEL cannot be \"loud\"; allowed is \"error\", \
         \"warn\", \"info\" or \"debug\"\n",
    );
}

#[test]
fn a_file_that_cannot_be_read_or_is_not_toml_is_named() {
    let missing = "/nonexistent/campanile.toml";
    assert_refused(
        &["--config", missing],
        &[],
        "campanile: the configuration file /nonexistent/campanile.toml cannot be read: No such file or \
         directory (os error 2); name another one with --config or CAMPANILE_CONFIG, or none\n",
    );
    assert_refused(
        &["--config", "/dev/zero"],
        &[],
        "campanile: the configuration file /dev/zero cannot be read: it has more than 1048576 bytes; name \
         another one with --config or CAMPANILE_CONFIG, or none\n",
    );
    let file = File::new("[limits]\nvalues 5\n");
    let ended = check(&["--config", file.path()], &[]);
    let start = format!("campanile: {}:2:", file.path());
    assert!(ended.errors.starts_with(&start), "{ended:?}");
    assert!(ended.errors.contains(": not valid TOML: "), "{ended:?}");
    assert_eq!(ended.errors.lines().count(), 1, "{ended:?}");
}

#[test]
fn a_flag_with_a_wrong_value_is_named_with_what_is_allowed() {
    let ended = Program::run(&mut Daemon::command(&["--handshake-time", "soon"]));
    assert_eq!(ended.status.code(), Some(2));
    let first = ended.errors.lines().next();
    assert_eq!(
        first,
        Some(
            "error: invalid value 'soon' for '--handshake-time <DURATION>': allowed is a duration from 1ms \
             to 1h, such as \"10s\"; a plain number is in seconds"
        )
    );
}

#[test]
fn completions_are_scripts_that_the_shell_takes() {
    for (shell, known) in [
        ("bash", "--max-connections"),
        ("zsh", "--max-connections"),
        ("fish", "max-connections"),
    ] {
        let ended = Program::run(&mut Daemon::command(&["completions", shell]));
        assert_eq!(ended.status.code(), Some(0), "{ended:?}");
        let script = String::from_utf8_lossy(&ended.output).into_owned();
        assert!(script.contains(known), "{shell}: {script}");
        let file = File::new(&script);
        let mut command = Command::new(shell);
        // Not every machine has every shell.
        match command.args(["-n", file.path()]).output() {
            Ok(output) => assert!(output.status.success(), "{shell}: {output:?}"),
            Err(error) => assert!(shell != "bash", "{error}"),
        }
    }
}

/// A daemon that may be told to reload `file`.
#[track_caller]
fn serving(file: &File) -> Daemon {
    Daemon::with(&["--config", file.path()])
}

const MANY: &str = r#"{"sender":"client","subscriptions":[{"package":"p","page":"q"},{"package":"p","page":"q"},{"package":"p","page":"q"}]}"#;

#[test]
fn a_reload_changes_limits_for_open_connections_which_stay() {
    let file = File::new("shards = 2\n[limits]\nsubscriptions = 2\n");
    let daemon = serving(&file);
    let mut wires = [listener(&daemon, ""), listener(&daemon, "")];
    for wire in &mut wires {
        wire.send_text(MANY);
        wire.expect_error("too_many_subscriptions");
    }
    file.write(
        "shards = 1\nlisten = \"127.0.0.1:1\"\n[limits]\nsubscriptions = 3\nconnections = 20\n",
    );
    daemon.signal("HUP");
    daemon.wait_for_log("INFO setting changed setting=\"limits.subscriptions\" from=\"2\" to=\"3\" applies=\"at once\"");
    daemon.wait_for_log("WARN restart needed setting=\"shards\" from=\"2\" to=\"1\"");
    daemon.wait_for_log(&format!(
        "INFO configuration reloaded file={:?} changed=2 restart=1",
        file.path()
    ));
    // What flags say, the file does not change.
    assert!(!daemon.log().contains("setting=\"listen\""));
    // The change is on its way to each shard's thread; before it, the limit is the earlier one.
    publish_last(&daemon);
    for wire in &mut wires {
        wire.expect_text(LAST);
    }
    for wire in &mut wires {
        wire.send_text(MANY);
        wire.synchronise();
    }
    drop(wires);
    daemon.wait_for_logs("disconnected", 3);
}

#[test]
fn a_limit_on_connections_that_is_lowered_keeps_newcomers_out_and_nobody_leaves() {
    let file = File::new("");
    let daemon = serving(&file);
    let mut wires = [daemon.connect(), daemon.connect(), daemon.connect()];
    file.write("limits.connections = 2\n");
    daemon.signal("HUP");
    daemon.wait_for_log("configuration reloaded");
    let mut fourth = Wire::connect(daemon.address());
    fourth.send(Wire::handshake(daemon.address()).as_bytes());
    assert_eq!(fourth.expect_refusal().status, 503);
    for wire in &mut wires {
        wire.synchronise();
    }
    let [first, second, _third] = wires;
    drop((first, second));
    daemon.wait_for_logs("disconnected", 2);
    daemon.connect().synchronise();
}

#[test]
fn a_reload_changes_the_level_of_the_log() {
    let file = File::new("log.level = \"error\"\n");
    let daemon = serving(&file);
    daemon.connect().synchronise();
    file.write("log.level = \"info\"\n");
    daemon.signal("HUP");
    daemon.wait_for_log("setting changed setting=\"log.level\" from=\"error\" to=\"info\"");
    let log = daemon.log();
    assert!(!log.contains("INFO connected"), "{log}");
    daemon.connect().synchronise();
    daemon.wait_for_log("INFO connected");
}

#[test]
fn a_broken_file_is_refused_as_a_whole_and_the_server_goes_on_as_before() {
    let file = File::new("[limits]\nsubscriptions = 2\n");
    let daemon = serving(&file);
    let mut wire = listener(&daemon, "");
    file.write("[limits]\nsubscriptions = 3\nconections = 5\nvalues = []\n");
    daemon.signal("HUP");
    let path = file.path();
    daemon.wait_for_log(&format!(
        "ERROR configuration not reloaded reason=\"{path}:3:1: unknown key `limits.conections`: did you mean \
         `limits.connections`?\""
    ));
    daemon.wait_for_log(&format!(
        "ERROR configuration not reloaded reason=\"{path}:4:10: `limits.values` cannot be an array; allowed \
         is a whole number from 0 to 4294967295\""
    ));
    wire.send_text(MANY);
    wire.expect_error("too_many_subscriptions");
    // Without its file, likewise.
    fs::remove_file(Path::new(path)).expect("it is there");
    daemon.signal("HUP");
    daemon.wait_for_log("cannot be read");
    wire.send_text(MANY);
    wire.expect_error("too_many_subscriptions");
    file.write("[limits]\nsubscriptions = 3\n");
    daemon.signal("HUP");
    daemon.wait_for_log("configuration reloaded");
    wire.send_text(MANY);
    wire.synchronise();
}

#[test]
fn without_a_file_a_reload_changes_nothing_and_does_not_end_the_server() {
    let daemon = Daemon::start();
    let mut wire = daemon.connect();
    daemon.signal("HUP");
    daemon.wait_for_log("configuration reloaded file=\"none\" changed=0 restart=0");
    wire.synchronise();
}
