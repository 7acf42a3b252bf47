//! What a leg tells about itself, while it lives and at its end.

use media::{Codec, Event};
use model::{LegId, LegStats};

use crate::hall::{Hall, ROOM, Voice};

fn measured(hall: &Hall, leg: LegId) -> Vec<LegStats> {
    let of_leg = |event: &Event| match event {
        Event::Measured { leg: measured, stats } if *measured == leg => Some(*stats),
        _ => None,
    };
    hall.events.iter().filter_map(of_leg).collect()
}

#[test]
fn a_leg_is_measured_after_a_second_and_every_five() {
    let mut hall = Hall::new(1);
    let ana = hall.join(ROOM, Codec::Pcmu, Voice::Tone(440.0, 8_000.0));
    let leg = hall.phones[ana].leg;
    hall.run_ms(16_500);
    let measured = measured(&hall, leg);
    let packets: Vec<_> = measured.iter().map(|stats| stats.packets_in / 50).collect();
    assert_eq!(packets.len(), 4, "{packets:?}");
    for (packets, seconds) in packets.iter().zip([1, 6, 11, 16]) {
        assert!(packets.abs_diff(seconds) <= 1, "{packets} seconds of packets after {seconds} s");
    }
    let last = measured[3];
    assert_eq!((last.concealed, last.concealed_permille, last.mos_thousandths), (0, 0, 4_409), "{last:?}");
}

#[test]
fn what_is_lost_is_concealed_and_heard_in_the_score() {
    let mut hall = Hall::new(1);
    let ana = hall.join(ROOM, Codec::Pcmu, Voice::Tone(440.0, 8_000.0));
    let ben = hall.join(ROOM, Codec::Pcmu, Voice::Tone(660.0, 8_000.0));
    hall.run_ms(1_100);
    // Every 33rd of ana's packets is lost, for ten seconds; then none.
    hall.run_ms_with(10_000, |phone, sequence| phone != ana || sequence % 33 != 0);
    hall.run_ms(10_000);
    let leg = hall.phones[ana].leg;
    let recent: Vec<_> = measured(&hall, leg).iter().map(|stats| stats.mos_recent_thousandths).collect();
    let [lossy, clean] = [hall.close(ana), hall.close(ben)];
    assert_eq!((clean.concealed, clean.mos_lowest_thousandths), (0, 4_409), "{clean:?}");
    assert!((14..=16).contains(&lossy.concealed) && lossy.concealed_bursts == lossy.concealed, "{lossy:?}");
    assert!((13..=16).contains(&lossy.concealed_permille), "{lossy:?}");
    assert!(lossy.mos_thousandths < 4_350, "{lossy:?}");
    assert_eq!(recent.iter().min().copied(), Some(lossy.mos_lowest_thousandths));
    assert!(lossy.mos_lowest_thousandths < lossy.mos_thousandths, "{lossy:?}");
    assert_eq!(lossy.mos_recent_thousandths, 4_409, "in the end all was well: {recent:?}");
}
