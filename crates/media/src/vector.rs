//! The hot loops, compiled for what the processor can do.
//!
//! Each is written once, in plain safe Rust that the compiler vectorises, and compiled three times: for any x86-64,
//! for AVX2, for AVX-512. Which one runs is asked of the processor, once. The results are the same to the bit: integers
//! everywhere, and sums of floats in an order that is written down.

use std::sync::atomic::{AtomicU8, Ordering};

/// Sets of instructions that the loops are compiled for, each with all of those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Instructions {
    /// What every processor of its kind has: SSE2, on x86-64.
    Baseline = 1,
    /// 256 bits at a time.
    Avx2 = 2,
    /// 512 bits at a time.
    Avx512 = 3,
}

impl Instructions {
    /// All of them, the least first.
    pub const ALL: [Self; 3] = [Self::Baseline, Self::Avx2, Self::Avx512];

    /// The most this processor has.
    pub fn available() -> Self {
        #[cfg(target_arch = "x86_64")]
        {
            let has_avx2 = is_x86_feature_detected!("avx2");
            // As the server processors since 2017 have them together: bytes and words, and all of it at 256 bits, too.
            let has_avx512 = is_x86_feature_detected!("avx512f")
                && is_x86_feature_detected!("avx512bw")
                && is_x86_feature_detected!("avx512dq")
                && is_x86_feature_detected!("avx512vl");
            if has_avx2 && has_avx512 {
                return Self::Avx512;
            }
            if has_avx2 {
                return Self::Avx2;
            }
        }
        Self::Baseline
    }
}

/// What the loops use; zero before anybody has asked.
static IN_USE: AtomicU8 = AtomicU8::new(0);

/// The instructions in use.
#[inline]
pub(crate) fn in_use() -> Instructions {
    match IN_USE.load(Ordering::Relaxed) {
        1 => Instructions::Baseline,
        2 => Instructions::Avx2,
        3 => Instructions::Avx512,
        _ => use_at_most(Instructions::Avx512),
    }
}

/// Has the loops use no more than this, as on a lesser processor, and says what they use now. For benches and tests:
/// nothing is different but the time it takes.
pub fn use_at_most(most: Instructions) -> Instructions {
    let in_use = most.min(Instructions::available());
    IN_USE.store(in_use as u8, Ordering::Relaxed);
    in_use
}

/// Compiles a free function over slices for each of [`Instructions`], behind one name; `up to 256 bits:` leaves out the
/// last, for loops that are slower by it.
macro_rules! vectorised {
    (up to 256 bits: $($vis:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $body:block)+) => { $(
        $vis fn $name($($argument: $type),*) {
            #[inline(always)]
            fn anywhere($($argument: $type),*) $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn avx2($($argument: $type),*) {
                    anywhere($($argument),*)
                }
                if $crate::vector::in_use() >= $crate::vector::Instructions::Avx2 {
                    // SAFETY: `in_use` names nothing that this processor has not been found to have.
                    #[allow(unsafe_code)]
                    return unsafe { avx2($($argument),*) };
                }
            }
            anywhere($($argument),*)
        }
    )+ };
    ($($(#[$attribute:meta])* $vis:vis fn $name:ident($($argument:ident: $type:ty),* $(,)?) $(-> $out:ty)? $body:block)+) => { $(
        $(#[$attribute])*
        $vis fn $name($($argument: $type),*) $(-> $out)? {
            #[inline(always)]
            fn anywhere($($argument: $type),*) $(-> $out)? $body

            #[cfg(target_arch = "x86_64")]
            {
                #[target_feature(enable = "avx2")]
                fn avx2($($argument: $type),*) $(-> $out)? {
                    anywhere($($argument),*)
                }
                #[target_feature(enable = "avx2,avx512f,avx512bw,avx512dq,avx512vl")]
                fn avx512($($argument: $type),*) $(-> $out)? {
                    anywhere($($argument),*)
                }
                #[allow(unsafe_code)]
                match $crate::vector::in_use() {
                    $crate::vector::Instructions::Baseline => {}
                    // SAFETY: `in_use` names nothing that this processor has not been found to have.
                    $crate::vector::Instructions::Avx2 => return unsafe { avx2($($argument),*) },
                    // SAFETY: the same.
                    $crate::vector::Instructions::Avx512 => return unsafe { avx512($($argument),*) },
                }
            }
            anywhere($($argument),*)
        }
    )+ };
}

pub(crate) use vectorised;
