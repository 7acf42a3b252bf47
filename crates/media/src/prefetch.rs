//! Asks for memory before it is needed.
//!
//! A thread with hundreds of legs finds each of them cold, once every 20 ms: the kernel's network path has used the
//! cache meanwhile. While one leg's packet is received, the next leg is on its way from memory.

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

/// The same for what comes after so many bytes of a value.
#[inline]
pub(crate) fn prefetch_from<T>(value: &T, start: usize) {
    let start = start.min(size_of::<T>());
    prefetch_bytes((&raw const *value).cast::<i8>().wrapping_add(start), size_of::<T>() - start);
}

/// The same for the values in a slice of boxes or the like: for what the slice itself holds.
#[inline]
pub(crate) fn prefetch_slice<T>(values: &[T]) {
    prefetch_bytes(values.as_ptr().cast(), size_of_val(values));
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

#[cfg(target_arch = "x86_64")]
const CACHE_LINE: usize = 64;
