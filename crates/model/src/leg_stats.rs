//! What one leg did and how it sounded, in numbers.

macro_rules! leg_stats {
    ($($(#[$meta:meta])* $name:ident: $number:ty),+ $(,)?) => {
        /// What one leg sent and received in its life so far, and how well.
        ///
        /// Levels are in dB to full scale (a sine that fills the range is at −3), 0 before there was anything to measure.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
        pub struct LegStats { $($(#[$meta])* pub $name: $number),+ }

        impl LegStats {
            /// Every number by its name, for those who write them down.
            pub fn numbers(&self) -> impl Iterator<Item = (&'static str, i64)> {
                [$((stringify!($name), i64::try_from(self.$name).unwrap_or(i64::MAX))),+].into_iter()
            }

            /// The way back: what is not named is 0, names and numbers that mean nothing here are passed over.
            pub fn from_numbers<'a>(numbers: impl IntoIterator<Item = (&'a str, i64)>) -> Self {
                let mut stats = Self::default();
                for (name, number) in numbers {
                    match name {
                        $(stringify!($name) => stats.$name = number.try_into().unwrap_or_default(),)+
                        _ => {}
                    }
                }
                stats
            }
        }
    };
}

leg_stats! {
    /// RTP packets accepted.
    packets_in: u64,
    /// Their payload bytes.
    bytes_in: u64,
    /// RTP packets sent.
    packets_out: u64,
    /// Their payload bytes.
    bytes_out: u64,
    /// Packets that never came, as their sequence numbers tell.
    lost: u64,
    /// Packets that came too late to be heard.
    late: u64,
    /// Packets that came twice.
    duplicates: u64,
    /// Interarrival jitter of what we received (RFC 3550 §6.4.1), in microseconds.
    jitter_us: u32,
    /// The longest RTP silence there was, in milliseconds.
    gap_ms_max: u32,
    /// How much was played as the peer has sent it.
    voice_ms: u64,
    /// How much had to be invented because the packet was missing.
    concealed_ms: u64,
    /// How often that began: one after the other is one burst.
    concealed_bursts: u64,
    /// Share of what was invented, in thousandths of everything played but silence.
    concealed_permille: u32,
    /// Samples left out or repeated to follow the network and the sender's clock.
    stretched_samples: u64,
    /// Their share of everything played but silence, in thousandths.
    stretched_permille: u32,
    /// How much faster the peer's clock runs than ours, in millionths.
    drift_ppm: i32,
    /// Audio that waits to be played, now.
    buffer_ms: u32,
    /// The same, on average.
    buffer_ms_mean: u32,
    /// What we add to the way from the peer into the room, on average over the last second: from a packet's arrival to
    /// the tick that plays it, and what the codec takes.
    added_delay_us: u32,
    /// Level of what came into the room, while somebody spoke.
    level_in_db: i32,
    /// The loudest 20 ms of that.
    level_in_db_max: i32,
    /// Level of what we sent of the room, while there was anything but noise.
    level_out_db: i32,
    /// 20 ms frames that came into the room with samples at full scale.
    clipped: u64,
    /// Estimated mean opinion score of what came, 1 to 4.5, in thousandths (ITU-T G.107); 0 before anything was heard.
    mos_thousandths: u32,
    /// The same over the last few seconds.
    mos_recent_thousandths: u32,
    /// The lowest of these.
    mos_lowest_thousandths: u32,
    /// Packets from somewhere else than the peer.
    wrong_source: u64,
    /// Datagrams that are no RTP or RTCP, or carry a payload type nobody agreed to.
    malformed: u64,
    /// Digits that came faster than keys can be pressed, and were not reported.
    digits_refused: u64,
    /// Packets the kernel would not send.
    send_errors: u64,
    /// The peer's view of what we sent: lost packets, from its last report.
    peer_lost: u64,
    /// The peer's view of what we sent: jitter in microseconds.
    peer_jitter_us: u32,
    /// Round trip in microseconds from the last report, 0 before the first.
    round_trip_us: u32,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lead_there_and_back() {
        let stats = LegStats { packets_in: u64::MAX, drift_ppm: -80, level_in_db: -23, ..LegStats::default() };
        let kept = LegStats { packets_in: i64::MAX as u64, ..stats };
        assert_eq!(LegStats::from_numbers(stats.numbers()), kept, "a number no database can hold is cut");
        let strange = [("of_a_later_version", 1), ("jitter_us", -1), ("lost", 3)];
        assert_eq!(LegStats::from_numbers(strange), LegStats { lost: 3, ..LegStats::default() });
    }
}
