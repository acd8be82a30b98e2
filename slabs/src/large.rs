#![allow(unsafe_code)]
//! Blobs of the process allocator, for values that fit no chunk. Owns how they are taken, measured and given back.
//!
//! The C allocator is called directly, because it says how many bytes a block really takes.

/// What the allocator keeps before a block.
const BLOCK_HEADER_BYTES: u64 = 8;

/// A block of at least `bytes`, or `None` if the process has no more.
pub(crate) fn take(bytes: usize) -> Option<*mut u8> {
    // SAFETY: any size may be asked for; 1 instead of 0, whose result means nothing.
    let blob = unsafe { libc::malloc(bytes.max(1)) };
    if blob.is_null() { None } else { Some(blob.cast()) }
}

/// Makes a block larger or smaller, keeping what fits; `None` leaves it as it was.
pub(crate) fn resize(blob: *mut u8, bytes: usize) -> Option<*mut u8> {
    // SAFETY: `blob` came from `take` or `resize` and was not given back: it is that of a live item.
    let blob = unsafe { libc::realloc(blob.cast(), bytes.max(1)) };
    if blob.is_null() { None } else { Some(blob.cast()) }
}

/// Gives a block back.
pub(crate) fn give_back(blob: *mut u8) {
    // SAFETY: as for `resize`, and the item that had it is gone.
    unsafe { libc::free(blob.cast()) }
}

/// Bytes that can be used in the block, at least what was asked for.
pub(crate) fn usable_bytes(blob: *mut u8) -> usize {
    // SAFETY: as for `resize`.
    unsafe { libc::malloc_usable_size(blob.cast()) }
}

/// What the block takes from the process, its allocator's header included.
pub(crate) fn charged_bytes(blob: *mut u8) -> u64 {
    usable_bytes(blob) as u64 + BLOCK_HEADER_BYTES
}

/// What a block of so many bytes is going to take, about.
pub(crate) fn charged_bytes_ahead(bytes: usize) -> u64 {
    (bytes as u64).next_multiple_of(16) + 2 * BLOCK_HEADER_BYTES
}
