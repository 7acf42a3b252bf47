//! What the kernel says about a running bridge: CPU, memory, and how long its media threads waited for a core.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::ops::Sub;
use std::path::Path;
use std::process::Child;
use std::time::Duration;

/// Counters of one process, read at one moment. The difference of two is what happened in between.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time of all threads, user and system (`/proc/<pid>/stat`).
    pub cpu: Duration,
    /// CPU time of the media threads alone.
    pub media_cpu: Duration,
    /// How long runnable media threads waited for a core (`/proc/<pid>/task/*/schedstat`).
    pub media_run_queue_wait: Duration,
}

impl Usage {
    /// Reads the counters of a running process; media threads are those named `media-N`.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn of(pid: u32) -> io::Result<Self> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
        let mut usage = Self { cpu: cpu_of_stat(&stat).ok_or_else(unreadable)?, ..Self::default() };
        for task in fs::read_dir(format!("/proc/{pid}/task"))? {
            usage.add_task(&task?.path());
        }
        Ok(usage)
    }

    /// A thread may end while we look: what can't be read no longer counts.
    fn add_task(&mut self, task: &Path) {
        let Ok(name) = fs::read_to_string(task.join("comm")) else { return };
        if !name.starts_with("media-") {
            return;
        }
        let Ok(schedstat) = fs::read_to_string(task.join("schedstat")) else { return };
        let mut numbers = schedstat.split_whitespace().filter_map(|n| n.parse().ok());
        self.media_cpu += Duration::from_nanos(numbers.next().unwrap_or(0));
        self.media_run_queue_wait += Duration::from_nanos(numbers.next().unwrap_or(0));
    }
}

impl Sub for Usage {
    type Output = Self;
    fn sub(self, earlier: Self) -> Self {
        Self {
            cpu: self.cpu.saturating_sub(earlier.cpu),
            media_cpu: self.media_cpu.saturating_sub(earlier.media_cpu),
            media_run_queue_wait: self.media_run_queue_wait.saturating_sub(earlier.media_run_queue_wait),
        }
    }
}

/// CPU time of a process by what its threads do: those whose names differ in their numbers only are counted together.
///
/// # Errors
/// When there is no such process.
pub fn cpu_by_thread(pid: u32) -> io::Result<BTreeMap<String, Duration>> {
    let mut cpu = BTreeMap::<_, Duration>::new();
    for task in fs::read_dir(format!("/proc/{pid}/task"))? {
        let task = task?.path();
        let Ok(name) = fs::read_to_string(task.join("comm")) else { continue };
        let name = name.trim_end().trim_end_matches(|c: char| c.is_ascii_digit() || c == '-');
        *cpu.entry(name.to_owned()).or_default() += cpu_of_task(&task);
    }
    Ok(cpu)
}

/// CPU time of the thread that asks.
pub fn own_cpu() -> Duration {
    cpu_of_task(Path::new("/proc/thread-self"))
}

/// How long it ran: the first number of its `schedstat`; none if it is gone.
fn cpu_of_task(task: &Path) -> Duration {
    let schedstat = fs::read_to_string(task.join("schedstat")).unwrap_or_default();
    Duration::from_nanos(schedstat.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap_or(0))
}

/// Resident memory now, in bytes.
///
/// # Errors
/// When there is no such process.
pub fn resident_bytes(pid: u32) -> io::Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).ok_or_else(unreadable)?;
    let kib: u64 = line.trim().trim_end_matches("kB").trim().parse().map_err(|_| unreadable())?;
    Ok(kib * 1024)
}

/// Asks a process to end, as systemd does.
#[expect(unsafe_code, reason = "std can only kill; asking politely takes kill(2)")]
pub fn terminate(child: &Child) {
    // SAFETY: no memory is involved; the pid is of a child that is not reaped yet, since its handle lives.
    unsafe { libc::kill(child.id() as libc::pid_t, libc::SIGTERM) };
}

/// utime and stime: fields 14 and 15, counted after the name, which may itself hold blanks and parentheses.
fn cpu_of_stat(stat: &str) -> Option<Duration> {
    let after_name = stat.rsplit_once(')')?.1;
    let mut fields = after_name.split_whitespace().skip(11);
    let ticks: u64 = fields.next()?.parse::<u64>().ok()? + fields.next()?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * MILLIS_PER_TICK))
}

fn unreadable() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the kernel's process file reads differently than expected")
}

/// `USER_HZ`, which Linux shows as 100 on every architecture we run on.
const MILLIS_PER_TICK: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_is_read_past_a_confusing_name() {
        let stat = "42 (a) b (c) S 1 42 42 0 -1 4194560 900 0 0 0 150 50 0 0 20 0 4 0 100";
        assert_eq!(cpu_of_stat(stat), Some(Duration::from_secs(2)));
        assert_eq!(cpu_of_stat("nonsense"), None);
    }

    #[test]
    fn a_process_can_read_itself() {
        let usage = Usage::of(std::process::id()).expect("this process runs");
        assert_eq!(usage - usage, Usage::default());
        assert!(resident_bytes(std::process::id()).expect("this process runs") > 1 << 20);
        assert!(
            own_cpu() <= cpu_by_thread(std::process::id()).expect("this process runs").into_values().sum(),
            "all is more"
        );
    }
}
