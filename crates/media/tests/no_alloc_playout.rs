//! Nothing is allocated for a packet or a frame: encode, parse, push, pull, conceal, resample, report.
//!
//! Counts what Rust allocates; libopus allocates its states at `new` and works on the stack from then on.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use media::dtmf::{EventReceiver, EventSender};
use media::rtcp::{self, Reception};
use media::{Codec, Encoder, Playout, PlayoutConfig, Pushed, Resampler, rtp};

/// The system's allocator, counting.
struct Counting;

thread_local! {
    /// By thread, since the test harness allocates on its own. Allocations, bytes.
    static COUNT: Cell<(usize, usize)> = const { Cell::new((0, 0)) };
}

// SAFETY: hands everything on to the system's allocator unchanged.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let (allocations, bytes) = COUNT.get();
        COUNT.set((allocations + 1, bytes + layout.size()));
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

/// Allocations and bytes while `work` runs.
fn count(work: impl FnOnce()) -> (usize, usize) {
    let before = COUNT.get();
    work();
    let after = COUNT.get();
    (after.0 - before.0, after.1 - before.1)
}

#[test]
fn nothing_is_allocated_after_new() {
    const CODECS: [Codec; 5] = [Codec::Pcmu, Codec::Pcma, Codec::G722, Codec::Opus, Codec::L16 { rate_hz: 16_000 }];
    for codec in CODECS {
        let mut encoder = Encoder::new(codec).expect("a known codec");
        let mut playout = Playout::new(codec, PlayoutConfig::default(), 1).expect("a known codec");
        let mut reception = Reception::new(codec.clock_hz());
        let mut resampler = Resampler::new(codec.rate_hz(), 8_000).expect("a bus rate");
        let (mut datagram, mut payload) = ([0; 2000], [0; 1500]);
        let (mut frame, mut narrow) = ([0i16; 960], [0i16; 160]);
        let frame = &mut frame[..codec.frame_samples()];

        let during_call = count(|| {
            let mut i = 0;
            for now_us in (0..60_000_000).step_by(20_000) {
                // some lost, all twice, unevenly, from a fast clock, a pause that is no loss, another source
                let arrival_us = |i: u64| i * 19_960 + i % 50 / 40 * 1_900 * (i % 10);
                while arrival_us(i) <= now_us {
                    for (sample, n) in frame.iter_mut().zip(0i16..) {
                        *sample = (n % 61 - 30) * 200;
                    }
                    let len = encoder.encode(frame, &mut payload).expect("a frame");
                    let packet = rtp::Packet {
                        payload_type: 0,
                        marker: false,
                        sequence: if i < 1_000 { i } else { i - 100 } as u16,
                        timestamp: i as u32 * codec.frame_ticks(),
                        ssrc: u32::from(i > 2_000),
                        payload: &payload[..len],
                    };
                    let len = packet.write(&mut datagram).expect("fits");
                    let packet = rtp::Packet::parse(&datagram[..len]).expect("our own");
                    if i % 13 != 0 && i % 100 > 4 && !(1_000..1_100).contains(&i) {
                        reception.push(&packet, arrival_us(i));
                        playout.push(&packet, arrival_us(i));
                        playout.push(&packet, arrival_us(i));
                    }
                    i += 1;
                }
                playout.pull(now_us, frame);
                resampler.process(frame, &mut narrow);
                let block = reception.report(now_us);
                let len = rtcp::write_report(&mut datagram, 1, None, block, "leg@bridge").expect("fits");
                rtcp::packets(&datagram[..len]).for_each(drop);
            }
        });
        assert_eq!(during_call, (0, 0), "{codec:?}");
        let stats = playout.stats();
        assert!(stats.voice_frames > 1_000 && stats.concealed_frames > 100 && stats.silent_frames > 10, "{stats:?}");
        assert!(stats.duplicate > 1_000 && stats.sources == 2 && stats.dropped_samples > 0, "{stats:?}");
    }

    let mut receiver = EventReceiver::new(8_000);
    let digits = count(|| {
        for (payload, marker) in EventSender::new('7', 100, 8_000).expect("a key") {
            receiver.push(&payload, 800, marker, 0);
        }
    });
    assert_eq!(digits, (0, 0));

    // what a leg keeps for listening: rings are sized by codec
    for (codec, bytes_max) in [(Codec::Pcmu, 14_000), (Codec::G722, 20_000), (Codec::Opus, 45_000)] {
        let mut playout = None;
        let (_, bytes) = count(|| playout = Playout::new(codec, PlayoutConfig::default(), 1).ok());
        let bytes = bytes + size_of::<Playout>();
        assert!(bytes <= bytes_max, "{codec:?}: {bytes} bytes");
        let packet = rtp::Packet { payload_type: 0, marker: false, sequence: 0, timestamp: 0, ssrc: 0, payload: &[] };
        assert_eq!(playout.expect("a known codec").push(&packet, 0), Pushed::Refused);
    }
}
