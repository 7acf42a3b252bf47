//! The markup of what is to be said, for engines that read it and for those that do not.
//!
//! `Wait <break time="1s"/> <say-as interpret-as="digits">42</say-as>` is, without markup, the text `Wait`, a second of
//! nothing, and the text `4 2`. Only the elements that TwiML knows are passed on, written anew and balanced, so that
//! nothing in a document can have an engine open a file. Pauses have a bound each and together. Nothing is ever refused:
//! what is not well-formed is read as far as it goes.

use std::time::Duration;

/// One piece of marked-up text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece {
    Text(String),
    Pause(Duration),
    Open { name: &'static str, attributes: Vec<(&'static str, String)> },
    Close(&'static str),
}

/// A piece without markup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Plain {
    Text(String),
    Pause(Duration),
}

/// Reads a document, with or without its `<speak>`, up to so many characters of text. Says whether there was more.
pub(crate) fn read(ssml: &str, characters_max: usize) -> (Vec<Piece>, bool) {
    let mut reader =
        Reader { pieces: Vec::new(), open: Vec::new(), left: characters_max, pauses: PAUSES_MAX, cut: false };
    let mut rest = ssml;
    while let Some(at) = rest.find('<') {
        reader.text(&rest[..at]);
        rest = &rest[at..];
        let len = match rest.strip_prefix("<!--") {
            Some(comment) => comment.find("-->").map(|end| end + "<!--".len() + "-->".len()),
            None => tag_len(rest),
        };
        let Some(len) = len else {
            rest = "";
            break;
        };
        reader.tag(&rest[1..len - 1]);
        rest = &rest[len..];
    }
    reader.text(rest);
    reader.close_to(0);
    (reader.pieces, reader.cut)
}

/// The length of the tag at the start, whose attributes may hold a `>`.
fn tag_len(text: &str) -> Option<usize> {
    let mut quote = None;
    for (at, byte) in text.bytes().enumerate() {
        match (quote, byte) {
            (None, b'>') => return Some(at + 1),
            (None, b'"' | b'\'') => quote = Some(byte),
            (Some(open), _) if open == byte => quote = None,
            _ => {}
        }
    }
    None
}

struct Reader {
    pieces: Vec<Piece>,
    /// Names, and whether what is within is left out.
    open: Vec<(&'static str, bool)>,
    left: usize,
    pauses: Duration,
    cut: bool,
}

impl Reader {
    fn text(&mut self, text: &str) {
        if text.is_empty() || self.open.iter().any(|&(_, is_left_out)| is_left_out) {
            return;
        }
        let text = unescape(text);
        let kept: String = text.chars().filter(|c| !c.is_control() || c.is_whitespace()).take(self.left).collect();
        self.cut |= text.chars().count() > self.left;
        self.left -= kept.chars().count();
        if !kept.is_empty() {
            self.pieces.push(Piece::Text(kept));
        }
    }

    fn tag(&mut self, tag: &str) {
        if let Some(name) = tag.strip_prefix('/') {
            if let Some(at) = self.open.iter().rposition(|&(open, _)| open == name.trim()) {
                self.close_to(at);
            }
            return;
        }
        let (tag, is_empty) = tag.strip_suffix('/').map_or((tag, false), |tag| (tag, true));
        let name = tag.split(char::is_whitespace).next().unwrap_or_default();
        let Some(&(name, known)) = ELEMENTS.iter().find(|(known, _)| *known == name) else { return };
        let value = |attribute: &str| attribute_of(tag, attribute).map(unescape);
        match name {
            "break" => return self.pause(length_of(value("time").as_deref(), value("strength").as_deref())),
            "sub" => self.text(&escape(&value("alias").unwrap_or_default())),
            _ => {
                let attributes = known.iter().filter_map(|&known| Some((known, value(known)?))).collect();
                self.pieces.push(Piece::Open { name, attributes });
            }
        }
        self.open.push((name, name == "sub"));
        if is_empty || self.open.len() > DEPTH_MAX {
            self.close_to(self.open.len() - 1);
        }
    }

    fn pause(&mut self, length: Duration) {
        let length = length.min(PAUSE_MAX).min(self.pauses);
        if length < PAUSE_MIN {
            return;
        }
        self.pauses -= length;
        self.pieces.push(Piece::Pause(length));
    }

    fn close_to(&mut self, depth: usize) {
        for (name, _) in self.open.drain(depth..).rev() {
            if name != "sub" {
                self.pieces.push(Piece::Close(name));
            }
        }
    }
}

/// The same for an engine that reads SSML, as one document.
pub(crate) fn to_document(pieces: &[Piece]) -> String {
    let mut document = "<speak>".to_owned();
    for piece in pieces {
        match piece {
            Piece::Text(text) => document.push_str(&escape(text)),
            Piece::Pause(length) => document.push_str(&format!("<break time=\"{}ms\"/>", length.as_millis())),
            Piece::Open { name, attributes } => {
                document.push('<');
                document.push_str(name);
                for (name, value) in attributes {
                    document.push_str(&format!(" {name}=\"{}\"", escape(value)));
                }
                document.push('>');
            }
            Piece::Close(name) => document.push_str(&format!("</{name}>")),
        }
    }
    document + "</speak>"
}

/// The same for an engine that reads text only, in at most [`PIECES_MAX`]: what would be more is one text, without its
/// pauses.
pub(crate) fn to_plain(pieces: &[Piece]) -> Vec<Plain> {
    let (mut plain, mut spelled) = (Vec::new(), Vec::new());
    let say = |plain: &mut Vec<Plain>, text: &str| match plain.last_mut() {
        Some(Plain::Text(before)) => before.push_str(text),
        _ => plain.push(Plain::Text(text.to_owned())),
    };
    for piece in pieces {
        match piece {
            Piece::Text(text) if spelled.last() == Some(&true) => {
                let apart: String = text.chars().filter(|c| !c.is_whitespace()).flat_map(|c| [c, ' ']).collect();
                say(&mut plain, &apart);
            }
            Piece::Text(text) => say(&mut plain, text),
            Piece::Pause(length) => match plain.last_mut() {
                Some(Plain::Pause(before)) => *before += *length,
                _ => plain.push(Plain::Pause(*length)),
            },
            Piece::Open { name: "say-as", attributes } => {
                let how = attributes.iter().find(|(name, _)| *name == "interpret-as").map(|(_, how)| how.as_str());
                spelled.push(matches!(how, Some("characters" | "spell-out" | "digits" | "verbatim" | "telephone")));
            }
            Piece::Close("say-as") => drop(spelled.pop()),
            // Where one sentence or paragraph ends, another does not simply go on.
            Piece::Open { name: "p" | "s", .. } | Piece::Close("p" | "s") => say(&mut plain, "\n\n"),
            Piece::Open { .. } | Piece::Close(_) => {}
        }
    }
    plain.retain(|piece| !matches!(piece, Plain::Text(text) if text.trim().is_empty()));
    if plain.len() > PIECES_MAX {
        let rest = plain.split_off(PIECES_MAX - 1).into_iter();
        let texts: Vec<_> =
            rest.filter_map(|piece| if let Plain::Text(text) = piece { Some(text) } else { None }).collect();
        plain.push(Plain::Text(texts.join(" ")));
    }
    plain
}

/// How long a `<break>` is (W3C SSML 1.1 §3.2.3, with lengths of our own for the strengths).
fn length_of(time: Option<&str>, strength: Option<&str>) -> Duration {
    let seconds = |time: &str| {
        let (number, unit_s) = match time.trim().strip_suffix("ms") {
            Some(number) => (number, 0.001),
            None => (time.trim().strip_suffix('s')?, 1.0),
        };
        Duration::try_from_secs_f64(number.trim().parse::<f64>().ok()? * unit_s).ok()
    };
    time.and_then(seconds).unwrap_or_else(|| {
        Duration::from_millis(match strength {
            Some("none") => 0,
            Some("x-weak") => 100,
            Some("weak") => 250,
            Some("strong") => 1_000,
            Some("x-strong") => 1_500,
            _ => 500,
        })
    })
}

fn attribute_of<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = tag;
    loop {
        let at = rest.find(name)?;
        let is_own = rest[..at].ends_with(char::is_whitespace);
        rest = &rest[at + name.len()..];
        let Some(value) = rest.trim_start().strip_prefix('=').map(str::trim_start).filter(|_| is_own) else { continue };
        let quote = value.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
        return value[1..].split(quote).next();
    }
}

/// The five of XML, and characters by number.
fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        let end = rest.bytes().take(ENTITY_LEN_MAX).position(|byte| byte == b';');
        let decoded = end.and_then(|end| {
            let name = &rest[1..end];
            let number = |digits: &str| match digits.strip_prefix('x') {
                Some(hex) => u32::from_str_radix(hex, 16).ok(),
                None => digits.parse().ok(),
            };
            Some(match name {
                "amp" => '&',
                "lt" => '<',
                "gt" => '>',
                "quot" => '"',
                "apos" => '\'',
                _ => char::from_u32(name.strip_prefix('#').and_then(number)?)?,
            })
        });
        match decoded.zip(end) {
            Some((c, end)) => {
                plain.push(c);
                rest = &rest[end + 1..];
            }
            None => {
                plain.push('&');
                rest = &rest[1..];
            }
        }
    }
    plain + rest
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// What TwiML knows (twiml §1), with the attributes that are passed on.
const ELEMENTS: &[(&str, &[&str])] = &[
    ("break", &[]),
    ("emphasis", &["level"]),
    ("lang", &["xml:lang"]),
    ("p", &[]),
    ("phoneme", &["alphabet", "ph"]),
    ("prosody", &["rate", "pitch", "volume"]),
    ("s", &[]),
    ("say-as", &["interpret-as", "format"]),
    ("sub", &[]),
    ("w", &[]),
];

/// The longest pause, and of all in one text: speech is to be paid for in bytes.
const PAUSE_MAX: Duration = Duration::from_secs(10);
const PAUSES_MAX: Duration = Duration::from_secs(120);
/// What is shorter is none: engines are told milliseconds.
const PAUSE_MIN: Duration = Duration::from_millis(1);

/// Each text is one run of a program.
const PIECES_MAX: usize = 64;

const DEPTH_MAX: usize = 32;

/// `&#x10ffff;` and no more.
const ENTITY_LEN_MAX: usize = 12;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn markup_becomes_text_and_pauses() {
        let text = |text: &str| Plain::Text(text.to_owned());
        let pause = |ms| Plain::Pause(Duration::from_millis(ms));
        for (case, ssml, want) in [
            ("plain", "Hello", vec![text("Hello")]),
            ("a document", "<speak>Hello</speak>", vec![text("Hello")]),
            ("a pause", "a<break time='1.5s'/>b", vec![text("a"), pause(1_500), text("b")]),
            ("pauses add up", "a<break time=\"300ms\"/><break strength=\"strong\"/>", vec![text("a"), pause(1_300)]),
            ("a pause that is too long", "<break time=\"1h\"/><break time=\"99s\"/>", vec![pause(10_500)]),
            ("no pause", "a<break time=\"0s\"/>b<break strength=\"none\"/>c<break time='0.9ms'/>d", vec![text("abcd")]),
            ("entities", "R&amp;D &lt;3 &#65;&#x42; &no; &", vec![text("R&D <3 AB &no; &")]),
            ("spelt", "<say-as interpret-as=\"digits\">42</say-as>", vec![text("4 2 ")]),
            ("not spelt", "<say-as interpret-as=\"date\">42</say-as>", vec![text("42")]),
            ("substituted", "<sub alias=\"World &amp; Web\">W3C</sub>!", vec![text("World & Web!")]),
            ("unknown", "a <audio src=\"file:///etc/passwd\">b</audio>", vec![text("a b")]),
            ("a comment", "a<!-- <b> -->b", vec![text("ab")]),
            ("never closed", "a <prosody rate=\"slow\">b", vec![text("a b")]),
            ("a tag that never ends", "a <prosody rate=\"slow\"", vec![text("a ")]),
            ("nothing", "<speak> <p> </p></speak>", vec![]),
        ] {
            assert_eq!(to_plain(&read(ssml, 4_096).0), want, "{case}");
        }
    }

    #[test]
    fn many_pieces_are_joined() {
        let pieces = |n: usize| to_plain(&read(&"a<break time=\"1ms\"/>".repeat(n), 4_096).0);
        let whole = pieces(PIECES_MAX / 2);
        assert_eq!((whole.len(), whole.last()), (PIECES_MAX, Some(&Plain::Pause(PAUSE_MIN))));
        let joined = pieces(PIECES_MAX / 2 + 2);
        assert_eq!(joined[..PIECES_MAX - 1], whole[..PIECES_MAX - 1]);
        assert_eq!(joined[PIECES_MAX - 1..], [Plain::Text("a a".to_owned())]);
        assert_eq!(pieces(4_096).len(), PIECES_MAX);
    }

    #[test]
    fn only_what_is_known_is_passed_on_and_it_is_balanced() {
        for (case, ssml, want) in [
            ("as it is", "<p>a <emphasis level=\"strong\">b</emphasis></p>", None),
            ("a file", "<audio src=\"/etc/passwd\"/>a", Some("a")),
            ("an attribute more", "<p onload=\"x\">a</p>", Some("<p>a</p>")),
            ("crossed", "<p><s>a</p></s>", Some("<p><s>a</s></p>")),
            ("never closed", "<p><s>a", Some("<p><s>a</s></p>")),
            ("quoted", "<prosody rate='\"&lt;'>a</prosody>", Some("<prosody rate=\"&quot;&lt;\">a</prosody>")),
        ] {
            let want = format!("<speak>{}</speak>", want.unwrap_or(ssml));
            assert_eq!(to_document(&read(ssml, 4_096).0), want, "{case}");
        }
    }

    #[test]
    fn text_is_cut_where_it_is_too_long() {
        assert_eq!(read("<p>ä&amp;cd</p>e", 5), (read("<p>ä&amp;cd</p>e", 99).0, false));
        let (pieces, cut) = read("<p>ä&amp;cd</p>e", 3);
        assert_eq!((to_document(&pieces), cut), ("<speak><p>ä&amp;c</p></speak>".to_owned(), true));
    }

    proptest! {
        #[test]
        fn whatever_comes_goes_out_balanced_and_stays_so(ssml in "[<>/ a-d='\"&;psub!-]{0,80}") {
            let (pieces, _) = read(&ssml, 40);
            let document = to_document(&pieces);
            let (again, cut) = read(&document, 40);
            prop_assert_eq!(to_document(&again), document);
            prop_assert!(!cut);
        }
    }
}
