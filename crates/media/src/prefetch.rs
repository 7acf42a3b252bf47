//! Asks for memory before it is needed.
//!
//! A thread with hundreds of legs finds each of them cold, once every 20 ms: the kernel's network path has used the
//! cache meanwhile. While one leg's packet is received, the next leg's wire is on its way from memory.
//!
//! There are two ways to ask. A [hint](prefetch) costs nothing, and seems to be forgotten where some twenty others are under
//! way already: right for a few lines long before they are needed. [Fetching](fetch_part) is to read: it waits, but all that is
//! fetched at once comes at once, so it is right for all of a leg just before its tick (`benches/README.md`).

use std::mem::MaybeUninit;
use std::ops::Range;

/// Brings all of a value towards the cache. Changes nothing but time, and does nothing where we know no way.
#[inline]
pub(crate) fn prefetch<T: ?Sized>(value: &T) {
    prefetch_bytes((&raw const *value).cast(), size_of_val(value));
}

/// The same for the first bytes of a value.
#[inline]
pub(crate) fn prefetch_first<T>(value: &T, len: usize) {
    prefetch_bytes((&raw const *value).cast(), len.min(size_of::<T>()));
}

/// The same for a stretch of a value's bytes.
#[inline]
pub(crate) fn prefetch_part<T>(value: &T, part: Range<usize>) {
    let end = part.end.min(size_of::<T>());
    let start = part.start.min(end);
    prefetch_bytes((&raw const *value).cast::<i8>().wrapping_add(start), end - start);
}

/// The same for the values in a slice of boxes or the like: for what the slice itself holds.
#[inline]
pub(crate) fn prefetch_slice<T>(values: &[T]) {
    prefetch_bytes(values.as_ptr().cast(), size_of_val(values));
}

/// Fetches a stretch of a value's bytes into the cache. Changes nothing but time.
#[inline]
#[allow(unsafe_code)]
pub(crate) fn fetch_part<T>(value: &T, part: Range<usize>) {
    let end = part.end.min(size_of::<T>());
    let start = part.start.min(end);
    // SAFETY: `start` is no further than one past the value's end.
    let first = unsafe { (&raw const *value).cast::<MaybeUninit<u8>>().add(start) };
    fetch_bytes(first, end - start);
}

/// The same for the values in a slice.
#[inline]
pub(crate) fn fetch_slice<T>(values: &[T]) {
    fetch_bytes(values.as_ptr().cast(), size_of_val(values));
}

/// `start`: of so many bytes that may be read.
#[inline]
#[allow(unsafe_code)]
fn fetch_bytes(start: *const MaybeUninit<u8>, len: usize) {
    for offset in (0..len).step_by(CACHE_LINE).chain(len.checked_sub(1)) {
        // SAFETY: within the bytes that may be read, be they padding or not. Volatile: or nothing would be read.
        let _ = unsafe { start.add(offset).read_volatile() };
    }
}

#[inline]
#[allow(unsafe_code)]
fn prefetch_bytes(start: *const i8, len: usize) {
    #[cfg(target_arch = "x86_64")]
    for offset in (0..len).step_by(CACHE_LINE) {
        let line = start.wrapping_add(offset);
        // SAFETY: a hint, which never faults; SSE is part of x86-64.
        unsafe { core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(line) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (start, len);
}

pub(crate) const CACHE_LINE: usize = 64;
