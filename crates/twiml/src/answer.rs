//! What an application answered, by its content type (twiml §1).

use crate::document::{Document, DocumentError, parse};

/// What is to be done with an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Run it.
    Document(Document),
    /// Play it, then hang up: [`Document::playing`].
    Audio,
    /// Speak it, then hang up: [`Document::speaking`]. Trimmed, never empty.
    Text(String),
}

impl Answer {
    /// Tells what an answer of this `Content-Type` is; parameters such as a charset are ignored. No body at all is an empty
    /// document, whatever its type.
    pub fn classify(content_type: Option<&str>, body: &[u8]) -> Result<Self, DocumentError> {
        let essence =
            content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            _ if body.is_empty() => parse(body).map(Self::Document),
            "text/xml" | "application/xml" | "text/html" => parse(body).map(Self::Document),
            "text/plain" => match (parse(body), std::str::from_utf8(body)) {
                (Ok(document), _) => Ok(Self::Document(document)),
                // What is too long for a document is too long to be spoken.
                (Err(error @ DocumentError::TooLarge { .. }), _) | (Err(error), Err(_)) => Err(error),
                (Err(_), Ok(text)) => Ok(Self::Text(text.trim().to_owned())),
            },
            audio if AUDIO.contains(&audio) => Ok(Self::Audio),
            _ => Err(DocumentError::ContentType(crate::warning::shorten(&essence))),
        }
    }
}

const AUDIO: &[&str] = &[
    "audio/mpeg",
    "audio/wav",
    "audio/wave",
    "audio/x-wav",
    "audio/aiff",
    "audio/x-aifc",
    "audio/x-aiff",
    "audio/x-gsm",
    "audio/gsm",
    "audio/ulaw",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tells_documents_audio_and_text() {
        let xml = "<Response><Hangup/></Response>";
        for (case, content_type, body, want) in [
            ("XML", Some("text/xml"), xml, "1 verbs"),
            ("with a charset", Some("Application/XML ; charset=utf-8"), xml, "1 verbs"),
            ("HTML, as PHP says by default", Some("text/html"), xml, "1 verbs"),
            ("HTML that is HTML", Some("text/html"), "<html></html>", "12102"),
            ("broken XML", Some("text/xml"), "<Response>", "12100"),
            ("text that is a document", Some("text/plain"), xml, "1 verbs"),
            ("text", Some("text/plain"), " Hello & goodbye.\n", "text Hello & goodbye."),
            ("MP3", Some("audio/mpeg"), "ID3", "audio"),
            ("WAV", Some("audio/x-wav"), "RIFF", "audio"),
            ("nothing", Some("text/xml"), "", "0 verbs"),
            ("nothing, of no type", None, "", "0 verbs"),
            ("JSON", Some("application/json"), "{}", "12300"),
            ("no type", None, xml, "12300"),
            ("an audio type nobody plays", Some("audio/x-unknown"), "x", "12300"),
        ] {
            let found = match Answer::classify(content_type, body.as_bytes()) {
                Ok(Answer::Document(document)) => format!("{} verbs", document.verbs.len()),
                Ok(Answer::Audio) => "audio".to_owned(),
                Ok(Answer::Text(text)) => format!("text {text}"),
                Err(error) => error.code().to_string(),
            };
            assert_eq!(found, want, "{case}");
        }
        assert_eq!(Answer::classify(Some("text/plain"), b"\xff\xfe").map_err(|error| error.code()), Err(12100));
        let long = vec![b'a'; Document::BYTES_MAX + 1];
        assert_eq!(Answer::classify(Some("text/plain"), &long).map_err(|error| error.code()), Err(11750));
    }
}
