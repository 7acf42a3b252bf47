//! How a participant's voice is treated: what is ours beyond Twilio.

use model::{JitterBufferSize, Participant, Tuning};
use serde_json::json;
use store::Row;
use switch::{Answer, Command, ConferenceRef, ParticipantChange, ParticipantRef, Refusal, TuningChange};

use crate::bridge::{ACCOUNT, Bridge, call, conference, participant};

async fn room() -> Bridge {
    let bridge = Bridge::start().await;
    bridge.save(&[Row::Conference(conference(0)), Row::Participant(tuned())]).await;
    bridge
}

fn tuned() -> Participant {
    let tuning =
        Tuning { gain_db: -3, noise_suppression: true, jitter_buffer_size: JitterBufferSize::Small, data_mode: false };
    Participant { label: Some("ana".to_owned()), tuning, ..participant(0) }
}

fn path(of: &str) -> String {
    format!("/Conferences/{}/Participants/{of}", conference(0).sid)
}

#[tokio::test]
async fn each_parameter_becomes_its_part_of_the_change_here_and_there() {
    let none = TuningChange::default;
    for (form, tuning) in [
        ("", none()),
        ("partylinegain=1&Gain=2", none()),
        ("PartylineGain=20", TuningChange { gain_db: Some(20), ..none() }),
        ("PartylineGain=-20", TuningChange { gain_db: Some(-20), ..none() }),
        ("PartylineGain=%2B6", TuningChange { gain_db: Some(6), ..none() }),
        ("PartylineGain=0", TuningChange { gain_db: Some(0), ..none() }),
        ("PartylineNoiseSuppression=true", TuningChange { noise_suppression: Some(true), ..none() }),
        ("PartylineNoiseSuppression=0", TuningChange { noise_suppression: Some(false), ..none() }),
        ("PartylineJitterBufferSize=off", TuningChange { jitter_buffer_size: Some(JitterBufferSize::Off), ..none() }),
        (
            "PartylineJitterBufferSize=large",
            TuningChange { jitter_buffer_size: Some(JitterBufferSize::Large), ..none() },
        ),
        ("PartylineDataMode=TRUE&PartylineGain=1", TuningChange { data_mode: Some(true), gain_db: Some(1), ..none() }),
    ] {
        for place in ["ana", "ana.json", "ana/Tuning", "ana/Tuning.json"] {
            let bridge = room().await;
            bridge.will_answer(Ok(Answer::Participant(tuned())));
            let reply = bridge.post(&path(place), form).await;
            assert_eq!(reply.outcome(), (200, 0), "{place} {form}: {}", reply.body);
            assert_eq!(reply.json().get("partyline_gain").is_some(), place.contains("Tuning"), "{place}");
            let command = Command::UpdateParticipant {
                account: ACCOUNT,
                conference: ConferenceRef::Sid(conference(0).sid),
                participant: ParticipantRef::Label("ana".to_owned()),
                change: ParticipantChange { tuning, ..ParticipantChange::default() },
            };
            assert_eq!(bridge.asked(), [command], "{place} {form}");
        }
    }
}

#[tokio::test]
async fn a_wrong_value_never_reaches_the_switch_and_says_what_is_expected() {
    for (form, expected) in [
        ("PartylineGain=21", "PartylineGain: expected a whole number of dB from -20 to 20"),
        ("PartylineGain=-21", "PartylineGain: expected a whole number of dB from -20 to 20"),
        ("PartylineGain=300", "PartylineGain: expected a whole number of dB from -20 to 20"),
        ("PartylineGain=1.5", "PartylineGain: expected a whole number of dB from -20 to 20"),
        ("PartylineGain=", "PartylineGain: expected a whole number of dB from -20 to 20"),
        ("PartylineGain=loud", "PartylineGain: expected a whole number of dB from -20 to 20"),
        ("PartylineNoiseSuppression=some", "PartylineNoiseSuppression: expected true or false"),
        ("PartylineJitterBufferSize=huge", "PartylineJitterBufferSize: expected off, small, medium or large"),
        ("PartylineJitterBufferSize=Large", "PartylineJitterBufferSize: expected off, small, medium or large"),
        ("PartylineDataMode=", "PartylineDataMode: expected true or false"),
        ("Muted=true&PartylineGain=6&PartylineDataMode=2", "PartylineDataMode: expected true or false"),
    ] {
        for place in ["ana.json", "ana/Tuning.json"] {
            let bridge = room().await;
            let reply = bridge.post(&path(place), form).await;
            assert_eq!(reply.outcome(), (400, 20001), "{place} {form}");
            let message = format!("Invalid value for parameter {expected}");
            assert_eq!(reply.json()["message"], message, "{place} {form}");
            assert_eq!(bridge.asked(), [], "{place} {form}");
        }
    }
}

#[tokio::test]
async fn what_is_saved_is_shown() {
    let bridge = room().await;
    let (account, conference, call) = (ACCOUNT.to_string(), conference(0).sid.to_string(), call(0).sid.to_string());
    let want = json!({
        "account_sid": account,
        "conference_sid": conference,
        "call_sid": call,
        "partyline_gain": -3,
        "partyline_noise_suppression": true,
        "partyline_jitter_buffer_size": "small",
        "partyline_data_mode": false,
        "date_updated": bridge.get(&path("ana.json")).await.json()["date_updated"],
        "uri": format!("/2010-04-01/Accounts/{account}/Conferences/{conference}/Participants/{call}/Tuning.json"),
    });
    for place in ["ana/Tuning.json", &format!("{call}/Tuning"), "ana/Tuning.json/"] {
        assert_eq!(bridge.get(&path(place)).await.json(), want, "{place}");
    }
}

#[tokio::test]
async fn nobody_is_nobody_here_too() {
    let bridge = room().await;
    for (verb, place, want) in [
        ("GET", "nobody/Tuning.json", (404, 20404)),
        ("GET", "ana/tuning.json", (404, 20404)),
        ("DELETE", "ana/Tuning.json", (405, 20004)),
    ] {
        assert_eq!(bridge.ask(verb, &path(place), None).await.outcome(), want, "{verb} {place}");
    }
    bridge.will_answer(Err(Refusal::ParticipantNotFound));
    assert_eq!(bridge.post(&path("nobody/Tuning.json"), "PartylineGain=1").await.outcome(), (404, 20404));
    bridge.will_answer(Ok(Answer::Participant(tuned())));
    assert_eq!(bridge.ask("PUT", &path("ana/Tuning.json"), Some("PartylineGain=1")).await.outcome(), (200, 0));
}
