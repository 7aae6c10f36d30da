//! What a process costs: its processor time and its memory, as Linux tells them.

use core::time::Duration;
use std::{fs, path::PathBuf};

/// A process on this machine.
#[derive(Clone, Debug)]
pub(crate) struct Process {
    folder: PathBuf,
}

impl Process {
    pub(crate) fn new(pid: u32) -> Self {
        Self {
            folder: format!("/proc/{pid}").into(),
        }
    }

    /// The processor time of all its threads that are there, user and system; the error is a line for a
    /// person.
    pub(crate) fn cpu(&self) -> Result<Duration, String> {
        self.precise_cpu()
            .or_else(|| self.coarse_cpu())
            .ok_or_else(|| {
                self.unreadable(
                    "its processor time",
                    "check the process id; it may have ended",
                )
            })
    }

    /// From the scheduler, in nanoseconds; a kernel may leave it out.
    fn precise_cpu(&self) -> Option<Duration> {
        let mut nanos = 0_u64;
        for task in fs::read_dir(self.folder.join("task")).ok()? {
            // A thread may end in between.
            let Ok(text) = fs::read_to_string(task.ok()?.path().join("schedstat")) else {
                continue;
            };
            nanos += text.split(' ').next()?.parse::<u64>().ok()?;
        }
        (nanos > 0).then(|| Duration::from_nanos(nanos))
    }

    /// Hundredths of a second, everywhere.
    fn coarse_cpu(&self) -> Option<Duration> {
        let text = fs::read_to_string(self.folder.join("stat")).ok()?;
        // The name before it may have spaces and brackets.
        let (_, fields) = text.rsplit_once(") ")?;
        let mut fields = fields.split(' ').skip(USER_TIME);
        let user: u64 = fields.next()?.parse().ok()?;
        let system: u64 = fields.next()?.parse().ok()?;
        Some(Duration::from_millis((user + system) * TICK))
    }

    /// Its memory in bytes: what it has for itself and its share of the rest, where that is told.
    pub(crate) fn memory(&self) -> Result<u64, String> {
        let read = |file: &str, name: &str| {
            let text = fs::read_to_string(self.folder.join(file)).ok()?;
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
            Some(kibibytes * 1024)
        };
        read("smaps_rollup", "Pss:")
            .or_else(|| read("status", "VmRSS:"))
            .ok_or_else(|| {
                self.unreadable("its memory", "run this as the server's user or as root")
            })
    }

    fn unreadable(&self, what: &str, remedy: &str) -> String {
        format!(
            "{what} cannot be read in {}: {remedy}",
            self.folder.display()
        )
    }
}

/// The place of the user time among what is behind the name (`man 5 proc_pid_stat`).
const USER_TIME: usize = 11;

/// Milliseconds of a tick: Linux shows hundredths of a second on all its usual platforms.
const TICK: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;
    use std::process;

    #[test]
    fn work_takes_processor_time_and_memory() {
        let this = Process::new(process::id());
        let before = (this.cpu().unwrap(), this.memory().unwrap());
        let mut work = vec![0_u64; 4 << 20];
        while this.cpu().unwrap() - before.0 < Duration::from_millis(20) {
            for (index, it) in work.iter_mut().enumerate() {
                *it += index as u64;
            }
        }
        assert!(this.memory().unwrap() > before.1 + (16 << 20));
        assert!(this.coarse_cpu().is_some());
    }

    #[test]
    fn a_process_that_is_not_there_is_named() {
        let nobody = Process::new(u32::MAX);
        for error in [nobody.cpu().unwrap_err(), nobody.memory().unwrap_err()] {
            assert!(error.contains("/proc/4294967295: "), "{error}");
        }
    }
}
