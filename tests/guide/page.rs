//! A page, run from its first block to its last by a reader in an empty folder.

use std::collections::HashMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Instant;

use campanile_tests::{Daemon, PATIENCE, Program, Received, Wire, error_in, tools};
use core::time::Duration;
use serde_json::Value;

use crate::expected;
use crate::markdown::{self, Block};

/// Why a block may be not run; there is no other reason.
pub(crate) const NOT_RUN: &[(&str, &str)] = &[
    (
        "builds",
        "it builds the program or the tests, which has happened when this runs",
    ),
    ("needs-network", "it fetches something from the internet"),
    ("needs-root", "it changes the machine that it runs on"),
];

/// Runs the page, and panics at the first block that does not do what the page says.
pub(crate) fn run(page: &str) {
    let blocks = markdown::blocks(&crate::read(page));
    let mut reader = Reader::new(page);
    let mut run = 0;
    for (index, block) in blocks.iter().enumerate() {
        let later = blocks.get(index + 1..).unwrap_or_default();
        match reader.follow(block, later) {
            Ok(was_run) => run += usize::from(was_run),
            Err(why) => {
                panic!(
                    "{page}:{}: {}: {why}\n{}",
                    block.line,
                    block.kind,
                    reader.screens()
                );
            }
        }
    }
    assert!(run > 0, "{page}: nothing on it was run");
}

/// Somebody who does what a page says.
struct Reader {
    folder: PathBuf,
    path: OsString,
    terminals: HashMap<String, Terminal>,
    /// For the messages that a page shows; the servers of the page are its own.
    daemon: Option<Daemon>,
}

/// A program that goes on running, and how much of what it said has been looked at.
struct Terminal {
    program: Program,
    lines_seen: usize,
}

impl Reader {
    fn new(page: &str) -> Self {
        let name = format!("campanile-{}", page.replace('/', "-"));
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        // What an earlier run has left.
        let _ = fs::remove_dir_all(&root);
        let (folder, programs) = (root.join("reader"), root.join("bin"));
        for made in [&folder, &programs] {
            fs::create_dir_all(made).expect("the target folder can be written");
        }
        let link = |from: &Path, to: PathBuf| symlink(from, to).expect("a link can be made");
        link(Daemon::binary(), programs.join("campanile"));
        link(&tools::node_modules(), folder.join("node_modules"));
        // Some pages are read in a checkout.
        link(&tools::checkout().join("tests"), folder.join("tests"));
        link(&tools::checkout().join("deploy"), folder.join("deploy"));
        let python = tools::python_with_websockets().expect("it was there");
        let mut path = vec![programs, tools::node_modules().join(".bin")];
        path.extend(python.parent().map(Path::to_owned));
        path.extend(env::split_paths(&env::var_os("PATH").unwrap_or_default()));
        Self {
            folder,
            path: env::join_paths(path).expect("no path has a colon"),
            terminals: HashMap::new(),
            daemon: None,
        }
    }

    /// Does what a block says; whether that was to run something.
    fn follow(&mut self, block: &Block, later: &[Block]) -> Result<bool, String> {
        check_words(block)?;
        if let Some(reason) = block.value("not-run") {
            let is_known = NOT_RUN.iter().any(|(name, _)| *name == reason);
            return if is_known {
                Ok(false)
            } else {
                Err(format!("{reason} is no reason not to run it"))
            };
        }
        if let Some(file) = block.value("file") {
            fs::write(self.folder.join(file), &block.text).map_err(|error| error.to_string())?;
            let is_used = later.iter().any(|later| {
                let is_run = later.kind != "text";
                let is_opened = later.value("open").is_some_and(|url| url.contains(file));
                is_opened || is_run && later.text.contains(file)
            });
            if !is_used {
                return Err(format!("nothing on the page uses {file}"));
            }
        }
        match block.kind.as_str() {
            "sh" => self.succeed(&block.text).map(|_| true),
            "console" if block.value("terminal").is_some() => {
                self.open_terminal(block).map(|()| true)
            }
            "console" => self.console(block).map(|()| true),
            "toml" => self.configuration(block).map(|()| true),
            "json" => self.messages(block).map(|()| true),
            "text" => self.text(block),
            _ if block.value("file").is_some() => Ok(true),
            _ => Err("it is no file that something could run; `text` is not to be run".into()),
        }
    }

    fn shell(&self, script: &str) -> Command {
        let mut command = Command::new("sh");
        command
            .args(["-euc", &format!("exec 2>&1\n{script}")])
            .current_dir(&self.folder);
        for (name, _) in env::vars_os() {
            if name.as_encoded_bytes().starts_with(b"CAMPANILE_") {
                command.env_remove(name);
            }
        }
        command.env("PATH", &self.path).env("HOME", &self.folder);
        // Python and others look at this to choose their encoding.
        command.env("LC_ALL", "C.UTF-8");
        command
    }

    fn succeed(&self, script: &str) -> Result<String, String> {
        self.end_with(script, 0)
    }

    /// Runs a script to its end, which has this exit code; everything that it said.
    fn end_with(&self, script: &str, code: i32) -> Result<String, String> {
        let ended = Program::run(&mut self.shell(script));
        let said = String::from_utf8_lossy(&ended.output).into_owned();
        if ended.status.code() == Some(code) {
            Ok(said)
        } else {
            Err(format!(
                "{} instead of {code}; it said:\n{said}",
                ended.status
            ))
        }
    }

    fn console(&self, block: &Block) -> Result<(), String> {
        let commands = commands(block)?;
        let last = commands.len();
        for (index, (command, shown)) in commands.into_iter().enumerate() {
            let code = block.value("exit").filter(|_| index + 1 == last);
            let code = code
                .map_or(Ok(0), str::parse)
                .map_err(|_| "exit= has a number")?;
            let said = self.end_with(&command, code)?;
            let lines: Vec<_> = said.lines().collect();
            if !expected::is_all(&shown, &lines) {
                return Err(format!(
                    "{command}\nshould say\n{}\nand says\n{said}",
                    shown.join("\n")
                ));
            }
        }
        Ok(())
    }

    fn open_terminal(&mut self, block: &Block) -> Result<(), String> {
        let name = block.value("terminal").unwrap_or_default();
        let mut commands = commands(block)?;
        let (Some((command, shown)), true) = (commands.pop(), commands.is_empty()) else {
            return Err("a terminal has one command".into());
        };
        if shown.is_empty() {
            return Err("what comes first in the terminal must be shown".into());
        }
        // Ctrl-C is for the command, and how that ended is what its shell ends with.
        let mut shell = self.shell(&format!("trap : INT\n{command}"));
        // As the server says it to a terminal, which this is for the reader.
        shell.env("CAMPANILE_LOG_FORMAT", "text");
        self.start(name, &mut shell)?;
        // A server's log comes from a thread of its own, before or behind what the page shows.
        self.await_lines(name, &[&["…"], &shown[..]].concat())
    }

    fn start(&mut self, name: &str, command: &mut Command) -> Result<(), String> {
        let earlier = self.terminals.get_mut(name);
        if earlier.is_some_and(|earlier| earlier.program.is_running()) {
            return Err(format!("the terminal {name} is busy"));
        }
        // A group of its own, for Ctrl-C.
        let program = Program::start(command.process_group(0));
        self.terminals.insert(
            name.to_owned(),
            Terminal {
                program,
                lines_seen: 0,
            },
        );
        Ok(())
    }

    fn text(&mut self, block: &Block) -> Result<bool, String> {
        let Some(name) = block.value("terminal") else {
            return Ok(false);
        };
        if let Some(url) = block.value("open") {
            let mut command = Command::new(tools::program("node")?);
            command
                .arg(tools::clients().join("page.cjs"))
                .arg(tools::chromium()?)
                .arg(url);
            command.env("NODE_PATH", tools::node_modules());
            self.start(name, &mut command)?;
        }
        let terminal = self.terminals.get_mut(name).ok_or("no such terminal")?;
        if block.has("ctrl-c") {
            let group = format!("-{}", terminal.program.id());
            Command::new("kill")
                .args(["-INT", "--", &group])
                .status()
                .map_err(|error| error.to_string())?;
        }
        let lines: Vec<_> = block.text.lines().collect();
        self.await_lines(name, &lines)?;
        let terminal = self.terminals.get_mut(name).ok_or("no such terminal")?;
        if block.has("ctrl-c") {
            let ended = terminal.program.wait();
            if !ended.status.success() {
                return Err(format!("it ended with {}", ended.status));
            }
        }
        Ok(true)
    }

    /// Waits until what is shown comes next in a terminal.
    fn await_lines(&mut self, name: &str, shown: &[&str]) -> Result<(), String> {
        let terminal = self.terminals.get_mut(name).ok_or("no such terminal")?;
        let start = Instant::now();
        loop {
            let said = terminal.program.output();
            let whole = said.rsplit_once('\n').map_or("", |(whole, _)| whole);
            let lines: Vec<_> = whole.lines().skip(terminal.lines_seen).collect();
            if let Some(count) = expected::at_start(shown, &lines) {
                terminal.lines_seen += count;
                return Ok(());
            }
            if start.elapsed() > PATIENCE {
                return Err(format!(
                    "in the terminal {name}, this should come:\n{}\nand this came:\n{}\n{}",
                    shown.join("\n"),
                    lines.join("\n"),
                    terminal.program
                ));
            }
            thread::sleep(Duration::from_millis(10));
        }
    }

    fn configuration(&self, block: &Block) -> Result<(), String> {
        let file = block.value("file").unwrap_or("a-configuration.toml");
        fs::write(self.folder.join(file), &block.text).map_err(|error| error.to_string())?;
        let code = if block.has("invalid") { 2 } else { 0 };
        self.end_with(&format!("campanile check --config {file}"), code)
            .map(|_| ())
    }

    fn messages(&mut self, block: &Block) -> Result<(), String> {
        let mut values = serde_json::Deserializer::from_str(&block.text).into_iter::<Value>();
        let mut start = 0;
        while let Some(value) = values.next() {
            let value = value.map_err(|error| error.to_string())?;
            let text = block
                .text
                .get(start..values.byte_offset())
                .unwrap_or_default()
                .trim();
            start = values.byte_offset();
            let is_a_message =
                value.get("subscriptions").is_some() || value.get("notification").is_some();
            if value.get("sender").is_some() && is_a_message && value.get("position").is_none() {
                self.send(text, block.value("refused"))?;
            }
        }
        Ok(())
    }

    /// Sends a message over a session that answers everything.
    fn send(&mut self, message: &str, refused: Option<&str>) -> Result<(), String> {
        let daemon = self.daemon.get_or_insert_with(Daemon::start);
        let mut wire: Wire = daemon.connect_v1();
        wire.send_text(message);
        let Received::Text(answer) = wire.receive() else {
            return Err(format!("{message} is not answered"));
        };
        let error = error_in(&answer);
        let code = error.as_ref().and_then(|error| error["code"].as_str());
        if code == refused {
            Ok(())
        } else {
            Err(format!("{message} is answered with {answer}"))
        }
    }

    /// Everything that is in the terminals, for who has to find out what went wrong.
    fn screens(&self) -> String {
        let terminals = self.terminals.iter();
        terminals
            .map(|(name, terminal)| format!("\nin the terminal {name}: {}", terminal.program))
            .collect()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        for terminal in self.terminals.values() {
            // Some are over.
            let group = format!("-{}", terminal.program.id());
            let _ = Command::new("kill").args(["-KILL", "--", &group]).output();
        }
    }
}

/// That every word of the fence means something.
fn check_words(block: &Block) -> Result<(), String> {
    const KEYS: &[&str] = &["not-run", "file", "terminal", "open", "exit", "refused"];
    for word in &block.words {
        let is_known = match word.split_once('=') {
            Some((key, _)) => KEYS.contains(&key),
            None => ["ctrl-c", "invalid"].contains(&word.as_str()),
        };
        if !is_known {
            return Err(format!("{word} on the fence means nothing"));
        }
    }
    Ok(())
}

/// The commands of a block, each with what should be said; a backslash goes on in the next line.
fn commands(block: &Block) -> Result<Vec<(String, Vec<&str>)>, String> {
    let mut commands: Vec<(String, Vec<&str>)> = Vec::new();
    let mut goes_on = false;
    for line in block.text.lines() {
        if let Some(command) = line.strip_prefix("$ ") {
            commands.push((command.to_owned(), Vec::new()));
            goes_on = command.ends_with('\\');
            continue;
        }
        let (command, shown) = commands
            .last_mut()
            .ok_or("it does not begin with a command")?;
        if goes_on {
            command.push('\n');
            command.push_str(line);
            goes_on = line.ends_with('\\');
        } else {
            shown.push(line);
        }
    }
    if commands.is_empty() {
        Err("there is no command in it".into())
    } else {
        Ok(commands)
    }
}
