//! What runs beside a call: `<Start>` and `<Stop>`, their `<Stream>` and `<Recording>`.

use crate::attributes::Attributes;
use crate::document::{childless, unknown_child};
use crate::recording::trim;
use crate::warning::{UNKNOWN, Warnings, shorten};
use crate::xml::Element;
use crate::{Link, Parameter, RecordingCallback, Track, Verb};

/// `<Stream>` (twiml §9.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stream {
    /// `wss:` only.
    pub url: String,
    /// To stop it by.
    pub name: Option<String>,
    /// What the application hears.
    pub track: Track,
    /// Told when it starts, stops and fails.
    pub status_callback: Option<Link>,
    /// Told to the application.
    pub parameters: Vec<Parameter>,
}

/// `<Start><Recording>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StartRecording {
    /// The parties are on a channel each.
    pub dual: bool,
    /// Whose voice.
    pub track: Track,
    /// Silence at both ends is cut off.
    pub trim_silence: bool,
    /// Who is told of it.
    pub callback: RecordingCallback,
}

/// `<Stop><Stream>`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StopStream {
    /// The one of this name; `None` is every one of the call.
    pub name: Option<String>,
}

impl Stream {
    /// `both_ways`: the application speaks, too, and hears the caller only. `None`, with a warning, without a usable URL.
    pub(crate) fn parse(element: &Element, both_ways: bool, warnings: &mut Warnings) -> Option<Self> {
        let mut attributes = Attributes::of(element, warnings);
        let url = attributes.raw("url").unwrap_or_default().trim();
        let tracks =
            [("inbound_track", Track::Inbound), ("outbound_track", Track::Outbound), ("both_tracks", Track::Both)];
        let mut track = attributes.word("track", UNKNOWN, &tracks).unwrap_or(Track::Inbound);
        if both_ways && track != Track::Inbound {
            attributes.warnings.warn(UNKNOWN, "<Connect><Stream> has an inbound_track only");
            track = Track::Inbound;
        }
        let name = attributes.text("name");
        let status_callback = attributes.callback("statusCallback", "statusCallbackMethod", UNKNOWN);
        attributes.ignore(&["connectorName", "audioFormat", "sampleRate"]);
        attributes.finish();
        let mut parameters = Vec::new();
        for child in element.elements() {
            match child.name.as_str() {
                "Parameter" => parameters.extend(Parameter::parse(child, warnings)),
                _ => unknown_child(element, child, UNKNOWN, warnings),
            }
        }
        let usable = url::Url::parse(url).is_ok_and(|url| url.scheme() == "wss" && url.has_host());
        if !usable {
            warnings.warn(11100, format!("<Stream url={:?}> is skipped: expected wss://…", shorten(url)));
            return None;
        }
        Some(Self { url: url.to_owned(), name, track, status_callback, parameters })
    }
}

/// `<Start>`: each of its nouns begins something.
pub(crate) fn start(element: &Element, warnings: &mut Warnings, verbs: &mut Vec<Verb>) {
    let mut attributes = Attributes::of(element, warnings);
    attributes.ignore(&["action", "method"]);
    attributes.finish();
    for child in element.elements() {
        match child.name.as_str() {
            "Stream" => verbs.extend(Stream::parse(child, false, warnings).map(Verb::StartStream)),
            "Recording" => verbs.push(Verb::StartRecording(StartRecording::parse(child, warnings))),
            "Siprec" | "Transcription" => unknown_child(element, child, UNKNOWN, warnings),
            _ => unknown_child(element, child, 14300, warnings),
        }
    }
}

/// `<Stop>`.
pub(crate) fn stop(element: &Element, warnings: &mut Warnings, verbs: &mut Vec<Verb>) {
    Attributes::of(element, warnings).finish();
    for child in element.elements() {
        if child.name == "Stream" {
            let mut attributes = Attributes::of(child, warnings);
            let name = attributes.text("name");
            // The builders know no other class for it than the one that starts a stream.
            attributes.ignore(&["url", "track", "connectorName", "audioFormat", "sampleRate"]);
            attributes.ignore(&["statusCallback", "statusCallbackMethod"]);
            attributes.finish();
            verbs.push(Verb::StopStream(StopStream { name }));
        } else {
            unknown_child(element, child, UNKNOWN, warnings);
        }
    }
}

impl StartRecording {
    fn parse(element: &Element, warnings: &mut Warnings) -> Self {
        let mut attributes = Attributes::of(element, warnings);
        let tracks = [("inbound", Track::Inbound), ("outbound", Track::Outbound), ("both", Track::Both)];
        let recording = Self {
            dual: attributes.word("channels", UNKNOWN, &[("mono", false), ("dual", true)]).unwrap_or(false),
            track: attributes.word("track", UNKNOWN, &tracks).unwrap_or(Track::Both),
            trim_silence: trim(&mut attributes, false, UNKNOWN),
            callback: RecordingCallback::parse(&mut attributes, false),
        };
        attributes.ignore(&["recordingConfigurationId"]);
        attributes.finish();
        childless(element, warnings);
        recording
    }
}
