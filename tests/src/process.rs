//! Child processes whose output is collected while they run.

use alloc::sync::Arc;
use core::fmt;
use core::time::Duration;
use std::io::{Read, Write as _};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::{Condvar, Mutex, MutexGuard};
use std::thread;
use std::time::Instant;

use crate::PATIENCE;

/// How often a child that should end is asked whether it has.
const POLL_INTERVAL: Duration = Duration::from_millis(10);

/// A running child process. Its standard input stays open until [`Program::close_input`], since some
/// clients (wscat) leave when it ends; its output is collected all the time, so it never blocks on a
/// full pipe. It is killed when the value is dropped.
#[derive(Debug)]
pub struct Program {
    name: String,
    child: Child,
    input: Option<ChildStdin>,
    output: Arc<Collected>,
    errors: Arc<Collected>,
    lines_taken: usize,
}

/// How a program ended, and everything it said.
#[derive(Clone, Debug)]
pub struct Ended {
    /// The exit status.
    pub status: ExitStatus,
    /// Everything on standard output.
    pub output: Vec<u8>,
    /// Everything on standard error, bytes that are not UTF-8 replaced.
    pub errors: String,
}

impl Program {
    /// Starts `command`, all three standard streams piped.
    #[track_caller]
    pub fn start(command: &mut Command) -> Self {
        Self::start_with_input(command, Stdio::piped())
    }

    /// Starts `command` with a standard input of the caller's, the two others piped.
    #[track_caller]
    pub fn start_with_input(command: &mut Command, input: Stdio) -> Self {
        let name = command.get_program().to_string_lossy().into_owned();
        let mut child = command
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} cannot be started: {error}"));
        let output = Collected::from(child.stdout.take().expect("it is piped"));
        let errors = Collected::from(child.stderr.take().expect("it is piped"));
        let input = child.stdin.take();
        Self {
            name,
            child,
            input,
            output,
            errors,
            lines_taken: 0,
        }
    }

    /// The number of the process.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends the program a signal, such as `TERM`.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        let signal = format!("-{name}");
        let status = Command::new("kill")
            .args([signal, self.id().to_string()])
            .status()
            .expect("every Unix has kill");
        assert!(status.success(), "{} takes no {name}", self.name);
    }

    /// Runs `command` to its end with an empty standard input.
    #[track_caller]
    pub fn run(command: &mut Command) -> Ended {
        let mut program = Self::start(command);
        program.close_input();
        program.wait()
    }

    /// Writes to the program's standard input.
    #[track_caller]
    pub fn write(&mut self, bytes: &[u8]) {
        let input = self.input.as_mut().expect("the input is still open");
        if let Err(error) = input.write_all(bytes).and_then(|()| input.flush()) {
            panic!("{self} does not read its input: {error}");
        }
    }

    /// Ends the program's standard input, which asks the scripted clients to leave.
    pub fn close_input(&mut self) {
        self.input = None;
    }

    /// Waits until the standard output has one more complete line, and takes it, without its line end.
    #[track_caller]
    pub fn next_line(&mut self) -> String {
        let index = self.lines_taken;
        let line = self
            .output
            .wait_for(|bytes| complete_lines(bytes).nth(index));
        self.lines_taken += 1;
        line.unwrap_or_else(|| panic!("{self} said no further line"))
    }

    /// Waits until the standard output is at least as long as `expected` and asserts that it is just that.
    #[track_caller]
    pub fn assert_output(&self, expected: &str) {
        self.output
            .wait_for(|bytes| (bytes.len() >= expected.len()).then_some(()));
        assert_eq!(self.output.text(), expected, "the whole output of {self}");
    }

    /// Waits until `count` complete lines of standard error contain `substring`, and returns the last of them.
    #[track_caller]
    pub fn wait_for_errors(&self, substring: &str, count: usize) -> String {
        let found = self.errors.wait_for(|bytes| {
            complete_lines(bytes)
                .filter(|line| line.contains(substring))
                .nth(count - 1)
        });
        found.unwrap_or_else(|| {
            panic!("{self} did not write {count} × {substring:?} to standard error")
        })
    }

    /// Everything on standard output so far, bytes that are not UTF-8 replaced.
    #[must_use]
    pub fn output(&self) -> String {
        self.output.text()
    }

    /// Everything on standard error so far, bytes that are not UTF-8 replaced.
    #[must_use]
    pub fn errors(&self) -> String {
        self.errors.text()
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Whether it is still running.
    #[must_use]
    pub fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Waits for the program to end by itself.
    #[track_caller]
    pub fn wait(&mut self) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            match self.child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) if Instant::now() < deadline => thread::sleep(POLL_INTERVAL),
                Ok(None) => panic!("{self} does not end"),
                Err(error) => panic!("{self} cannot be waited for: {error}"),
            }
        };
        self.output.wait_for_end();
        self.errors.wait_for_end();
        Ended {
            status,
            output: self.output.state().bytes.clone(),
            errors: self.errors.text(),
        }
    }

    /// Asks a scripted client to leave and asserts that it does so without a complaint, having said
    /// nothing beyond the lines already taken.
    #[track_caller]
    pub fn finish(mut self) {
        self.close_input();
        let ended = self.wait();
        let said = String::from_utf8_lossy(&ended.output).into_owned();
        let unexpected: Vec<_> = said.lines().skip(self.lines_taken).collect();
        assert!(ended.status.success(), "{self} failed: {}", ended.status);
        assert!(unexpected.is_empty(), "{self} also said {unexpected:?}");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Both fail only when the child has already been waited for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The program's name and everything it has said, for the message of a failed test.
impl fmt::Display for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.name)?;
        for (stream, collected) in [("output", &self.output), ("errors", &self.errors)] {
            writeln!(
                f,
                "--- its {stream}:
{}",
                collected.text().trim_end()
            )?;
        }
        f.write_str("---")
    }
}

/// The lines of which the end has come, without that end; bytes that are not UTF-8 replaced.
fn complete_lines(bytes: &[u8]) -> impl Iterator<Item = String> {
    let lines = bytes.split_inclusive(|byte| *byte == b'\n');
    lines.filter_map(|line| Some(String::from_utf8_lossy(line.strip_suffix(b"\n")?).into_owned()))
}

/// What a thread has read from a pipe so far.
#[derive(Debug, Default)]
struct Collected {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    bytes: Vec<u8>,
    ended: bool,
}

impl Collected {
    fn from(mut pipe: impl Read + Send + 'static) -> Arc<Self> {
        let collected = Arc::new(Self::default());
        let ours = Arc::clone(&collected);
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            loop {
                let length = pipe.read(&mut chunk).unwrap_or(0);
                let mut state = ours.state();
                state.bytes.extend_from_slice(&chunk[..length]);
                state.ended = length == 0;
                ours.changed.notify_all();
                if state.ended {
                    break;
                }
            }
        });
        collected
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder of the lock panics")
    }

    /// All of it, bytes that are not UTF-8 replaced.
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.state().bytes).into_owned()
    }

    /// What `look` finds, as soon as it finds something; `None` when the pipe ends or the patience
    /// does before that.
    fn wait_for<T>(&self, mut look: impl FnMut(&[u8]) -> Option<T>) -> Option<T> {
        self.wait_until(|state| {
            let found = look(&state.bytes);
            (found.is_some() || state.ended).then_some(found)
        })
        .flatten()
    }

    /// Waits until the pipe has ended. A grandchild may hold it open, so patience ends this as well.
    fn wait_for_end(&self) {
        let _ = self.wait_until(|state| state.ended.then_some(()));
    }

    fn wait_until<T>(&self, mut done: impl FnMut(&State) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + PATIENCE;
        let mut state = self.state();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let result = done(&state);
            if result.is_some() || left.is_zero() {
                return result;
            }
            state = self
                .changed
                .wait_timeout(state, left)
                .expect("no holder of the lock panics")
                .0;
        }
    }
}
