//! How a participant's voice is treated, from the API's words to what the others hear.

use std::time::Duration;

use model::{JitterBufferSize, Tuning};
use switch::{ParticipantChange, Refusal, TuningChange};

use crate::world::World;

fn tuned(tuning: TuningChange) -> ParticipantChange {
    ParticipantChange { tuning, ..ParticipantChange::default() }
}

/// How loud one is to another, over half a second from now.
fn level_dbfs(world: &mut World, listener: &str, talker: &str) -> f64 {
    let tone = world.phone(talker).tone;
    tone.level_dbfs(&world.listen(listener))
}

#[test]
fn gain_is_heard_40_ms_after_the_answer_and_of_one_alone() {
    let mut world = World::new(1);
    for name in ["ana", "ben", "cho"] {
        world.dial(name, "standup");
    }
    world.run_for(Duration::from_secs(1));
    let pairs = [("ben", "ana"), ("cho", "ana"), ("ana", "ben"), ("cho", "ben")];
    let before = pairs.map(|(listener, talker)| level_dbfs(&mut world, listener, talker));
    for gain_db in [6, -12, 0] {
        let tuning = TuningChange { gain_db: Some(gain_db), ..TuningChange::default() };
        let participant = world.update("ana", tuned(tuning)).expect("a participant");
        assert_eq!(participant.tuning, Tuning { gain_db, ..Tuning::default() });
        assert_eq!(world.participant("ana").tuning, participant.tuning, "it is saved");
        world.run_for(Duration::from_millis(40));
        for ((listener, talker), before) in pairs.into_iter().zip(before) {
            let change = level_dbfs(&mut world, listener, talker) - before;
            let want = if talker == "ana" { f64::from(gain_db) } else { 0.0 };
            assert!((change - want).abs() < 0.3, "{gain_db} dB: {listener} hears {talker} {change:.2} dB louder");
        }
    }
}

#[test]
fn each_part_is_changed_by_itself_and_a_refused_change_changes_nothing() {
    let mut world = World::new(2);
    world.dial("ana", "standup");
    world.dial("ben", "standup");
    let none = TuningChange::default;
    for (change, want) in [
        (none(), Tuning::default()),
        (TuningChange { gain_db: Some(3), ..none() }, Tuning { gain_db: 3, ..Tuning::default() }),
        (
            TuningChange { noise_suppression: Some(true), jitter_buffer_size: Some(JitterBufferSize::Off), ..none() },
            Tuning { gain_db: 3, noise_suppression: true, jitter_buffer_size: JitterBufferSize::Off, data_mode: false },
        ),
        (
            TuningChange { data_mode: Some(true), noise_suppression: Some(false), ..none() },
            Tuning { gain_db: 3, noise_suppression: false, jitter_buffer_size: JitterBufferSize::Off, data_mode: true },
        ),
    ] {
        assert_eq!(world.update("ana", tuned(change)).map(|participant| participant.tuning), Ok(want), "{change:?}");
    }
    let before = world.participant("ana").clone();
    let refused = ParticipantChange { coaching: Some(true), ..tuned(TuningChange { gain_db: Some(9), ..none() }) };
    assert_eq!(world.update("ana", refused), Err(Refusal::CoachWithoutTarget));
    assert_eq!(*world.participant("ana"), before);
    assert_eq!(world.participant("ben").tuning, Tuning::default());
}

#[test]
fn a_muted_or_held_participant_stays_as_it_is_tuned() {
    let mut world = World::new(3);
    for name in ["ana", "ben"] {
        world.dial(name, "standup");
    }
    world.run_for(Duration::from_secs(1));
    let before = level_dbfs(&mut world, "ben", "ana");
    let tuning = TuningChange { gain_db: Some(6), ..TuningChange::default() };
    world.update("ana", ParticipantChange { muted: Some(true), ..tuned(tuning) }).expect("a participant");
    world.run_for(Duration::from_millis(40));
    assert!(level_dbfs(&mut world, "ben", "ana") < -60.0);
    world.update("ana", ParticipantChange { muted: Some(false), ..ParticipantChange::default() }).expect("it is there");
    world.run_for(Duration::from_millis(40));
    let change = level_dbfs(&mut world, "ben", "ana") - before;
    assert!((change - 6.0).abs() < 0.3, "{change:.2} dB");
}
