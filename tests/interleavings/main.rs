//! What cores share without locks, in every order in which its operations can happen and be seen.
//!
//! The files are those that the server is built from, compiled here a second time with loom's atomics in the place of
//! `crate::atomic`. loom runs each model once for every interleaving of its threads, and has each load return every value
//! that the memory model of Rust permits, so what passes here holds on processors that reorder more than ours does. A model that
//! fails prints the order of its steps.
//!
//! | file | what is modelled |
//! |---|---|
//! | `src/mesh/sleep.rs` | nobody sleeps over mail; of several senders one rings |
//! | `src/metrics/cell.rs` | a counter that begins anew under a reader is never less than nothing |
//! | `src/parameters/numbers.rs` | who sees that something was set sees what |
//! | `src/shared/watchers/wanted.rs` | the mask has the topics that somebody listens to, and no others |
//! | `slabs/src/large/holders.rs` | a blob is freed once, by its last holder, and written while nobody reads it |
//!
//! The rings themselves are `rtrb`'s, a bell is a system call. Other shared numbers (`shared::Shared`, `tuning`) are flags
//! and counters that order nothing; users, certificates and texts of parameters are behind locks.

mod atomic {
    pub(crate) use loom::sync::Arc;
    pub(crate) use loom::sync::atomic::{
        AtomicBool, AtomicI64, AtomicPtr, AtomicU32, AtomicU64, Ordering, fence,
    };
}

#[path = "../../src/metrics/cell.rs"]
mod cell;
#[path = "../../slabs/src/large/holders.rs"]
mod holders;
#[path = "../../src/parameters/numbers.rs"]
mod numbers;
#[path = "../../src/mesh/sleep.rs"]
mod sleep;
#[path = "../../src/shared/watchers/wanted.rs"]
mod wanted;

use atomic::{Arc, AtomicU64, Ordering};
use loom::cell::UnsafeCell;
use loom::thread::{self, Thread};

/// Runs a model in every order of its steps in which threads are interrupted three times at most (where they wait apart), which
/// is where almost all faults show; `LOOM_MAX_PREEMPTIONS=100` takes them all, and a minute.
fn every_order(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(3));
    builder.check(model);
}

/// A ring of mail as far as its receiver sees it: how many mails lie in it.
#[derive(Default)]
struct Ring(AtomicU64);

impl Ring {
    fn push(&self) {
        self.0.fetch_add(1, Ordering::Release);
    }

    fn len(&self) -> u64 {
        self.0.load(Ordering::Acquire)
    }
}

/// A mail, and the bell of a receiver that sleeps.
fn send(sleepers: &sleep::Sleepers, ring: &Ring, receiver: &Thread) {
    ring.push();
    if sleepers.must_wake(0) {
        receiver.unpark();
    }
}

/// A core that takes mail from some rings until so much has come. It sleeps when there is none; a sleep that nobody ends is
/// a deadlock, which loom reports.
fn receive_all(sleepers: &sleep::Sleepers, rings: &[Ring], mails: u64) {
    let taken = || rings.iter().map(Ring::len).sum::<u64>();
    let mut seen = 0;
    while seen < mails {
        if sleepers.may_sleep(0, || taken() > seen) {
            thread::park();
            sleepers.is_up(0);
        }
        seen = taken();
    }
}

#[test]
fn nobody_sleeps_over_mail() {
    every_order(|| {
        let shared = Arc::new((sleep::Sleepers::new(1), [Ring::default()]));
        let (sender, receiver) = (shared.clone(), thread::current());
        let sender = thread::spawn(move || {
            send(&sender.0, &sender.1[0], &receiver);
            send(&sender.0, &sender.1[0], &receiver);
        });
        receive_all(&shared.0, &shared.1, 2);
        sender.join().unwrap();
    });
}

#[test]
fn nobody_sleeps_over_mail_of_several_senders() {
    every_order(|| {
        let shared = Arc::new((sleep::Sleepers::new(1), [Ring::default(), Ring::default()]));
        let senders = [0, 1].map(|from| {
            let (shared, receiver) = (shared.clone(), thread::current());
            thread::spawn(move || send(&shared.0, &shared.1[from], &receiver))
        });
        receive_all(&shared.0, &shared.1, 2);
        senders.into_iter().for_each(|sender| sender.join().unwrap());
    });
}

#[test]
fn a_sleeper_is_woken_by_one_of_its_senders() {
    every_order(|| {
        let shared = Arc::new((sleep::Sleepers::new(1), [Ring::default(), Ring::default()]));
        assert!(shared.0.may_sleep(0, || false));
        let senders = [0, 1].map(|from| {
            let shared = shared.clone();
            thread::spawn(move || {
                shared.1[from].push();
                shared.0.must_wake(0)
            })
        });
        let rang = senders.map(|sender| sender.join().unwrap());
        assert_ne!(rang[0], rang[1]);
    });
}

#[test]
fn a_counter_is_never_less_than_nothing() {
    every_order(|| {
        let shared = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
        let (owner, restarter) = (shared.clone(), shared.clone());
        let owner = thread::spawn(move || {
            cell::add(&owner.0, 2);
            cell::add(&owner.0, 3);
        });
        let restarter = thread::spawn(move || cell::restart(&restarter.0, &restarter.1));
        let seen = cell::since(&shared.0, &shared.1);
        assert!([0, 2, 3, 5].contains(&seen), "{seen}");
        owner.join().unwrap();
        restarter.join().unwrap();
        let left = cell::since(&shared.0, &shared.1);
        assert!([0, 3, 5].contains(&left), "{left}");
    });
}

#[test]
fn who_sees_that_something_was_set_sees_what() {
    every_order(|| {
        let numbers = Arc::new(numbers::Numbers::<2>::new());
        let setter = numbers.clone();
        let setter = thread::spawn(move || {
            for value in 1..=2 {
                setter.set(0, value);
                setter.set(1, 10 * value);
                setter.changed();
            }
        });
        // As a core does, once a turn.
        let (mut seen, mut copy) = (0, (0, 0));
        let mut look = || {
            if numbers.changes() != seen {
                seen = numbers.changes();
                copy = (numbers.get(0), numbers.get(1));
                assert!(copy.0 >= seen as i64 && copy.1 >= 10 * seen as i64, "{copy:?} of change {seen}");
            }
        };
        look();
        look();
        setter.join().unwrap();
        look();
        assert_eq!((seen, copy), (2, (2, 20)));
    });
}

/// Those who come, and those who come and leave, at the same time.
fn listeners(stay: &'static [u16], leave: &'static [u16], expected: u32) {
    every_order(move || {
        let wanted = Arc::new(wanted::Wanted::default());
        let come = |topics: u16, leaves: bool| {
            let wanted = wanted.clone();
            thread::spawn(move || {
                wanted.listen(topics);
                if leaves {
                    wanted.unlisten(topics);
                }
            })
        };
        let all: Vec<_> = stay
            .iter()
            .map(|topics| come(*topics, false))
            .chain(leave.iter().map(|topics| come(*topics, true)))
            .collect();
        all.into_iter().for_each(|each| each.join().unwrap());
        assert_eq!(wanted.mask(), expected);
    });
}

#[test]
fn a_topic_is_wanted_though_another_leaves_as_somebody_comes() {
    listeners(&[1], &[1], 1);
}

#[test]
fn a_topic_is_not_wanted_when_the_last_have_left_at_once() {
    listeners(&[], &[1, 1], 0);
}

#[test]
fn topics_do_not_mix() {
    listeners(&[2], &[1], 2);
}

/// A blob with some bytes: whoever reads or writes them says so, and loom knows whether another may be at them.
struct Blob {
    holders: holders::Holders,
    bytes: UnsafeCell<u8>,
    freed: AtomicU64,
}

const BYTES: u64 = 100;

impl Blob {
    fn new() -> Arc<Blob> {
        let (holders, bytes) = (holders::Holders::one(), UnsafeCell::new(0));
        Arc::new(Blob { holders, bytes, freed: AtomicU64::new(0) })
    }

    fn read(&self) {
        self.bytes.with(|_| ());
    }

    fn write(&self) {
        self.bytes.with_mut(|_| ());
    }

    fn give_back(&self) {
        if self.holders.less(|| BYTES) {
            self.write();
            self.freed.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Readers on other threads, of which one alone clones what it was lent; meanwhile `store` does its part.
fn lent_to(readers: usize, store: fn(&Blob, &Arc<AtomicU64>)) {
    every_order(move || {
        let (blob, left) = (Blob::new(), Arc::new(AtomicU64::new(0)));
        blob.write();
        let all: Vec<_> = (0..readers)
            .map(|_| {
                blob.holders.more();
                let blob = blob.clone();
                thread::spawn(move || {
                    if readers == 1 {
                        blob.holders.more();
                        blob.give_back();
                    }
                    blob.read();
                    assert!(blob.holders.sharers().is_none_or(|sharers| sharers >= 1));
                    blob.give_back();
                })
            })
            .collect();
        store(&blob, &left);
        all.into_iter().for_each(|reader| reader.join().unwrap());
        assert_eq!(blob.freed.load(Ordering::Relaxed), 1, "freed once");
        assert_eq!(left.load(Ordering::Relaxed), 0, "nothing is left to anybody");
        assert_eq!(Arc::strong_count(&left), 1);
    });
}

#[test]
fn a_blob_that_the_store_leaves_is_freed_by_the_last_of_its_readers() {
    lent_to(2, |blob, left| {
        blob.holders.leave(|| BYTES, left);
        blob.give_back();
    });
}

#[test]
fn a_blob_is_written_in_its_place_when_nobody_reads_it() {
    lent_to(1, |blob, left| {
        if !blob.holders.is_shared() {
            blob.write();
        }
        blob.holders.leave(|| BYTES, left);
        blob.give_back();
    });
}
