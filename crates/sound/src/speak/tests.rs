use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use web::WebConfig;

use super::*;

fn web() -> Web {
    Web::new(&WebConfig { allow: vec!["127.0.0.1".parse().expect("a rule")], trusted: Vec::new() }).expect("a way out")
}

fn say(text: &str, voice: &str, language: &str) -> Utterance {
    Utterance { text: text.to_owned(), ssml: false, voice: voice.to_owned(), language: language.to_owned() }
}

fn codes(spoken: &Spoken) -> Vec<u32> {
    spoken.warnings.iter().map(|warning| warning.code).collect()
}

/// A WAV file of so many samples of silence at 8 kHz.
fn wav(samples: u32) -> Vec<u8> {
    let mut file =
        b"RIFF\xff\xff\xff\xffWAVEfmt \x10\0\0\0\x07\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data".to_vec();
    file.extend(samples.to_le_bytes());
    file.resize(file.len() + samples as usize, 0xff);
    file
}

/// Engines that write down what they are asked and answer 800 samples of silence.
struct Engines {
    folder: TempDir,
}

impl Engines {
    fn new(names: &[&str]) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        fs::write(folder.path().join("sound.wav"), wav(800)).expect("written");
        let engines = Self { folder };
        for name in names {
            let (asked, sound) = (engines.path("asked"), engines.path("sound.wav"));
            let script = format!(
                "#!/bin/sh\n[ \"$1\" = --version ] && exit 0\n(echo \"{name} $@\"; cat; echo) >> {asked}\ncat {sound}\n"
            );
            fs::write(engines.path(name), script).expect("written");
            fs::set_permissions(engines.path(name), Permissions::from_mode(0o700)).expect("executable");
        }
        engines
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }

    async fn speaker(&self) -> Speaker {
        let config = SpeakConfig {
            flite: self.path("flite").into(),
            espeak: self.path("espeak").into(),
            ..SpeakConfig::default()
        };
        Speaker::start(config, web()).await
    }

    /// What they were asked since the last look.
    fn asked(&self) -> String {
        let asked = fs::read_to_string(self.path("asked")).unwrap_or_default();
        let _ = fs::remove_file(self.path("asked"));
        asked
    }
}

#[tokio::test]
async fn each_language_is_spoken_by_the_engine_that_has_it() {
    let engines = Engines::new(&["flite", "espeak"]);
    let speaker = engines.speaker().await;
    assert!(speaker.missing().is_empty());
    let flite = "-f /dev/stdin -o /dev/stdout";
    for (utterance, want, warnings) in [
        (say("Hello", "", ""), format!("flite -voice rms {flite}\nHello\n"), vec![]),
        (say("Hi; rm -rf $HOME", "alice", "en-GB"), format!("flite -voice slt {flite}\nHi; rm -rf $HOME\n"), vec![]),
        (say("Hallo", "Polly.Vicki", ""), "espeak --stdin --stdout -b 1 -v de+f3\nHallo\n".to_owned(), vec![]),
        (say("Hi [[x]]", "man", "fr-FR"), "espeak --stdin --stdout -b 1 -v fr-fr\nHi [ [x]]\n".to_owned(), vec![]),
        (say("Hello", "Polly.X", "tlh"), format!("flite -voice rms {flite}\nHello\n"), vec![13_511, 13_512]),
    ] {
        let spoken = speaker.speak(&utterance).await;
        assert_eq!(engines.asked(), want);
        assert_eq!(codes(&spoken), warnings, "{utterance:?}");
        assert_eq!(spoken.outcome.expect("a sound").samples.len(), 800, "{utterance:?}");
    }
}

#[tokio::test]
async fn markup_reaches_the_engine_that_reads_it_and_is_pauses_to_the_other() {
    let engines = Engines::new(&["flite", "espeak"]);
    let speaker = engines.speaker().await;
    let text = "<speak>One<break time=\"500ms\"/><audio src=\"/etc/passwd\"/>two &amp; three</speak>".to_owned();
    let mut utterance = Utterance { text, ssml: true, voice: String::new(), language: "it-IT".to_owned() };
    let spoken = speaker.speak(&utterance).await;
    let want = "espeak --stdin --stdout -b 1 -v it -m\n<speak>One<break time=\"500ms\"/>two &amp; three</speak>\n";
    assert_eq!((engines.asked().as_str(), codes(&spoken)), (want, vec![]));
    utterance.language.clear();
    let clip = speaker.speak(&utterance).await.outcome.expect("a sound");
    assert_eq!(engines.asked().matches("flite").count(), 2);
    assert_eq!(clip.samples.len(), 800 + 4_000 + 800);
}

#[tokio::test]
async fn what_is_missing_is_stood_in_for() {
    let utterances = [say("Hello", "", "en-US"), say("Hallo", "", "de-DE")];
    for (there, missing, spoken_by, warnings) in [
        (&["flite"][..], 1, ["flite", "flite"], vec![13_512]),
        (&["espeak"], 1, ["espeak", "espeak"], vec![]),
        (&[], 1, ["", ""], vec![]),
    ] {
        let engines = Engines::new(there);
        let speaker = engines.speaker().await;
        assert_eq!(speaker.missing().len(), missing, "{there:?}");
        for (utterance, by) in utterances.iter().zip(spoken_by) {
            let spoken = speaker.speak(utterance).await;
            assert_eq!(engines.asked().split(' ').next(), Some(by), "{there:?}");
            assert_eq!(spoken.outcome.is_ok(), !by.is_empty());
            assert_eq!(codes(&spoken), if utterance.language == "de-DE" { warnings.clone() } else { vec![] });
        }
    }
}

#[tokio::test]
async fn text_that_is_nothing_or_too_much_is_said() {
    let engines = Engines::new(&["flite", "espeak"]);
    let speaker = engines.speaker().await;
    for text in ["", "  \n", "…!?"] {
        let spoken = speaker.speak(&say(text, "", "")).await;
        assert!(matches!(spoken.outcome, Err(SpeakError::NoWords)), "{text:?}");
    }
    let spoken = speaker.speak(&say(&"ä".repeat(4_097), "", "")).await;
    assert_eq!(codes(&spoken), [13_521]);
    assert_eq!(engines.asked().matches('ä').count(), 4_096);
    assert!(codes(&speaker.speak(&say(&"ä".repeat(4_096), "", "")).await).is_empty());
}

#[tokio::test]
async fn a_service_speaks_first_and_others_where_it_fails() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}/say", listener.local_addr().expect("bound"));
    let (asked, mut questions) = tokio::sync::mpsc::unbounded_channel();
    tokio::spawn(async move {
        let answers = [("200 OK", wav(1_600)), ("500 No", Vec::new()), ("200 OK", b"<html>".to_vec())];
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().await.expect("a connection");
            let mut question = vec![0; 4_096];
            let mut len = 0;
            while !question[..len].ends_with(b"}") {
                len += stream.read(&mut question[len..]).await.expect("a request");
            }
            let _ = asked.send(String::from_utf8_lossy(&question[..len]).into_owned());
            let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            stream.write_all(&[head.as_bytes(), &body].concat()).await.expect("written");
        }
    });
    let engines = Engines::new(&["flite"]);
    let config = SpeakConfig {
        service: Some(Url::parse(&url).expect("a URL")),
        flite: engines.path("flite").into(),
        espeak: engines.path("none").into(),
        ..SpeakConfig::default()
    };
    let speaker = Speaker::start(config, web()).await;
    for (case, samples, warnings) in
        [("answers", 1_600, vec![]), ("fails", 800, vec![13_520]), ("lies", 800, vec![13_520])]
    {
        let spoken = speaker.speak(&say("Good \"day\"", "Polly.Brian", "")).await;
        assert_eq!(codes(&spoken), warnings, "{case}");
        assert_eq!(spoken.outcome.expect("a sound").samples.len(), samples, "{case}");
        let question = questions.recv().await.expect("asked");
        let body = question.split("\r\n\r\n").nth(1).expect("a body");
        let body: serde_json::Value = serde_json::from_str(body).expect("JSON");
        let want =
            serde_json::json!({"text": "Good \"day\"", "ssml": false, "voice": "Polly.Brian", "language": "en-gb"});
        assert_eq!(body, want, "{case}");
    }
}

#[tokio::test]
async fn what_exceeds_the_queue_is_refused() {
    let engines = Engines::new(&["flite"]);
    let mut speaker = engines.speaker().await;
    (speaker.places, speaker.slots) = (Semaphore::new(1), Semaphore::new(1));
    let turn = speaker.slots.try_acquire().expect("free");
    let utterance = say("Hello", "", "");
    let mut waiting = Box::pin(speaker.speak(&utterance));
    let is_pending = std::future::poll_fn(|cx| std::task::Poll::Ready(waiting.as_mut().poll(cx).is_pending())).await;
    assert!(is_pending);
    assert!(matches!(speaker.speak(&utterance).await.outcome, Err(SpeakError::Busy)));
    drop(turn);
    assert!(waiting.await.outcome.is_ok());
}

#[tokio::test]
async fn nobody_waits_for_a_turn_for_ever() {
    let engines = Engines::new(&["flite"]);
    let mut speaker = engines.speaker().await;
    let soon = Duration::from_millis(20);
    for (waiting_timeout, timeout) in [(soon, LONG), (LONG, soon)] {
        (speaker.config.waiting_timeout, speaker.config.timeout) = (waiting_timeout, timeout);
        let turns = speaker.slots.try_acquire_many(2).expect("free");
        let spoken = speaker.speak(&say("Hello", "", "")).await;
        assert!(matches!(spoken.outcome, Err(SpeakError::Busy)), "{:?}", spoken.outcome);
        assert_eq!(spoken.outcome.err().map(|error| error.code()), Some(13_520));
        drop(turns);
    }
    assert_eq!(engines.asked(), "");
    speaker.config.timeout = LONG;
    assert!(speaker.speak(&say("Hello", "", "")).await.outcome.is_ok());
}

#[tokio::test]
async fn all_pieces_of_a_text_have_one_deadline() {
    let engines = Engines::new(&["flite"]);
    let slow = fs::read_to_string(engines.path("flite")).expect("written").replace("exit 0\n", "exit 0\nsleep 0.05\n");
    fs::write(engines.path("flite"), slow).expect("written");
    let mut speaker = engines.speaker().await;
    speaker.config.timeout = Duration::from_millis(500);
    // One after the other: 50 ms each, 1.6 s together.
    let text = "a<break time=\"1ms\"/>".repeat(32);
    let utterance = Utterance { ssml: true, ..say(&text, "", "") };
    let spoken = speaker.speak(&utterance).await;
    assert!(matches!(spoken.outcome, Err(SpeakError::Engine(_))), "{:?}", spoken.outcome);
    assert!(engines.asked().matches("flite").count() < 32);
    assert_eq!(speaker.slots.available_permits(), 2);
}

const LONG: Duration = Duration::from_secs(600);
