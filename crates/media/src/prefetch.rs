//! Asks for memory before it is needed.
//!
//! A thread with hundreds of legs finds each of them cold, once every 20 ms: the kernel's network path has used the
//! cache meanwhile. While one leg's packet is received, the next leg is on its way from memory.

/// Brings all of a value towards the cache. Changes nothing but time, and does nothing where we know no way.
#[inline]
#[allow(unsafe_code)]
pub(crate) fn prefetch<T>(value: &T) {
    #[cfg(target_arch = "x86_64")]
    for offset in (0..size_of::<T>()).step_by(CACHE_LINE) {
        let line = (&raw const *value).cast::<i8>().wrapping_add(offset);
        // SAFETY: a hint, which never faults; SSE is part of x86-64.
        unsafe { core::arch::x86_64::_mm_prefetch::<{ core::arch::x86_64::_MM_HINT_T0 }>(line) };
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = value;
}

#[cfg(target_arch = "x86_64")]
const CACHE_LINE: usize = 64;
