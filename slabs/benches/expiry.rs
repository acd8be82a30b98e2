#![allow(unsafe_code)]
//! A million keys due at once, among four million that are not: reusable after how much of one core?
//!
//! `cargo bench -p slabs --bench expiry`. The sweep runs in slices, as a server would run it between requests.

use std::time::Duration;

use slabs::{Key, Meta, Options, Store};

const DUE_AT_MS: u64 = 1_000_000;
const EXAMINE_MAX: usize = 256;

/// CPU time of this thread: what other processes take does not count.
fn cpu_time() -> Duration {
    // SAFETY: clock_gettime only writes the timespec.
    let time = unsafe {
        let mut time: libc::timespec = std::mem::zeroed();
        libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time);
        time
    };
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

fn main() {
    for (others, others_expire) in [(0u64, 0), (4_000_000, 0), (4_000_000, 2 * DUE_AT_MS)] {
        let options = Options { budget_bytes: 2 << 30, ..Options::default() };
        let mut store = Store::new(&options).expect("budget");
        let hasher = store.hasher().clone();
        for number in 0..1_000_000 + others {
            let bytes = format!("key:{number:012}");
            let due = number % (1 + others / 1_000_000) == 0;
            let meta = Meta { expire_at_ms: if due { DUE_AT_MS } else { others_expire }, ..Meta::default() };
            store.put(&Key::new(&hasher, 0, bytes.as_bytes()), &[7; 100], &meta, 1).expect("room");
        }
        let used = store.classes().iter().map(|class| class.chunks_used).sum::<u64>();
        let (mut total, mut slices, mut slow, mut longest) = (Duration::ZERO, 0, 0, Duration::ZERO);
        loop {
            let start = cpu_time();
            let report = store.sweep(DUE_AT_MS, EXAMINE_MAX);
            let took = cpu_time() - start;
            total += took;
            slices += 1;
            slow += u64::from(took > Duration::from_micros(200));
            longest = longest.max(took);
            if !report.pending {
                break;
            }
        }
        let freed = used - store.classes().iter().map(|class| class.chunks_used).sum::<u64>();
        let verdict = if freed == 1_000_000 && total < Duration::from_secs(2) { "ok" } else { "MISSED" };
        println!(
            "{freed} due among {others} others (due later: {}): {total:.2?} in {slices} slices, {slow} over 200 us, \
             longest {longest:.2?}  bar 2 s {verdict}",
            others_expire > 0
        );
    }
}
