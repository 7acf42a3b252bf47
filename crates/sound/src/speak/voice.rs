//! From the voices and languages that documents name to those there are.
//!
//! Documents were written for voices of others; what we take from a name is whether it is a man's or a woman's, and
//! the language it stands for. An unknown one is said (13511, 13512), and the text is spoken all the same.

/// Whose voice it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gender {
    Man,
    Woman,
}

/// What will speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Choice {
    pub(crate) gender: Gender,
    /// In lower case, such as `en-us`.
    pub(crate) language: String,
    pub(crate) knows_voice: bool,
    pub(crate) knows_language: bool,
}

/// What is meant by a voice and a language, either of which may be empty.
pub(crate) fn choose(voice: &str, language: &str) -> Choice {
    let named = named(voice.trim());
    let (gender, own_language) = named.unwrap_or((Gender::Man, None));
    let wanted = match language.trim() {
        "" => own_language.unwrap_or(LANGUAGE_DEFAULT),
        wanted => wanted,
    };
    let wanted = wanted.replace('_', "-").to_ascii_lowercase();
    let knows_language = espeak_voice(&wanted).is_some();
    let language = if knows_language { wanted } else { LANGUAGE_DEFAULT.to_owned() };
    Choice { gender, language, knows_voice: named.is_some(), knows_language }
}

/// Gender and language of a voice.
fn named(voice: &str) -> Option<(Gender, Option<&str>)> {
    let (vendor, name) = voice.split_once('.').unwrap_or(("", voice));
    match vendor.to_ascii_lowercase().as_str() {
        "" => match name.to_ascii_lowercase().as_str() {
            "" | "man" => Some((Gender::Man, None)),
            "woman" | "alice" => Some((Gender::Woman, None)),
            _ => None,
        },
        "polly" => {
            // `Joanna-Neural` and its like are other recordings of the same person.
            let person = name.split('-').next().unwrap_or_default();
            let known = POLLY.iter().find(|(known, ..)| known.eq_ignore_ascii_case(person));
            known.map(|&(_, gender, language)| (gender, Some(language)))
        }
        "google" => {
            // `en-US-Wavenet-D`, `cmn-CN-Standard-A`.
            let mut parts = name.match_indices('-').map(|(at, _)| at);
            let language = parts.nth(1).map(|end| &name[..end])?;
            let language = GOOGLE_LANGUAGES.iter().find(|known| known.eq_ignore_ascii_case(language))?;
            let is_man = matches!(name.rsplit('-').next(), Some("B" | "D" | "I" | "J"));
            Some((if is_man { Gender::Man } else { Gender::Woman }, Some(*language)))
        }
        _ => None,
    }
}

/// The voice of espeak-ng that speaks a language, of which it knows a hundred.
pub(crate) fn espeak_voice(language: &str) -> Option<&'static str> {
    let language = language.to_ascii_lowercase();
    let primary = language.split('-').next().unwrap_or_default();
    let exact = REGIONS.iter().find(|(tag, _)| *tag == language);
    let primary_of = || RENAMED.iter().find(|(tag, _)| *tag == primary).map(|&(_, voice)| voice);
    exact.map(|&(_, voice)| voice).or_else(primary_of).or_else(|| {
        let at = LANGUAGES.binary_search(&primary).ok()?;
        Some(LANGUAGES[at])
    })
}

/// The voice of flite, which speaks English only.
pub(crate) fn flite_voice(gender: Gender, language: &str) -> Option<&'static str> {
    match (gender, language) {
        _ if language.split('-').next() != Some("en") => None,
        (Gender::Woman, _) => Some("slt"),
        (Gender::Man, "en-gb" | "en-gb-sct" | "en-ie") => Some("awb"),
        (Gender::Man, _) => Some("rms"),
    }
}

pub(crate) const LANGUAGE_DEFAULT: &str = "en-us";

/// Regions that are spoken otherwise than the language elsewhere.
const REGIONS: &[(&str, &str)] = &[
    ("en-us", "en-us"),
    ("en-ca", "en-us"),
    ("en", "en-us"),
    ("es-419", "es-419"),
    ("es-mx", "es-419"),
    ("es-us", "es-419"),
    ("es-ar", "es-419"),
    ("es-co", "es-419"),
    ("es-cl", "es-419"),
    ("fr-be", "fr-be"),
    ("fr-ch", "fr-ch"),
    ("pt-br", "pt-br"),
    ("zh-hk", "yue"),
    ("zh-yue", "yue"),
    ("vi-vn-x-south", "vi-vn-x-south"),
];

/// Languages that go by another name there.
const RENAMED: &[(&str, &str)] =
    &[("arb", "ar"), ("en", "en-gb"), ("fr", "fr-fr"), ("iw", "he"), ("nn", "nb"), ("no", "nb"), ("zh", "cmn")];

/// Languages under their own name, in order.
const LANGUAGES: &[&str] = &[
    "af", "am", "ar", "az", "be", "bg", "bn", "bs", "ca", "cmn", "cs", "cy", "da", "de", "el", "eo", "es", "et", "eu",
    "fa", "fi", "ga", "gd", "gu", "he", "hi", "hr", "ht", "hu", "hy", "id", "is", "it", "ja", "ka", "kk", "kn", "ko",
    "ky", "la", "lb", "lt", "lv", "mi", "mk", "ml", "mr", "ms", "mt", "my", "nb", "ne", "nl", "or", "pa", "pl", "pt",
    "ro", "ru", "sd", "si", "sk", "sl", "sq", "sr", "sv", "sw", "ta", "te", "th", "tr", "tt", "uk", "ur", "uz", "vi",
    "yue",
];

/// Languages that the names of Google's voices begin with.
const GOOGLE_LANGUAGES: &[&str] = &[
    "af-ZA", "ar-XA", "bg-BG", "bn-IN", "ca-ES", "cmn-CN", "cmn-TW", "cs-CZ", "da-DK", "de-DE", "el-GR", "en-AU",
    "en-GB", "en-IN", "en-US", "es-ES", "es-US", "et-EE", "eu-ES", "fi-FI", "fil-PH", "fr-CA", "fr-FR", "gl-ES",
    "gu-IN", "he-IL", "hi-IN", "hu-HU", "id-ID", "is-IS", "it-IT", "ja-JP", "kn-IN", "ko-KR", "lt-LT", "lv-LV",
    "ml-IN", "mr-IN", "ms-MY", "nb-NO", "nl-BE", "nl-NL", "pa-IN", "pl-PL", "pt-BR", "pt-PT", "ro-RO", "ru-RU",
    "sk-SK", "sr-RS", "sv-SE", "ta-IN", "te-IN", "th-TH", "tr-TR", "uk-UA", "ur-IN", "vi-VN", "yue-HK",
];

use Gender::{Man, Woman};

/// Who is a man or a woman among the voices of Polly, and what they speak.
const POLLY: &[(&str, Gender, &str)] = &[
    ("Aditi", Woman, "en-IN"),
    ("Adriano", Man, "it-IT"),
    ("Alba", Woman, "es-ES"),
    ("Amy", Woman, "en-GB"),
    ("Andres", Man, "es-MX"),
    ("Aria", Woman, "en-NZ"),
    ("Arlet", Woman, "ca-ES"),
    ("Arthur", Man, "en-GB"),
    ("Astrid", Woman, "sv-SE"),
    ("Ayanda", Woman, "en-ZA"),
    ("Bianca", Woman, "it-IT"),
    ("Brian", Man, "en-GB"),
    ("Burcu", Woman, "tr-TR"),
    ("Camila", Woman, "pt-BR"),
    ("Carla", Woman, "it-IT"),
    ("Carmen", Woman, "ro-RO"),
    ("Celine", Woman, "fr-FR"),
    ("Chantal", Woman, "fr-CA"),
    ("Conchita", Woman, "es-ES"),
    ("Cristiano", Man, "pt-PT"),
    ("Daniel", Man, "de-DE"),
    ("Danielle", Woman, "en-US"),
    ("Dora", Woman, "is-IS"),
    ("Elin", Woman, "sv-SE"),
    ("Emma", Woman, "en-GB"),
    ("Enrique", Man, "es-ES"),
    ("Ewa", Woman, "pl-PL"),
    ("Filiz", Woman, "tr-TR"),
    ("Gabrielle", Woman, "fr-CA"),
    ("Geraint", Man, "en-GB"),
    ("Giorgio", Man, "it-IT"),
    ("Gregory", Man, "en-US"),
    ("Gwyneth", Woman, "cy-GB"),
    ("Hala", Woman, "ar-AE"),
    ("Hannah", Woman, "de-AT"),
    ("Hans", Man, "de-DE"),
    ("Hiujin", Woman, "yue-CN"),
    ("Ida", Woman, "nb-NO"),
    ("Ines", Woman, "pt-PT"),
    ("Isabelle", Woman, "fr-BE"),
    ("Ivy", Woman, "en-US"),
    ("Jacek", Man, "pl-PL"),
    ("Jan", Man, "pl-PL"),
    ("Jasmine", Woman, "en-SG"),
    ("Jihye", Woman, "ko-KR"),
    ("Jitka", Woman, "cs-CZ"),
    ("Joanna", Woman, "en-US"),
    ("Joey", Man, "en-US"),
    ("Justin", Man, "en-US"),
    ("Kajal", Woman, "en-IN"),
    ("Karl", Man, "is-IS"),
    ("Kazuha", Woman, "ja-JP"),
    ("Kendra", Woman, "en-US"),
    ("Kevin", Man, "en-US"),
    ("Kimberly", Woman, "en-US"),
    ("Laura", Woman, "nl-NL"),
    ("Lea", Woman, "fr-FR"),
    ("Liam", Man, "fr-CA"),
    ("Lisa", Woman, "nl-BE"),
    ("Liv", Woman, "nb-NO"),
    ("Lotte", Woman, "nl-NL"),
    ("Lucia", Woman, "es-ES"),
    ("Lupe", Woman, "es-US"),
    ("Mads", Man, "da-DK"),
    ("Maja", Woman, "pl-PL"),
    ("Marlene", Woman, "de-DE"),
    ("Mathieu", Man, "fr-FR"),
    ("Matthew", Man, "en-US"),
    ("Maxim", Man, "ru-RU"),
    ("Mia", Woman, "es-MX"),
    ("Miguel", Man, "es-US"),
    ("Mizuki", Woman, "ja-JP"),
    ("Naja", Woman, "da-DK"),
    ("Niamh", Woman, "en-IE"),
    ("Nicole", Woman, "en-AU"),
    ("Ola", Woman, "pl-PL"),
    ("Olivia", Woman, "en-AU"),
    ("Patrick", Man, "en-US"),
    ("Pedro", Man, "es-US"),
    ("Penelope", Woman, "es-US"),
    ("Raul", Man, "es-ES"),
    ("Raveena", Woman, "en-IN"),
    ("Remi", Man, "fr-FR"),
    ("Ricardo", Man, "pt-BR"),
    ("Ruben", Man, "nl-NL"),
    ("Russell", Man, "en-AU"),
    ("Ruth", Woman, "en-US"),
    ("Sabrina", Woman, "de-CH"),
    ("Salli", Woman, "en-US"),
    ("Seoyeon", Woman, "ko-KR"),
    ("Sergio", Man, "es-ES"),
    ("Sofie", Woman, "da-DK"),
    ("Stephen", Man, "en-US"),
    ("Suvi", Woman, "fi-FI"),
    ("Takumi", Man, "ja-JP"),
    ("Tatyana", Woman, "ru-RU"),
    ("Thiago", Man, "pt-BR"),
    ("Tomoko", Woman, "ja-JP"),
    ("Vicki", Woman, "de-DE"),
    ("Vitoria", Woman, "pt-BR"),
    ("Zayd", Man, "ar-AE"),
    ("Zeina", Woman, "arb"),
    ("Zhiyu", Woman, "cmn-CN"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_voice_and_a_language_are_found_for_whatever_is_asked() {
        for (voice, language, gender, want, knows_voice, knows_language) in [
            ("", "", Man, "en-us", true, true),
            ("man", "", Man, "en-us", true, true),
            ("alice", "de-DE", Woman, "de-de", true, true),
            ("Polly.Joanna", "", Woman, "en-us", true, true),
            ("Polly.Hans-Neural", "", Man, "de-de", true, true),
            ("polly.hans", "fr-FR", Man, "fr-fr", true, true),
            ("Google.pt-BR-Wavenet-B", "", Man, "pt-br", true, true),
            ("Google.cmn-CN-Standard-A", "", Woman, "cmn-cn", true, true),
            ("Google.fil-PH-Standard-A", "", Woman, "en-us", true, false),
            ("Google.A", "", Man, "en-us", false, true),
            ("Polly.Nobody", "es-MX", Man, "es-mx", false, true),
            ("ElevenLabs.x", "", Man, "en-us", false, true),
            ("woman", "tlh", Woman, "en-us", true, false),
            ("woman", "pt_br", Woman, "pt-br", true, true),
            (".", "-", Man, "en-us", true, false),
        ] {
            let choice = choose(voice, language);
            let got = (choice.gender, choice.language.as_str(), choice.knows_voice, choice.knows_language);
            assert_eq!(got, (gender, want, knows_voice, knows_language), "{voice} {language}");
        }
    }

    #[test]
    fn every_language_of_a_voice_is_spoken() {
        assert!(LANGUAGES.is_sorted());
        for (voice, _, language) in POLLY {
            assert!(espeak_voice(language).is_some(), "{voice} speaks {language}");
        }
        for (language, want) in
            [("en-AU", "en-gb"), ("en", "en-us"), ("zh-CN", "cmn"), ("nb-NO", "nb"), ("fr", "fr-fr"), ("pt", "pt")]
        {
            assert_eq!(espeak_voice(language), Some(want), "{language}");
        }
        assert_eq!(flite_voice(Gender::Man, "de-de"), None);
    }
}
