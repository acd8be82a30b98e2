#![allow(unsafe_code)]
//! Blobs of the process allocator, for values that fit no chunk. Owns how they are taken, measured, shared and given
//! back.
//!
//! A blob has holders, counted before its bytes: the store, and whoever was lent it ([`Lent`]), on any thread. It is
//! written only while it has one holder, and freed when the last lets go. So a value is sent to a slow reader from where
//! it lies, and what becomes of its item meanwhile does not matter.
//!
//! The C allocator is called directly, because it says how many bytes a block really takes.

mod holders;

use crate::spare::Spares;
use holders::Holders;
use std::cell::RefCell;
use std::mem::MaybeUninit;
use std::ops::{Deref, Range};
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

/// What the allocator keeps before a block.
const BLOCK_HEADER_BYTES: u64 = 8;

/// What stands before a blob's bytes.
const HEAD_BYTES: usize = size_of::<Holders>();

/// Most bytes of a block that are taken before any of what it is for has come, so that a lying length costs little: a
/// value of a MiB, which is memcached's usual limit, with the request around it.
const DRAFT_BYTES_FIRST: usize = (1 << 20) + (4 << 10);

/// Smaller blobs are not kept for reuse: the allocator does that by itself.
const SPARE_BYTES_MIN: usize = 120 << 10;

/// What a thread keeps of freed blobs. It goes with its thread.
struct Kept(RefCell<Spares>);

impl Kept {
    fn limit(&self, bytes_max: usize) {
        let mut spares = self.0.borrow_mut();
        spares.limit(bytes_max);
        while let Some(blob) = spares.surplus() {
            free(blob);
        }
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.limit(0);
    }
}

thread_local! {
    static SPARES: Kept = const { Kept(RefCell::new(Spares::new())) };
}

/// Lets the calling thread keep so many bytes of freed large values for the next ones, which then cost no fresh pages.
/// They count as nobody's: see [`spare_blob_bytes`].
pub fn keep_spare_blobs(bytes_max: u64) {
    let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
    // A thread that ends keeps nothing.
    let _ = SPARES.try_with(|kept| kept.limit(bytes_max));
}

/// Bytes that the calling thread keeps so.
pub fn spare_blob_bytes() -> u64 {
    SPARES.try_with(|kept| kept.0.borrow().bytes() as u64).unwrap_or(0)
}

/// Frees a part of those that nobody has needed since the last call. To be called now and then: all are gone after some
/// tens of calls without use.
pub fn rest_spare_blobs() {
    let _ = SPARES.try_with(|kept| {
        let mut spares = kept.0.borrow_mut();
        let until = spares.bytes() - spares.stale();
        while spares.bytes() > until
            && let Some(blob) = spares.oldest()
        {
            free(blob);
        }
    });
}

/// From this size on a block comes from the kernel and goes back to it. Rounding to pages costs 3 % at most, which is
/// charged.
#[cfg(target_env = "gnu")]
const KERNEL_BLOCK_BYTES_MIN: i32 = 128 << 10;

/// Has the process's allocator take large blocks from the kernel one by one, and give them back when they are freed.
///
/// glibc does so only until the first is freed: then it raises the size from which on it does (up to 32 MiB) and cuts
/// large blocks from its heaps, where values of changing sizes leave holes that nobody counts: 150 MiB beside a budget
/// of 256. The price is the kernel's zeroing of what [`keep_spare_blobs`] does not hold ready. Meant for whoever owns the process, once, before
/// the first store.
pub fn return_freed_values() {
    #[cfg(target_env = "gnu")]
    // SAFETY: the call changes parameters of the allocator under its own lock; blocks that are there stay valid.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, KERNEL_BLOCK_BYTES_MIN);
    }
}

/// Has the process's allocator give what it keeps of freed blocks back to the system, whole pages of it. Meant for when much
/// was freed that is not going to be needed soon: it looks at all that is free, milliseconds for 100 MiB.
pub fn give_back_freed_memory() {
    #[cfg(target_env = "gnu")]
    // SAFETY: only blocks that are free are touched, under the allocator's own lock.
    unsafe {
        libc::malloc_trim(0);
    }
}

fn head<'a>(blob: *mut u8) -> &'a Holders {
    // SAFETY: `blob` came from `take` or `resize` and has a holder, on whose behalf this is called: its head is
    // there, initialised and aligned as the allocator aligns, and it is only changed through atomics.
    unsafe { &*blob.sub(HEAD_BYTES).cast::<Holders>() }
}

/// A blob of at least `bytes` with one holder, or `None` if the process has no more.
pub(crate) fn take(bytes: usize) -> Option<*mut u8> {
    if bytes >= SPARE_BYTES_MIN
        && let Ok(Some(blob)) = SPARES.try_with(|kept| kept.0.borrow_mut().take(bytes))
    {
        // SAFETY: nobody holds it, and its head lies before its bytes, as `take` has laid it out once.
        unsafe { write_head(blob) };
        return Some(blob);
    }
    // SAFETY: any size may be asked for.
    let block = unsafe { libc::malloc(bytes.checked_add(HEAD_BYTES)?) };
    if block.is_null() {
        return None;
    }
    // SAFETY: the block is at least as long as the head.
    let blob = unsafe { block.cast::<u8>().add(HEAD_BYTES) };
    // SAFETY: the block has room for the head and is aligned for any type.
    unsafe { write_head(blob) };
    Some(blob)
}

/// Writes the head of a blob that has one holder from now on.
///
/// # Safety
///
/// There is room for it before `blob`, aligned for any type, and nobody looks at it.
unsafe fn write_head(blob: *mut u8) {
    // SAFETY: the caller's promise.
    unsafe { blob.sub(HEAD_BYTES).cast::<Holders>().write(Holders::one()) };
}

/// Gives a blob that nobody holds back to the allocator.
fn free(blob: *mut u8) {
    // SAFETY: the block came from the allocator in `take` or `resize`; its last holder has let go, or it was kept since
    // then by `SPARES`, which has given it up.
    unsafe { libc::free(blob.sub(HEAD_BYTES).cast()) }
}

/// Makes a blob with one holder larger or smaller, keeping what fits; `None` leaves it as it was.
pub(crate) fn resize(blob: *mut u8, bytes: usize) -> Option<*mut u8> {
    debug_assert!(!is_shared(blob));
    // SAFETY: `blob` came from `take` or `resize`; its one holder asks for this, so that nobody looks at it.
    let block = unsafe { libc::realloc(blob.sub(HEAD_BYTES).cast(), bytes.checked_add(HEAD_BYTES)?) };
    // SAFETY: as in `take`.
    if block.is_null() { None } else { Some(unsafe { block.cast::<u8>().add(HEAD_BYTES) }) }
}

/// Whether others than the caller hold the blob: then it must not be written.
#[inline]
pub(crate) fn is_shared(blob: *mut u8) -> bool {
    head(blob).is_shared()
}

/// One holder less; the last frees the blob.
pub(crate) fn give_back(blob: *mut u8) {
    if !head(blob).less(|| charged_bytes(blob)) {
        return;
    }
    let bytes = usable_bytes(blob);
    let kept = bytes >= SPARE_BYTES_MIN
        && SPARES.try_with(|kept| {
            let mut spares = kept.0.borrow_mut();
            let kept = spares.give(bytes, blob);
            while let Some(blob) = spares.surplus() {
                free(blob);
            }
            kept
        }) == Ok(true);
    if !kept {
        free(blob);
    }
}

/// The store lets go. If others hold the blob still, its bytes are counted in `left` until the last of them lets go.
pub(crate) fn leave(blob: *mut u8, left: &Arc<AtomicU64>) {
    head(blob).leave(|| charged_bytes(blob), left);
    give_back(blob);
}

/// Bytes that can be used in the blob, at least what was asked for.
pub(crate) fn usable_bytes(blob: *mut u8) -> usize {
    // SAFETY: as for `head`.
    unsafe { libc::malloc_usable_size(blob.sub(HEAD_BYTES).cast()) - HEAD_BYTES }
}

/// What the blob takes from the process, its head and its allocator's included.
pub(crate) fn charged_bytes(blob: *mut u8) -> u64 {
    (usable_bytes(blob) + HEAD_BYTES) as u64 + BLOCK_HEADER_BYTES
}

/// What a blob of so many bytes is going to take, about.
pub(crate) fn charged_bytes_ahead(bytes: usize) -> u64 {
    ((bytes + HEAD_BYTES) as u64).next_multiple_of(16) + 2 * BLOCK_HEADER_BYTES
}

/// Bytes in a blob that stay as they are and where they are for as long as this lives, on any thread. Cloning counts one
/// holder more and copies nothing.
pub struct Lent {
    blob: NonNull<u8>,
    start: u32,
    len: u32,
}

// SAFETY: what is held is only read, its holders are counted with atomics, and the C allocator frees on any thread.
unsafe impl Send for Lent {}
// SAFETY: as above.
unsafe impl Sync for Lent {}

impl Lent {
    /// The bytes from `start` on of a blob that the caller holds. They must have been written.
    pub(crate) fn of(blob: *mut u8, start: usize, len: usize) -> Lent {
        debug_assert!(start + len <= usable_bytes(blob));
        head(blob).more();
        Lent { blob: NonNull::new(blob).expect("a blob"), start: start as u32, len: len as u32 }
    }

    /// The blob.
    pub(crate) fn blob(&self) -> *mut u8 {
        self.blob.as_ptr()
    }

    /// Where these bytes begin in the blob.
    pub(crate) fn start(&self) -> usize {
        self.start as usize
    }

    /// Some of these bytes.
    ///
    /// # Panics
    ///
    /// If there are none at `range`.
    pub fn part(&self, range: Range<usize>) -> Lent {
        assert!(range.start <= range.end && range.end <= self.len(), "{range:?} of {}", self.len());
        Lent::of(self.blob(), self.start() + range.start, range.len())
    }

    /// Where `bytes` lie in these, if they do.
    pub fn find(&self, bytes: &[u8]) -> Option<Range<usize>> {
        let start = (bytes.as_ptr() as usize).checked_sub(self.as_ptr() as usize)?;
        let range = start..start.checked_add(bytes.len())?;
        (range.end <= self.len()).then_some(range)
    }

    /// What the whole blob takes from the process.
    pub fn charged_bytes(&self) -> u64 {
        charged_bytes(self.blob())
    }

    /// Of what the blob takes, the share of each of those who hold it, if the store has let go of it; else 0, as the
    /// store counts it.
    pub fn share_bytes(&self) -> u64 {
        head(self.blob()).sharers().map_or(0, |sharers| self.charged_bytes() / u64::from(sharers))
    }
}

impl Clone for Lent {
    fn clone(&self) -> Lent {
        Lent::of(self.blob(), self.start(), self.len())
    }
}

impl Deref for Lent {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: the bytes were written before they were lent, and a blob with several holders is not written; nor is
        // one whose only holder is this, as only the store and a `Draft` write, and those hold it then too.
        unsafe { std::slice::from_raw_parts(self.blob.as_ptr().add(self.start as usize), self.len as usize) }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        give_back(self.blob());
    }
}

impl std::fmt::Debug for Lent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Lent({} bytes)", self.len)
    }
}

/// A blob that is being filled, to be lent or adopted by a store.
///
/// It grows as bytes come: of what is expected a MiB is taken at once, and then never more than twice what has come.
pub struct Draft {
    blob: NonNull<u8>,
    len: usize,
    room: usize,
    expected: usize,
}

// SAFETY: it is the only holder of its blob, and the C allocator frees on any thread.
unsafe impl Send for Draft {}

impl Draft {
    /// An empty one for so many bytes. `None`: the process has no more memory.
    pub fn new(expected: usize) -> Option<Draft> {
        let blob = NonNull::new(take(expected.min(DRAFT_BYTES_FIRST))?)?;
        let room = usable_bytes(blob.as_ptr()).min(expected);
        Some(Draft { blob, len: 0, room, expected })
    }

    /// How many bytes it is for.
    pub fn expected(&self) -> usize {
        self.expected
    }

    /// More bytes are expected than was thought.
    pub fn expect(&mut self, bytes: usize) {
        self.expected = self.expected.max(bytes);
    }

    /// What the blob takes from the process.
    pub fn charged_bytes(&self) -> u64 {
        charged_bytes(self.blob.as_ptr())
    }

    /// Takes as many of `bytes` as are still expected and says how many that were. `None`: the process has no more memory.
    ///
    /// # Panics
    ///
    /// If what has come so far is lent.
    pub fn fill(&mut self, bytes: &[u8]) -> Option<usize> {
        assert!(!is_shared(self.blob.as_ptr()), "what is lent does not change");
        let taken = bytes.len().min(self.expected - self.len);
        self.make_room(taken)?;
        // SAFETY: `len + taken <= room`, for which the blob was made; it has no other holder, so that `bytes` lie
        // elsewhere and nobody reads it.
        unsafe { bytes.as_ptr().copy_to_nonoverlapping(self.blob.as_ptr().add(self.len), taken) };
        self.len += taken;
        Some(taken)
    }

    /// Has room for so many bytes more, of those that are expected. `None`: the process has no more memory.
    fn make_room(&mut self, bytes: usize) -> Option<()> {
        if self.len + bytes > self.room {
            let room = (2 * self.room).max(self.len + bytes).min(self.expected);
            self.blob = NonNull::new(resize(self.blob.as_ptr(), room)?)?;
            self.room = room;
        }
        Some(())
    }

    /// Where the next bytes go, for somebody who puts them there: none if all have come that are expected. `None`: the
    /// process has no more memory. They stay there until something is filled in or asked of this again.
    ///
    /// # Panics
    ///
    /// If what has come so far is lent.
    pub fn vacant(&mut self) -> Option<&mut [MaybeUninit<u8>]> {
        assert!(!is_shared(self.blob.as_ptr()), "what is lent does not change");
        self.make_room(usize::from(self.len < self.expected))?;
        // SAFETY: the blob was made for `room` bytes, of which the first `len` are written; it has no other holder, and
        // while the slice lives `self` is not used.
        Some(unsafe {
            std::slice::from_raw_parts_mut(self.blob.as_ptr().add(self.len).cast(), self.room - self.len)
        })
    }

    /// So many bytes have come to where [`Draft::vacant`] said.
    ///
    /// # Safety
    ///
    /// They were written since then.
    ///
    /// # Panics
    ///
    /// If these are more than there was room for.
    pub unsafe fn filled(&mut self, bytes: usize) {
        assert!(bytes <= self.room - self.len, "{bytes} bytes for {}", self.room - self.len);
        self.len += bytes;
    }

    /// What has come, to be read and adopted. Nothing more can be filled in as long as it is lent.
    pub fn lend(&self) -> Lent {
        Lent::of(self.blob.as_ptr(), 0, self.len)
    }
}

impl Deref for Draft {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the first `len` bytes were written.
        unsafe { std::slice::from_raw_parts(self.blob.as_ptr(), self.len) }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        give_back(self.blob.as_ptr());
    }
}

impl std::fmt::Debug for Draft {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Draft({} of {} bytes)", self.len, self.expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::Ordering;

    #[test]
    fn a_blob_lives_as_long_as_its_last_holder_and_is_counted_meanwhile() {
        let left = Arc::new(AtomicU64::new(0));
        let blob = take(100).unwrap();
        assert!(!is_shared(blob));
        leave(blob, &left);
        assert_eq!(left.load(Ordering::Relaxed), 0, "nobody else held it");

        let mut draft = Draft::new(100_000).unwrap();
        assert_eq!(draft.fill(&[7; 100_001]), Some(100_000));
        let whole = draft.lend();
        drop(draft);
        let part = whole.part(5..99_000);
        let blob = Lent::of(whole.blob(), 0, 0);
        let bytes = whole.charged_bytes();
        std::mem::forget(blob);
        assert_eq!(whole.share_bytes(), 0);
        leave(whole.blob(), &left);
        assert_eq!((left.load(Ordering::Relaxed), whole.share_bytes()), (bytes, bytes / 2));
        drop(whole);
        assert_eq!((part.len(), part[0], part.share_bytes()), (98_995, 7, bytes));
        std::thread::spawn(move || drop(part)).join().unwrap();
        assert_eq!((left.load(Ordering::Relaxed), Arc::strong_count(&left)), (0, 1));
    }

    #[test]
    fn a_draft_takes_little_before_much_has_come() {
        let mut draft = Draft::new(1 << 30).unwrap();
        assert!(draft.charged_bytes() < 2 << 20);
        let piece: Vec<u8> = (0..70_001).map(|at| at as u8).collect();
        let mut all = Vec::new();
        while all.len() < 5 << 20 {
            assert_eq!(draft.fill(&piece), Some(piece.len()));
            all.extend_from_slice(&piece);
            assert!(draft.charged_bytes() <= (2 * all.len()).max(2 << 20) as u64 + 8192);
        }
        assert!(draft[..] == all[..]);
        draft.expect(5);
        assert_eq!(draft.expected(), 1 << 30);
        let lent = draft.lend();
        assert_eq!(lent.find(&lent[3..9]), Some(3..9));
        assert_eq!((lent.find(&all), lent.part(4..4).find(&lent[4..5])), (None, None));
    }

    #[test]
    fn what_is_put_where_a_draft_says_is_in_it() {
        let mut draft = Draft::new(3 << 20).unwrap();
        draft.fill(b"beginning").unwrap();
        let mut all = b"beginning".to_vec();
        while draft.len() < draft.expected() {
            let bytes: Vec<u8> = (0..100_000).map(|at| (at + all.len()) as u8).collect();
            let vacant = draft.vacant().unwrap();
            let len = vacant.len().min(bytes.len());
            for (place, byte) in vacant.iter_mut().zip(&bytes) {
                place.write(*byte);
            }
            // SAFETY: they were just written.
            unsafe { draft.filled(len) };
            all.extend_from_slice(&bytes[..len]);
        }
        assert!(draft[..] == all[..] && draft.vacant().unwrap().is_empty());
    }

    #[test]
    fn a_large_blob_is_used_again_by_the_thread_that_freed_it() {
        std::thread::spawn(|| {
            keep_spare_blobs(1 << 20);
            let first = take(300_000).unwrap();
            give_back(first);
            let bytes = spare_blob_bytes();
            assert!(bytes >= 300_000);
            let again = take(299_000).unwrap();
            assert_eq!((again, spare_blob_bytes()), (first, 0));
            // The last holder may be elsewhere.
            std::thread::scope(|scope| {
                let lent = Lent::of(again, 0, 0);
                give_back(again);
                scope.spawn(move || drop(lent));
            });
            assert_eq!(spare_blob_bytes(), 0);
            give_back(take(2 << 20).unwrap());
            assert_eq!(spare_blob_bytes(), 0, "more than may be kept");
            give_back(take(200_000).unwrap());
            (0..10).for_each(|_| rest_spare_blobs());
            assert_eq!(spare_blob_bytes(), 0);
        })
        .join()
        .unwrap();
    }
}
