//! What an answer is: TwiML, audio, text or none of these (twiml §1).

/// How the content of an answer is used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// TwiML.
    Document,
    /// To be played from where it is.
    Audio,
    /// TwiML if it parses, else spoken.
    Text,
    /// 12300.
    NotAccepted,
}

impl Kind {
    /// By `Content-Type`; nothing is guessed where there is none.
    pub(crate) fn of(content_type: Option<&str>) -> Self {
        let content_type = content_type.unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        match essence.as_str() {
            "text/xml" | "application/xml" | "text/html" => Self::Document,
            "text/plain" => Self::Text,
            // Beside the contract's list, the usual names of MP3 and of WAV.
            "audio/mpeg" | "audio/mp3" | "audio/wav" | "audio/wave" | "audio/x-wav" | "audio/vnd.wave"
            | "audio/aiff" | "audio/x-aifc" | "audio/x-aiff" | "audio/x-gsm" | "audio/gsm" | "audio/ulaw" => {
                Self::Audio
            }
            _ => Self::NotAccepted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_type_says_what_an_answer_is() {
        for (content_type, want) in [
            (Some("text/xml"), Kind::Document),
            (Some("Application/XML; charset=utf-8"), Kind::Document),
            (Some("text/html;charset=utf-8"), Kind::Document),
            (Some("text/plain"), Kind::Text),
            (Some("audio/x-wav"), Kind::Audio),
            (Some("audio/mpeg"), Kind::Audio),
            (Some("audio/ogg"), Kind::NotAccepted),
            (Some("application/json"), Kind::NotAccepted),
            (Some("text"), Kind::NotAccepted),
            (Some(""), Kind::NotAccepted),
            (None, Kind::NotAccepted),
        ] {
            assert_eq!(Kind::of(content_type), want, "{content_type:?}");
        }
    }
}
