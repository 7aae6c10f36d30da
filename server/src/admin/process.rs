//! What this process takes of the machine, as Linux tells it, and nothing elsewhere.

use std::fs;

use rustix::process::{Resource, getrlimit};

/// What is known.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Process {
    /// Hundredths of a second of processor time, user and system.
    pub(super) ticks: Option<u64>,
    /// Bytes of memory that are resident.
    pub(super) resident: Option<u64>,
    pub(super) descriptors: Option<u64>,
    /// How many there may be.
    pub(super) max_descriptors: Option<u64>,
}

pub(super) fn measure() -> Process {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let descriptors = fs::read_dir("/proc/self/fd").ok();
    Process {
        ticks: ticks(&stat),
        resident: resident(&status),
        // Without the one that reads them.
        descriptors: descriptors.map(|all| (all.count() as u64).saturating_sub(1)),
        max_descriptors: getrlimit(Resource::Nofile).current,
    }
}

/// The place of the user time among what is behind the name (`man 5 proc_pid_stat`).
const USER_TIME: usize = 11;

fn ticks(stat: &str) -> Option<u64> {
    // The name before it may have spaces and brackets.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ').skip(USER_TIME);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    user.checked_add(system)
}

fn resident(status: &str) -> Option<u64> {
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kibibytes: u64 = line.trim().strip_suffix(" kB")?.parse().ok()?;
    kibibytes.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_texts_are_understood() {
        let stat = "7 (a) b) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14";
        assert_eq!(ticks(stat), Some(11 + 12 - 1 + 1));
        assert_eq!(
            resident("VmHWM:\t  9 kB\nVmRSS:\t    5 kB\n"),
            Some(5 * 1024)
        );
        for text in ["", "7 (a", "VmRSS: 5", "VmRSS: x kB"] {
            assert_eq!((ticks(text), resident(text)), (None, None), "{text}");
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_is_measured() {
        let process = measure();
        assert!(process.ticks.is_some() && process.max_descriptors.is_some());
        assert!(process.resident.is_some_and(|bytes| bytes > 100_000));
        assert!(process.descriptors.is_some_and(|count| count >= 3));
    }
}
