//! The engines that the operating system packages, and what they really say.

use sound::{SpeakConfig, Speaker, Utterance};
use web::{Web, WebConfig};

/// Seconds of sound, and how loud it is at its loudest.
async fn say(speaker: &Speaker, text: &str, ssml: bool, voice: &str, language: &str) -> (f64, u16) {
    let [text, voice, language] = [text, voice, language].map(str::to_owned);
    let spoken = speaker.speak(&Utterance { text, ssml, voice, language }).await;
    assert_eq!(spoken.warnings, []);
    let clip = spoken.outcome.expect("a sound");
    let loudest = clip.samples.iter().map(|sample| sample.unsigned_abs()).max().unwrap_or(0);
    (clip.samples.len() as f64 / f64::from(clip.rate_hz), loudest)
}

#[tokio::test]
async fn what_is_said_is_as_long_as_speech_and_as_loud() {
    let web = Web::new(&WebConfig::default()).expect("a way out");
    let speaker = Speaker::start(SpeakConfig::default(), web).await;
    assert_eq!(speaker.missing(), [""; 0], "both are installed");
    for (case, text, voice, language) in [
        ("flite, a man", "Thank you for calling. Please hold the line.", "man", "en-US"),
        ("flite, a woman", "Thank you for calling. Please hold the line.", "Polly.Joanna", ""),
        ("flite, Scottish", "Thank you for calling. Please hold the line.", "man", "en-GB"),
        ("espeak, German", "Danke für Ihren Anruf. Bitte bleiben Sie dran.", "woman", "de-DE"),
        ("espeak, French", "Merci de votre appel. Restez en ligne.", "Polly.Mathieu", ""),
        ("espeak, Chinese", "谢谢您的来电请不要挂断", "alice", "zh-CN"),
        ("espeak, Arabic", "شكرا لاتصالك من فضلك انتظر", "Google.ar-XA-Standard-A", ""),
    ] {
        let (seconds, loudest) = say(&speaker, text, false, voice, language).await;
        assert!((1.5..6.0).contains(&seconds), "{case}: {seconds} s");
        assert!(loudest > 5_000, "{case}: a peak of {loudest}");
    }
}

#[tokio::test]
async fn markup_is_heard() {
    let web = Web::new(&WebConfig::default()).expect("a way out");
    let speaker = Speaker::start(SpeakConfig::default(), web).await;
    for (case, language) in [("flite", "en-US"), ("espeak", "de-DE")] {
        let (plain, _) = say(&speaker, "one two", false, "", language).await;
        let (paused, _) = say(&speaker, "one <break time=\"2s\"/> two", true, "", language).await;
        assert!((1.5..3.0).contains(&(paused - plain)), "{case}: {plain} and {paused} s");
        let (spelt, _) = say(&speaker, "<say-as interpret-as=\"characters\">abcdef</say-as>", true, "", language).await;
        let (said, _) = say(&speaker, "abcdef", true, "", language).await;
        assert!(spelt > 1.3 * said, "{case}: {spelt} s spelt, {said} s as a word");
    }
}
