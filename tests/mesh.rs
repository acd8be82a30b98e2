//! Cores on threads of their own that send each other mail through small rings and sleep whenever they may: everything comes, in
//! order, and nobody sleeps over it. `tests/sanitize` runs this under ThreadSanitizer.

use larder::mesh::Mesh;
use std::sync::{Arc, Barrier, OnceLock};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

/// Nobody who is woken sleeps as long.
const TOO_LONG: Duration = Duration::from_secs(20);

/// The threads, once they run.
struct Bells(Vec<OnceLock<Thread>>, Barrier);

/// What one core has seen.
#[derive(Debug, Default)]
struct Seen {
    mails: u64,
    sleeps: u64,
    full_rings: u64,
}

/// A core that sends `each` mails to every other, some at a time, with pauses in which it only listens. A mail is its
/// number, in a box so that its memory changes hands too.
fn core(mut mesh: Mesh<Box<u64>>, index: u16, each: u64, bells: &Bells) -> Seen {
    bells.0[index as usize].set(thread::current()).expect("set once");
    bells.1.wait();
    let others = mesh.cores() - 1;
    let mut next = vec![0; mesh.cores() as usize];
    let (mut seen, mut sent, mut dice) = (Seen::default(), 0, u64::from(index) + 1);
    while seen.mails < each * u64::from(others) || sent < each || mesh.waiting().next().is_some() {
        while let Some((from, mail)) = mesh.receive() {
            assert_eq!(*mail, next[from as usize], "mail of core {from} out of order");
            next[from as usize] += 1;
            seen.mails += 1;
        }
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let batch = if mesh.is_congested() { 0 } else { (dice >> 60).min(each - sent) };
        for number in sent..sent + batch {
            (0..mesh.cores()).filter(|to| *to != index).for_each(|to| mesh.post(to, Box::new(number)));
        }
        sent += batch;
        mesh.flush(|to| bells.0[to as usize].get().expect("all run").unpark(), |_| {});
        if mesh.is_congested() {
            seen.full_rings += 1;
            thread::yield_now();
        } else if batch == 0 && seen.mails < each * u64::from(others) && mesh.may_sleep() {
            if sent == each {
                let asleep = Instant::now();
                thread::park_timeout(TOO_LONG);
                assert!(asleep.elapsed() < TOO_LONG, "core {index} slept over its mail");
                seen.sleeps += 1;
            } else {
                // It has more to say by itself.
                thread::yield_now();
            }
            mesh.awake();
        }
    }
    seen
}

fn run(cores: u16, ring: usize, each: u64) -> Vec<Seen> {
    let bells = Arc::new(Bells((0..cores).map(|_| OnceLock::new()).collect(), Barrier::new(cores as usize)));
    let threads: Vec<_> = Mesh::connect(cores as usize, ring)
        .into_iter()
        .zip(0..)
        .map(|(mesh, index)| {
            let bells = bells.clone();
            thread::spawn(move || core(mesh, index, each, &bells))
        })
        .collect();
    threads.into_iter().map(|thread| thread.join().expect("a core")).collect()
}

#[test]
fn mail_of_all_cores_comes_in_order_and_wakes_who_sleeps() {
    for (cores, ring, each) in [(2, 1, 20_000), (2, 64, 50_000), (4, 2, 10_000), (3, 4096, 20_000)] {
        let seen = run(cores, ring, each);
        for core in &seen {
            assert_eq!(core.mails, each * u64::from(cores - 1), "{seen:?}");
        }
        println!("{cores} cores, rings of {ring}: {seen:?}");
    }
}
