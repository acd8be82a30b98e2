//! What an administrator does to a store, and sees of it: pages moved by hand, evictions witnessed, classes visited.

use slabs::{Key, Meta, NotReassigned, Options, Policy, Store};

/// Fills a store with values of one size.
fn filled(budget_bytes: u64, count: u64, value_bytes: usize) -> Store {
    let options = Options { budget_bytes, huge_pages: false, ..Options::default() };
    let mut store = Store::new(&options).unwrap();
    for number in 0..count {
        let name = format!("key{number:05}");
        let key = Key::new(&store.hasher().clone(), 0, name.as_bytes());
        store.put(&key, &vec![b'v'; value_bytes], &Meta::default(), 1).unwrap();
    }
    store
}

fn class_with_most_pages(store: &Store) -> usize {
    let classes = store.classes();
    (0..classes.len()).max_by_key(|&class| classes[class].pages).unwrap()
}

#[test]
fn a_page_is_reassigned_and_what_fits_stays() {
    let mut store = filled(16 << 20, 5000, 100);
    let from = class_with_most_pages(&store);
    let before = store.classes();
    assert!(before[from].pages > 2);
    store.reassign(Some(from), Some(from + 1), 1).unwrap();
    let after = store.classes();
    assert_eq!(after[from].pages, before[from].pages - 1);
    assert_eq!(after[from + 1].pages, before[from + 1].pages + 1);
    let chunks = (before[from].chunks_used + before[from].chunks_free) / before[from].pages;
    assert!(store.len() + chunks >= 5000, "no more than a page of items goes");
    for number in 0..5000 {
        let name = format!("key{number:05}");
        let key = Key::new(&store.hasher().clone(), 0, name.as_bytes());
        if let Some(item) = store.peek(&key, 1) {
            assert_eq!(item.value(), [b'v'; 100]);
            assert_eq!(item.class(), from);
        }
    }
    let total = store.ledger().total();
    store.reassign(Some(from), None, 1).unwrap();
    assert!(store.ledger().total() < total, "memory of no class goes back");
}

#[test]
fn a_reassignment_that_cannot_be_is_refused() {
    let mut store = filled(16 << 20, 100, 100);
    let class = class_with_most_pages(&store);
    let count = store.class_count();
    assert_eq!(store.reassign(Some(class), Some(class + 1), 1), Err(NotReassigned::NoneToSpare));
    assert_eq!(store.reassign(Some(class + 1), Some(class), 1), Err(NotReassigned::NoneToSpare));
    assert_eq!(store.reassign(None, Some(class), 1), Err(NotReassigned::NoneToSpare));
    for place in [count - 1, count, usize::MAX] {
        assert_eq!(store.reassign(Some(place), Some(class), 1), Err(NotReassigned::NoSuchClass));
        assert_eq!(store.reassign(Some(class), Some(place), 1), Err(NotReassigned::NoSuchClass));
    }
    let mut store = filled(16 << 20, 5000, 100);
    let class = class_with_most_pages(&store);
    store.set_policy(Policy::NoEviction);
    // Without room in the other pages nothing can go.
    let classes = store.classes();
    let chunks = (classes[class].chunks_used + classes[class].chunks_free) / classes[class].pages;
    if classes[class].chunks_free < chunks {
        assert_eq!(store.reassign(Some(class), None, 1), Err(NotReassigned::Stuck));
        assert_eq!(store.len(), 5000);
    }
}

#[test]
fn evictions_are_witnessed_while_somebody_looks() {
    let mut store = filled(1 << 20, 1000, 100);
    store.witness_evictions(true);
    let evicted = store.counters().evicted;
    for number in 0..20_000 {
        let name = format!("new{number}");
        let key = Key::new(&store.hasher().clone(), 3, name.as_bytes());
        let meta = Meta { expire_at_ms: 1_000_000, ..Meta::default() };
        store.put(&key, &[b'n'; 100], &meta, 1).unwrap();
    }
    let (seen, more) = store.take_evicted();
    assert_eq!(seen.len() as u64 + more, store.counters().evicted - evicted);
    assert!(seen.len() <= 1024 && !seen.is_empty());
    assert!(seen.iter().all(|item| item.value_bytes == 100));
    assert!(seen.iter().all(|item| (item.db == 3) == (item.expire_at_ms == 1_000_000)));
    store.witness_evictions(false);
    assert_eq!(store.take_evicted(), (Vec::new(), 0));
}

#[test]
fn classes_are_visited_up_to_a_bound() {
    let store = filled(16 << 20, 1000, 100);
    let class = class_with_most_pages(&store);
    let visited = |class: usize, chunks_max: usize, stop: usize| {
        let mut keys = std::collections::HashSet::new();
        store.visit_class(class, chunks_max, 1, &mut |item| {
            keys.insert(item.key().to_vec());
            keys.len() < stop
        });
        keys.len()
    };
    let held = store.classes()[class].chunks_used as usize;
    assert_eq!(visited(class, usize::MAX, usize::MAX), held);
    assert_eq!(visited(class, 10, usize::MAX), 10);
    assert_eq!(visited(class, usize::MAX, 5), 5);
    assert_eq!(visited(store.class_count() - 1, usize::MAX, usize::MAX), 0);
    assert_eq!(visited(usize::MAX, usize::MAX, usize::MAX), 0);
}
