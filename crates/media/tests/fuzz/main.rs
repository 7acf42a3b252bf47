//! Millions of inputs, for everything that reads what comes from the network: RTP, RTCP, digits, codecs, playout.
//!
//! Random bytes seldom get far, so most inputs are valid ones with something wrong: a field, a length, an order, a time.
//! Nothing may panic, overflow or allocate, whatever comes, and what is returned must be possible. The same count gives
//! the same inputs every time, on however many threads. When a case fails, its name is printed, and
//! `PARTYLINE_FUZZ_CASE=NAME cargo test -p media --test fuzz` runs it alone.
//!
//! `PARTYLINE_FUZZ_INPUTS`: how many inputs in all; a quick [`INPUTS`] unless said otherwise.

mod random;
mod sound;
mod wire;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::{Cell, RefCell};
use std::process::exit;

use random::Random;

/// The system's allocator, counting.
struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    /// What this thread is at.
    static CASE: RefCell<String> = const { RefCell::new(String::new()) };
}

// SAFETY: hands everything on to the system's allocator unchanged.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // a thread that ends allocates when this is gone already
        let _ = ALLOCATIONS.try_with(|count| count.set(count.get() + 1));
        // SAFETY: the caller's promises are those asked for here.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as above; the pointer came from `alloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

/// Does `work`, which may not allocate.
pub(crate) fn without_allocating<T>(work: impl FnOnce() -> T) -> T {
    let before = ALLOCATIONS.get();
    let done = work();
    assert_eq!(ALLOCATIONS.get(), before, "something was allocated");
    done
}

/// Inputs where nobody says how many.
const INPUTS: u64 = 200_000;

/// Something to be fed.
struct Target {
    name: &'static str,
    /// Of a thousand inputs, so many: what is quick gets more.
    permille: u64,
    /// Runs one case of some tens of inputs, drawn from `Random`; returns how many there were.
    run: fn(&mut Random) -> u64,
}

const TARGETS: [Target; 14] = [
    Target { name: "rtp", permille: 300, run: wire::rtp },
    Target { name: "rtcp", permille: 150, run: wire::rtcp },
    Target { name: "reception", permille: 50, run: wire::reception },
    Target { name: "telephone-event", permille: 80, run: wire::telephone_event },
    Target { name: "decode-pcmu", permille: 20, run: sound::decode_pcmu },
    Target { name: "decode-pcma", permille: 20, run: sound::decode_pcma },
    Target { name: "decode-l16", permille: 20, run: sound::decode_l16 },
    Target { name: "decode-g722", permille: 20, run: sound::decode_g722 },
    Target { name: "decode-opus", permille: 10, run: sound::decode_opus },
    Target { name: "playout-pcmu", permille: 130, run: sound::playout_pcmu },
    Target { name: "playout-pcma", permille: 60, run: sound::playout_pcma },
    Target { name: "playout-l16", permille: 60, run: sound::playout_l16 },
    Target { name: "playout-g722", permille: 60, run: sound::playout_g722 },
    Target { name: "playout-opus", permille: 20, run: sound::playout_opus },
];

fn main() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        eprintln!("fuzz: failed in PARTYLINE_FUZZ_CASE={}", CASE.with_borrow(Clone::clone));
        report(panic);
        exit(1);
    }));
    if let Ok(case) = std::env::var("PARTYLINE_FUZZ_CASE") {
        let (name, number) = case.split_once('/').expect("a case is TARGET/NUMBER");
        let target = TARGETS.iter().find(|target| target.name == name).expect("a target that exists");
        let inputs = run_case(target, number.parse().expect("a number"));
        println!("fuzz: {inputs} inputs of {case}");
        return;
    }
    let wanted = std::env::var("PARTYLINE_FUZZ_INPUTS").map_or(INPUTS, |inputs| inputs.parse().expect("a number"));
    assert_eq!(TARGETS.iter().map(|target| target.permille).sum::<u64>(), 1_000);
    let threads = std::thread::available_parallelism().map_or(1, |threads| threads.get() as u64);
    let mut inputs = 0;
    for target in &TARGETS {
        let wanted = wanted * target.permille / 1_000 + 1;
        inputs += run_target(target, wanted.div_ceil(threads), threads);
    }
    println!("fuzz: {inputs} inputs of {} kinds, nothing panicked, nothing was allocated", TARGETS.len());
}

/// Runs a target with so many inputs on each thread, or a few more. Returns how many in all.
fn run_target(target: &'static Target, wanted: u64, threads: u64) -> u64 {
    std::thread::scope(|scope| {
        let run = |thread: u64| {
            scope.spawn(move || {
                let mut inputs = 0;
                for number in 0.. {
                    if inputs >= wanted {
                        break;
                    }
                    inputs += run_case(target, number * threads + thread);
                }
                inputs
            })
        };
        let running: Vec<_> = (0..threads).map(run).collect();
        running.into_iter().map(|thread| thread.join().expect("it would have ended the process")).sum()
    })
}

fn run_case(target: &Target, number: u64) -> u64 {
    CASE.with_borrow_mut(|case| *case = format!("{}/{number}", target.name));
    (target.run)(&mut Random::new(target.name, number))
}
