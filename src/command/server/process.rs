//! What the kernel knows about this process. Read when somebody asks for it: the only files that commands open,
//! and `/proc` never waits for a disk.

use std::fs::read_to_string;

/// Clock ticks per second in `/proc`, the same on every Linux that there is.
const TICKS_PER_SECOND: f64 = 100.0;

/// Bytes of memory that the process holds; 0 where that cannot be known.
pub fn rss_bytes() -> u64 {
    let text = read_to_string("/proc/self/status").unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.map_or(0, |kib| kib * 1024)
}

/// Seconds of processor time: the kernel's and the process's own.
pub fn cpu_secs(thread: bool) -> (f64, f64) {
    let file = if thread { "/proc/thread-self/stat" } else { "/proc/self/stat" };
    let text = read_to_string(file).unwrap_or_default();
    // The second field is the name in parentheses, which may hold blanks.
    let rest = text.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut fields = rest.split_whitespace().skip(11).map(|field| field.parse::<f64>().unwrap_or(0.0));
    let (user, system) = (fields.next().unwrap_or(0.0), fields.next().unwrap_or(0.0));
    (system / TICKS_PER_SECOND, user / TICKS_PER_SECOND)
}

/// `Linux 6.1.0 x86_64`.
pub(super) fn system() -> String {
    let read = |name: &str| read_to_string(format!("/proc/sys/kernel/{name}")).unwrap_or_default();
    format!("{} {} {}", read("ostype").trim(), read("osrelease").trim(), std::env::consts::ARCH)
}

/// Path of the program.
pub(super) fn executable() -> String {
    std::env::current_exe().map(|path| path.display().to_string()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_holds_memory_and_runs_on_something() {
        assert!(rss_bytes() > 4096);
        assert!(system().starts_with("Linux "));
        assert!(executable().contains("larder"));
        let (system, user) = cpu_secs(false);
        assert!(system >= 0.0 && user >= 0.0);
    }
}
