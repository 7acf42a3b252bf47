//! The words of a `<Say>`, twice: plain, for engines that know no SSML, and marked up, for those that do.

use quick_xml::escape::escape;

use crate::warning::{UNKNOWN, Warnings, shorten};
use crate::xml::{Element, Node};

/// What is said.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Speech {
    /// White space folded; what is substituted (`<sub alias>`) is already.
    pub(crate) text: String,
    /// `<speak>…</speak>`, if anything is marked up.
    pub(crate) ssml: Option<String>,
}

impl Speech {
    /// Unknown markup is left out, its words stay.
    pub(crate) fn of(say: &Element, warnings: &mut Warnings) -> Self {
        let mut writer = Writer { text: String::new(), ssml: "<speak>".to_owned(), marked_up: false, warnings };
        writer.children(say, false);
        let Writer { text, mut ssml, marked_up, .. } = writer;
        ssml.push_str("</speak>");
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        Self { text, ssml: marked_up.then_some(ssml) }
    }
}

struct Writer<'a> {
    text: String,
    ssml: String,
    marked_up: bool,
    warnings: &'a mut Warnings,
}

impl Writer<'_> {
    /// `substituted`: something else is said instead of the text in here.
    fn children(&mut self, element: &Element, substituted: bool) {
        for node in &element.children {
            match node {
                Node::Text(text) => {
                    self.ssml.push_str(&escape(text.as_str()).replace('\r', "&#13;"));
                    if !substituted {
                        self.text.push_str(text);
                    }
                }
                Node::Element(child) if SSML.contains(&child.name.as_str()) => self.markup(child, substituted),
                Node::Element(child) => {
                    self.warnings.warn(UNKNOWN, format!("<{}> is no markup of <Say>", shorten(&child.name)));
                    self.children(child, substituted);
                }
            }
        }
    }

    fn markup(&mut self, element: &Element, substituted: bool) {
        self.marked_up = true;
        self.ssml.push('<');
        self.ssml.push_str(&element.name);
        for (name, value) in &element.attributes {
            for piece in [" ", name, "=\"", &attribute_value(value), "\""] {
                self.ssml.push_str(piece);
            }
        }
        self.ssml.push('>');
        // Where markup separates words, plain text needs a blank.
        let separates = matches!(element.name.as_str(), "break" | "p" | "s");
        if separates {
            self.text.push(' ');
        }
        let alias = element.attributes.iter().find(|(name, _)| element.name == "sub" && name == "alias");
        match alias {
            Some((_, alias)) if !substituted => self.text.push_str(alias),
            _ => {}
        }
        self.children(element, substituted || alias.is_some());
        if separates {
            self.text.push(' ');
        }
        for piece in ["</", &element.name, ">"] {
            self.ssml.push_str(piece);
        }
    }
}

/// Escaped so that whoever reads it gets the same again: white space other than blanks would come out as blanks.
fn attribute_value(value: &str) -> String {
    escape(value).replace('\n', "&#10;").replace('\t', "&#9;").replace('\r', "&#13;")
}

/// The markup Twilio documents.
const SSML: &[&str] = &["break", "emphasis", "lang", "p", "phoneme", "prosody", "s", "say-as", "sub", "w"];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::read;

    #[test]
    fn keeps_words_and_markup() {
        for (case, say, text, ssml, warnings) in [
            ("plain", "<Say>  one\n two </Say>", "one two", None, 0),
            (
                "a pause between words",
                "<Say>one<break time='1s'/>two</Say>",
                "one two",
                Some("<speak>one<break time=\"1s\"></break>two</speak>"),
                0,
            ),
            (
                "substitution",
                "<Say><sub alias='World Wide Web'>W3</sub>!</Say>",
                "World Wide Web!",
                Some("<speak><sub alias=\"World Wide Web\">W3</sub>!</speak>"),
                0,
            ),
            (
                "in each other",
                "<Say><p><s>a &amp; b</s><lang xml:lang='de-DE'>c</lang></p></Say>",
                "a & b c",
                Some("<speak><p><s>a &amp; b</s><lang xml:lang=\"de-DE\">c</lang></p></speak>"),
                0,
            ),
            ("unknown markup", "<Say>a <blink>b</blink></Say>", "a b", None, 1),
            (
                "an attribute that needs escaping",
                "<Say><say-as interpret-as='\"&lt;'>1</say-as></Say>",
                "1",
                Some("<speak><say-as interpret-as=\"&quot;&lt;\">1</say-as></speak>"),
                0,
            ),
            (
                "white space by number",
                "<Say><w role='&#10;&#9;'>a&#13;b</w></Say>",
                "a b",
                Some("<speak><w role=\"&#10;&#9;\">a&#13;b</w></speak>"),
                0,
            ),
            ("nothing", "<Say> <break/> </Say>", "", Some("<speak> <break></break> </speak>"), 0),
        ] {
            let mut seen = Warnings::default();
            let speech = Speech::of(&read(say).expect(case), &mut seen);
            assert_eq!(speech, Speech { text: text.to_owned(), ssml: ssml.map(str::to_owned) }, "{case}");
            assert_eq!(seen.take().len(), warnings, "{case}");
        }
    }
}
