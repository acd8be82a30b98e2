//! What the machine, or the container around the process, lets it use.

use crate::parameters::Host;
use std::path::{Path, PathBuf};
use std::thread;

/// Processors (affinity and cgroup quota) and memory (machine, cgroup, address space limit).
pub fn detect() -> Host {
    Host {
        cores: thread::available_parallelism().map_or(1, usize::from),
        memory_bytes: memory_bytes(Path::new("/")),
    }
}

/// Where nothing can be found out, a size that does no harm anywhere.
const MEMORY_UNKNOWN: u64 = 1 << 30;

/// Bytes of memory that the process may use, read from the system files under `root`.
fn memory_bytes(root: &Path) -> u64 {
    let limits = [machine(root), cgroup(root), address_space(root)];
    limits.into_iter().flatten().min().unwrap_or(MEMORY_UNKNOWN)
}

/// `MemTotal` of the machine.
fn machine(root: &Path) -> Option<u64> {
    let text = read(root, "proc/meminfo")?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok()?.checked_mul(1024)
}

/// `RLIMIT_AS`: arenas are reserved whole, so it bounds them.
fn address_space(root: &Path) -> Option<u64> {
    let text = read(root, "proc/self/limits")?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max address space"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The least limit on the way from the process's cgroup to the root, version 2 or 1.
fn cgroup(root: &Path) -> Option<u64> {
    let text = read(root, "proc/self/cgroup")?;
    let mut least = None;
    for line in text.lines() {
        let mut fields = line.splitn(3, ':');
        let (_, Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
            continue;
        };
        let (mount, files) = match controllers {
            "" => ("sys/fs/cgroup", &["memory.max", "memory.high"][..]),
            list if list.split(',').any(|name| name == "memory") => {
                ("sys/fs/cgroup/memory", &["memory.limit_in_bytes"][..])
            }
            _ => continue,
        };
        let limits = files.iter().filter_map(|file| least_upwards(root, mount, path, file));
        least = limits.chain(least).min();
    }
    least
}

/// Inside a container the path of the process's group may not exist under the mount, whose root is then
/// the group itself; so each directory that is there counts.
fn least_upwards(root: &Path, mount: &str, path: &str, file: &str) -> Option<u64> {
    let path = PathBuf::from(path.trim_start_matches('/'));
    let limits = path.ancestors().filter_map(|part| {
        // "max" is no number: no limit.
        read(&root.join(mount).join(part), file)?.trim().parse::<u64>().ok()
    });
    limits.min()
}

fn read(root: &Path, file: &str) -> Option<String> {
    std::fs::read_to_string(root.join(file)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory that looks like a machine.
    struct Machine(PathBuf);

    impl Machine {
        fn new(name: &str, files: &[(&str, &str)]) -> Machine {
            let root = std::env::temp_dir().join(format!("larder-host-{}-{name}", std::process::id()));
            for (file, text) in files {
                let path = root.join(file);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, text).unwrap();
            }
            Machine(root)
        }
    }

    impl Drop for Machine {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    const MEMINFO: (&str, &str) = ("proc/meminfo", "MemFree: 1 kB\nMemTotal:       8192 kB\n");

    #[test]
    fn without_limits_it_is_the_machines_memory() {
        let machine = Machine::new(
            "plain",
            &[
                MEMINFO,
                ("proc/self/cgroup", "0::/\n"),
                (
                    "proc/self/limits",
                    "Max address space         unlimited            unlimited            bytes\n",
                ),
                ("sys/fs/cgroup/memory.max", "max\n"),
            ],
        );
        assert_eq!(memory_bytes(&machine.0), 8192 * 1024);
    }

    #[test]
    fn the_least_limit_on_the_way_up_counts() {
        let machine = Machine::new(
            "v2",
            &[
                MEMINFO,
                ("proc/self/cgroup", "0::/system.slice/larder.service\n"),
                ("sys/fs/cgroup/system.slice/memory.max", "1000000\n"),
                ("sys/fs/cgroup/system.slice/larder.service/memory.max", "max\n"),
                ("sys/fs/cgroup/system.slice/larder.service/memory.high", "2000000\n"),
            ],
        );
        assert_eq!(memory_bytes(&machine.0), 1_000_000);
    }

    #[test]
    fn version_1_is_read_where_the_containers_root_is_mounted() {
        let machine = Machine::new(
            "v1",
            &[
                MEMINFO,
                ("proc/self/cgroup", "5:cpu,cpuacct:/docker/abc\n4:memory:/docker/abc\n"),
                ("sys/fs/cgroup/memory/memory.limit_in_bytes", "3000000\n"),
            ],
        );
        assert_eq!(memory_bytes(&machine.0), 3_000_000);
    }

    #[test]
    fn an_address_space_limit_counts_and_nothing_known_is_survived() {
        let limits = "Max address space         4000000              unlimited            bytes\n";
        let machine = Machine::new("limits", &[MEMINFO, ("proc/self/limits", limits)]);
        assert_eq!(memory_bytes(&machine.0), 4_000_000);
        assert_eq!(memory_bytes(Path::new("/nowhere/at/all")), MEMORY_UNKNOWN);
    }

    #[test]
    fn this_machine_has_processors_and_memory() {
        let host = detect();
        assert!(host.cores >= 1 && host.memory_bytes > 1 << 20);
    }
}
