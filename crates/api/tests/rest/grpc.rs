//! gRPC over a real connection: every method becomes the command that REST sends, or is refused with the same code.

use std::time::Duration;

use api::grpc::proto::conference_control_client::ConferenceControlClient;
use api::grpc::proto::events_client::EventsClient;
use api::grpc::proto::{self, Audio};
use axum::body::Body;
use axum::http::{self, HeaderValue};
use http_body_util::BodyExt as _;
use model::{AccountSid, ConferenceStatus, Participant, ParticipantStatus};
use store::Row;
use switch::{
    Answer, AudioUrl, Callee, Command, ConferenceRef, HttpMethod, ParticipantChange, ParticipantRef, Refusal,
    TuningChange,
};
use tokio::net::TcpListener;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};
use tower::ServiceExt as _;

use crate::bridge::{ACCOUNT, Bridge, TOKEN, account, basic, call, conference, participant};
use crate::statistics::event;

struct Served {
    bridge: Bridge,
    control: ConferenceControlClient<Channel>,
    events: EventsClient<Channel>,
}

async fn serve() -> Served {
    let bridge = Bridge::start().await;
    bridge.save(&[Row::Conference(conference(0)), Row::Conference(conference(1))]).await;
    let ana = Participant { label: Some("ana".to_owned()), ..participant(0) };
    let gone = Participant { status: ParticipantStatus::Complete, ..participant(2) };
    bridge.save(&[ana, participant(1), gone].map(Row::Participant)).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let uri = format!("http://{}", listener.local_addr().expect("has one"));
    let (routes, _health) = api::grpc::routes(bridge.api.clone()).await;
    tokio::spawn(api::grpc::serve(listener, routes, std::future::pending()));
    let channel = Channel::from_shared(uri).expect("is a URI").connect().await.expect("connects");
    let (control, events) = (ConferenceControlClient::new(channel.clone()), EventsClient::new(channel));
    Served { bridge, control, events }
}

/// With our credentials.
fn ours<T>(message: T) -> Request<T> {
    by(message, &basic(&ACCOUNT.to_string(), TOKEN))
}

fn by<T>(message: T, authorization: &str) -> Request<T> {
    let mut request = Request::new(message);
    request.metadata_mut().insert("authorization", authorization.parse().expect("is a value"));
    request
}

/// The status, and REST's code.
fn refused<T>(outcome: Result<Response<T>, Status>) -> (Code, String) {
    let status = outcome.err().expect("is refused");
    let code = status.metadata().get("twilio-error-code").map(|code| code.to_str().expect("is text").to_owned());
    (status.code(), code.unwrap_or_default())
}

fn room() -> String {
    conference(0).sid.to_string()
}

fn audio(url: &str) -> Option<Audio> {
    Some(Audio { url: url.to_owned(), method: String::new() })
}

fn url(url: &str, method: HttpMethod) -> Option<AudioUrl> {
    Some(AudioUrl { url: url.to_owned(), method })
}

#[tokio::test]
async fn every_change_becomes_the_command_that_rest_sends() {
    let Served { bridge, control, .. } = serve().await;
    let (account, of, target) = (ACCOUNT, ParticipantRef::Label("ana".to_owned()), call(1).sid);
    let none = ParticipantChange::default;
    let (room, who) = (room(), || "ana".to_owned());
    let one = || proto::ParticipantRequest { conference: room.clone(), participant: who(), ..Default::default() };
    // What is asked, and what becomes of it.
    macro_rules! changes {
        ($($method:ident($asked:expr) => $change:expr;)+) => { $(
            bridge.will_answer(Ok(Answer::Participant(participant(0))));
            let answer = control.clone().$method(ours($asked)).await.expect("is done").into_inner();
            assert_eq!(answer.call_sid, call(0).sid.to_string());
            let here = ConferenceRef::Sid(conference(0).sid);
            let want = Command::UpdateParticipant { account, conference: here, participant: of.clone(), change: $change };
            assert_eq!(bridge.asked(), [want], stringify!($method));
        )+ };
    }
    let mute = |muted| proto::MuteRequest { conference: room.clone(), participant: who(), muted, ..Default::default() };
    let hold = |hold, audio| proto::HoldRequest {
        conference: room.clone(),
        participant: who(),
        hold,
        audio,
        ..Default::default()
    };
    let coach = |call_sid_to_coach| proto::CoachRequest {
        conference: room.clone(),
        participant: who(),
        call_sid_to_coach,
        ..Default::default()
    };
    changes! {
        mute(mute(true)) => ParticipantChange { muted: Some(true), ..none() };
        mute(mute(false)) => ParticipantChange { muted: Some(false), ..none() };
        hold(hold(true, audio("http://a.test/hold"))) => ParticipantChange {
            hold: Some(true),
            hold_audio: url("http://a.test/hold", HttpMethod::Get),
            ..none()
        };
        hold(hold(false, None)) => ParticipantChange { hold: Some(false), ..none() };
        coach(coach(target.to_string())) => ParticipantChange {
            coaching: Some(true),
            call_sid_to_coach: Some(target),
            ..none()
        };
        coach(coach(String::new())) => ParticipantChange { coaching: Some(true), ..none() };
        monitor(one()) => ParticipantChange { muted: Some(true), coaching: Some(false), ..none() };
        barge(one()) => ParticipantChange { muted: Some(false), coaching: Some(false), ..none() };
        announce(proto::AnnounceRequest {
            conference: room.clone(),
            participant: who(),
            audio: audio("http://a.test/news"),
            ..Default::default()
        }) => ParticipantChange { announce: url("http://a.test/news", HttpMethod::Post), ..none() };
        set_gain(proto::SetGainRequest {
            conference: room.clone(),
            participant: who(),
            gain_db: -6,
            ..Default::default()
        }) => ParticipantChange {
            tuning: TuningChange { gain_db: Some(-6), ..TuningChange::default() },
            ..none()
        };
    }
}

#[tokio::test]
async fn people_come_go_and_change_rooms_and_rooms_end() {
    let Served { bridge, mut control, .. } = serve().await;
    let account = ACCOUNT;
    let named = |name: &str| ConferenceRef::Name(name.to_owned());

    bridge.will_answer(Ok(Answer::Participant(participant(0))));
    let to_conference = "support".to_owned();
    let (conference_, participant_) = (room(), call(0).sid.to_string());
    let asked = proto::MoveRequest {
        conference: conference_.clone(),
        participant: participant_.clone(),
        to_conference,
        ..Default::default()
    };
    control.r#move(ours(asked)).await.expect("is done");
    let from = ConferenceRef::Sid(conference(0).sid);
    let who = ParticipantRef::Call(call(0).sid);
    let want =
        Command::MoveParticipant { account, conference: from.clone(), participant: who.clone(), to: named("support") };
    assert_eq!(bridge.asked(), [want]);

    bridge.will_answer(Ok(Answer::Removed));
    let asked = proto::ParticipantRequest { conference: conference_, participant: participant_, ..Default::default() };
    control.remove(ours(asked)).await.expect("is done");
    assert_eq!(bridge.asked(), [Command::RemoveParticipant { account, conference: from.clone(), participant: who }]);

    bridge.will_answer(Ok(Answer::Conference(conference(0))));
    let asked = proto::EndConferenceRequest { conference: room(), ..Default::default() };
    control.end_conference(ours(asked)).await.expect("is done");
    let update =
        |complete, announce| Command::UpdateConference { account, conference: from.clone(), complete, announce };
    assert_eq!(bridge.asked(), [update(true, None)]);

    bridge.will_answer(Ok(Answer::Conference(conference(0))));
    let asked = proto::AnnounceToConferenceRequest {
        conference: room(),
        audio: audio("http://a.test/news"),
        ..Default::default()
    };
    control.announce_to_conference(ours(asked)).await.expect("is done");
    assert_eq!(bridge.asked(), [update(false, url("http://a.test/news", HttpMethod::Post))]);

    bridge.will_answer(Ok(Answer::Participant(participant(0))));
    let asked = proto::DialRequest {
        conference: "support".to_owned(),
        to: "client:ben".to_owned(),
        from: "+15005550006".to_owned(),
        label: "agent".to_owned(),
        muted: true,
        end_conference_on_exit: true,
        beep: Some(false),
        timeout_seconds: 20,
        ..Default::default()
    };
    control.dial(ours(asked)).await.expect("is done");
    let asked = bridge.asked();
    let [Command::CreateParticipant(new)] = asked.as_slice() else { panic!("one command, not {asked:?}") };
    assert_eq!((&new.conference, new.label.as_deref()), (&named("support"), Some("agent")));
    assert_eq!(new.leg.to, Callee::Client { identity: "ben".to_owned(), parameters: Vec::new() });
    assert_eq!(
        (new.muted, new.end_conference_on_exit, new.beep_on_enter, new.beep_on_exit),
        (true, true, false, false)
    );
    assert_eq!((new.start_conference_on_enter, new.leg.ring_timeout), (true, Duration::from_secs(20)));
}

#[tokio::test]
async fn what_there_is_is_listed_page_by_page_and_fetched() {
    let Served { bridge, mut control, .. } = serve().await;
    let over = model::Conference { status: ConferenceStatus::Completed, ..conference(2) };
    bridge.save(&[Row::Conference(over)]).await;
    let mut names = Vec::new();
    let mut page_token = String::new();
    loop {
        let asked = proto::ListConferencesRequest { page_size: 2, page_token, ..Default::default() };
        let page = control.list_conferences(ours(asked)).await.expect("is listed").into_inner();
        names.push(page.conferences.iter().map(|conference| conference.friendly_name.clone()).collect::<Vec<_>>());
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    assert_eq!(names, [vec!["room 2", "room 1"], vec!["room 0"]]);
    let asked =
        proto::ListConferencesRequest { status: proto::ConferenceStatus::Completed.into(), ..Default::default() };
    let found = control.list_conferences(ours(asked)).await.expect("is listed").into_inner();
    assert_eq!(found.conferences.len(), 1);
    let asked = proto::GetConferenceRequest { conference: "room 1".to_owned(), ..Default::default() };
    let found = control.get_conference(ours(asked)).await.expect("is there").into_inner();
    assert_eq!((found.sid, found.status), (conference(1).sid.to_string(), proto::ConferenceStatus::InProgress.into()));

    let asked = proto::ListParticipantsRequest { conference: room(), ..Default::default() };
    let found = control.list_participants(ours(asked)).await.expect("is listed").into_inner().participants;
    let calls: Vec<_> = found.into_iter().map(|participant| participant.call_sid).collect();
    assert_eq!(calls, [call(1).sid.to_string(), call(0).sid.to_string()], "those who have not left");
    let asked =
        proto::GetParticipantRequest { conference: room(), participant: "ana".to_owned(), ..Default::default() };
    let found = control.get_participant(ours(asked)).await.expect("is there").into_inner();
    assert_eq!((found.call_sid, found.label), (call(0).sid.to_string(), "ana".to_owned()));
}

#[tokio::test]
async fn what_is_refused_says_why_as_rest_does() {
    let Served { bridge, control, .. } = serve().await;
    let foreign = AccountSid::from_bits(8);
    bridge.store.save_account(&account(foreign, foreign)).await.expect("writes");
    let get = |account_sid: String| proto::GetConferenceRequest { account_sid, conference: room() };
    let mut asker = control.clone();
    assert_eq!(
        refused(asker.get_conference(Request::new(get(String::new()))).await),
        (Code::Unauthenticated, "20003".to_owned())
    );
    let wrong = basic(&ACCOUNT.to_string(), "wrong");
    let (code, _) = refused(asker.get_conference(by(get(String::new()), &wrong)).await);
    assert_eq!(code, Code::Unauthenticated);
    for stranger in [foreign.to_string(), "AC1".to_owned()] {
        let (code, _) = refused(asker.get_conference(ours(get(stranger.clone()))).await);
        assert_eq!(code, Code::NotFound, "{stranger}");
    }
    let strangers = by(get(String::new()), &basic(&foreign.to_string(), TOKEN));
    assert_eq!(refused(asker.get_conference(strangers).await), (Code::NotFound, "20404".to_owned()));
    let size = proto::ListConferencesRequest { page_size: 1_001, ..Default::default() };
    assert_eq!(refused(asker.list_conferences(ours(size)).await), (Code::InvalidArgument, "20007".to_owned()));
    let gain = proto::SetGainRequest { gain_db: 21, ..Default::default() };
    assert_eq!(refused(asker.set_gain(ours(gain)).await), (Code::InvalidArgument, "20001".to_owned()));
    let nothing = proto::AnnounceToConferenceRequest { conference: room(), ..Default::default() };
    assert_eq!(refused(asker.announce_to_conference(ours(nothing)).await).0, Code::InvalidArgument);
    assert_eq!(bridge.asked(), [], "none of this has reached the switch");
    bridge.will_answer(Err(Refusal::CoachTargetOnHold));
    let coach = proto::CoachRequest { conference: room(), participant: "ana".to_owned(), ..Default::default() };
    assert_eq!(refused(asker.coach(ours(coach)).await), (Code::FailedPrecondition, "16027".to_owned()));
}

/// A call as it comes by HTTP/2, without a client that would keep time itself.
async fn raw(bridge: &Bridge, method: &str, message: &impl prost::Message, patience: &str) -> http::Response<Body> {
    let (routes, _health) = api::grpc::routes(bridge.api.clone()).await;
    let message = message.encode_to_vec();
    let length = u32::try_from(message.len()).expect("is short").to_be_bytes();
    let request = http::Request::post(format!("/partyline.v1.{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .header("authorization", basic(&ACCOUNT.to_string(), TOKEN))
        .header("grpc-timeout", patience)
        .body(Body::from([&[0][..], &length, &message].concat()))
        .expect("is a request");
    routes.oneshot(request).await.expect("is answered")
}

#[tokio::test]
async fn nobody_waits_longer_than_they_say() {
    let Served { bridge, .. } = serve().await;
    let deadline_exceeded = HeaderValue::from_static("4");
    // The fake switch never answers this one.
    let mute = proto::MuteRequest { conference: room(), participant: "ana".to_owned(), ..Default::default() };
    let answer = raw(&bridge, "ConferenceControl/Mute", &mute, "50m").await;
    assert_eq!(answer.headers().get("grpc-status"), Some(&deadline_exceeded));
    let answer = raw(&bridge, "Events/Watch", &proto::WatchRequest::default(), "50m").await;
    assert_eq!(answer.headers().get("grpc-status"), None, "the stream begins");
    let stream = answer.into_body().collect().await.expect("ends");
    assert_eq!(stream.trailers().and_then(|trailers| trailers.get("grpc-status")), Some(&deadline_exceeded));
}

#[tokio::test]
async fn the_log_is_watched_from_where_one_stopped() {
    let Served { bridge, mut events, .. } = serve().await;
    for number in 1..=3 {
        bridge.writer.write(vec![Row::Event(event(number).into())]).await.expect("writes");
    }
    let from = proto::WatchRequest { after_seq: Some(10), ..Default::default() };
    let mut watched = events.watch(ours(from)).await.expect("is watched").into_inner();
    let leaves =
        proto::WatchRequest { after_seq: Some(0), types: vec!["participant-*".to_owned()], ..Default::default() };
    let mut leaves = events.watch(ours(leaves)).await.expect("is watched").into_inner();
    bridge.writer.write((4..=5).map(|number| Row::Event(event(number).into())).collect()).await.expect("writes");
    for number in 2..=5 {
        let told = watched.message().await.expect("goes on").expect("is there");
        assert_eq!((told.seq, told.parameters["SequenceNumber"].clone()), (10 * number, number.to_string()));
        assert_eq!(told.account_sid, ACCOUNT.to_string());
    }
    for seq in [20, 50] {
        let told = leaves.message().await.expect("goes on").expect("is there");
        assert_eq!((told.seq, told.r#type.as_str()), (seq, "participant-leave"));
        let did = told.media_statistics.expect("had a leg");
        assert_eq!((did.packets_in, did.mos, did.level_in_db), (50, Some(4.4), None));
    }
    let beyond = proto::WatchRequest { after_seq: Some(51), ..Default::default() };
    assert_eq!(refused(events.watch(ours(beyond)).await).0, Code::OutOfRange);
    let malformed = proto::WatchRequest { call_sid: "CA1".to_owned(), ..Default::default() };
    assert_eq!(refused(events.watch(ours(malformed)).await), (Code::InvalidArgument, "20423".to_owned()));
    let key = bridge.post("/Keys.json", "").await.json();
    let (sid, secret) = (key["sid"].as_str().expect("a SID"), key["secret"].as_str().expect("a secret"));
    let by_key = by(proto::WatchRequest::default(), &basic(sid, secret));
    let mut by_key = events.watch(by_key).await.expect("is watched").into_inner();
    assert_eq!(bridge.ask("DELETE", &format!("/Keys/{sid}.json"), None).await.outcome(), (204, 0));
    assert_eq!(by_key.message().await.err().map(|status| status.code()), Some(Code::Unauthenticated));
    bridge.feeds.close();
    assert_eq!(watched.message().await.err().map(|status| status.code()), Some(Code::Unavailable));
}
