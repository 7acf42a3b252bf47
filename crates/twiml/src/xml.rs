//! XML as far as TwiML needs it: elements, attributes and text, in a tree of bounded size.
//!
//! The reader underneath finds the tokens; here is what it leaves to its user: one root, names and characters that are
//! XML's, unique attributes, references to nothing but characters and the five predefined entities. A document type is
//! refused, so that nothing can be defined. Prefixes are kept as part of a name and bound to nothing: what has one is
//! another vocabulary's.

use quick_xml::Reader;
use quick_xml::escape::{resolve_predefined_entity, unescape};
use quick_xml::events::{BytesStart, Event};

use crate::DocumentError;
use crate::warning::shorten;

/// An element and all it contains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Element {
    /// As written, prefix included.
    pub(crate) name: String,
    /// Unique by name, in the order written, prefixes included.
    pub(crate) attributes: Vec<(String, String)>,
    pub(crate) children: Vec<Node>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    Element(Element),
    /// Never next to another text.
    Text(String),
}

impl Element {
    /// The elements inside, without the text between them.
    pub(crate) fn elements(&self) -> impl Iterator<Item = &Self> {
        self.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Text(_) => None,
        })
    }

    /// The text directly inside, trimmed.
    pub(crate) fn text(&self) -> String {
        let mut text = String::new();
        for node in &self.children {
            if let Node::Text(piece) = node {
                text.push_str(piece);
            }
        }
        text.trim().to_owned()
    }

    fn append_text(&mut self, text: &str) {
        match self.children.last_mut() {
            Some(Node::Text(before)) => before.push_str(text),
            _ if text.is_empty() => {}
            _ => self.children.push(Node::Text(text.to_owned())),
        }
    }
}

/// Reads one document.
pub(crate) fn read(text: &str) -> Result<Element, DocumentError> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some((at, strange)) = text.char_indices().find(|(_, c)| !is_char(*c)) {
        return Err(malformed(text, at, format!("the character U+{:04X} is not allowed", u32::from(strange))));
    }
    let mut reader = Reader::from_str(text);
    let config = reader.config_mut();
    config.expand_empty_elements = true; // so that <a/> is <a></a>, and there is one case less
    config.check_comments = true;
    let mut tree = Tree::default();
    let mut at_start = true;
    loop {
        let event = match reader.read_event() {
            Ok(event) => event,
            Err(error) => {
                return Err(malformed(text, position(reader.error_position()), error.to_string()));
            }
        };
        let at = position(reader.buffer_position());
        let refuse = |why: String| malformed(text, at, why);
        match event {
            Event::Start(start) => tree.open(&start).map_err(refuse)?,
            Event::End(_) => tree.close(),
            Event::Text(piece) => {
                if piece.contains("]]>") {
                    return Err(refuse("]]> in text".to_owned()));
                }
                tree.text(&piece.xml10_content()).map_err(refuse)?;
            }
            Event::CData(piece) => tree.cdata(&piece.xml10_content()).map_err(refuse)?,
            Event::GeneralRef(reference) => {
                let character = reference.resolve_char_ref().map_err(|error| refuse(error.to_string()))?;
                match (character, resolve_predefined_entity(&reference)) {
                    (Some(c), _) if is_char(c) => tree.cdata(c.encode_utf8(&mut [0; 4])).map_err(refuse)?,
                    (None, Some(entity)) => tree.cdata(entity).map_err(refuse)?,
                    _ => return Err(refuse(format!("&{}; is nothing XML defines", shorten(&reference)))),
                }
            }
            Event::Decl(declaration) => {
                if !at_start {
                    return Err(refuse("the XML declaration is not at the very start".to_owned()));
                }
                match declaration.version() {
                    Ok(version) if version == "1.0" => {}
                    Ok(version) => return Err(DocumentError::Version(shorten(&version))),
                    Err(error) => return Err(refuse(error.to_string())),
                }
            }
            Event::DocType(_) => return Err(refuse("a document type is refused".to_owned())),
            Event::Comment(_) | Event::PI(_) => {}
            Event::Empty(_) => {} // expanded
            Event::Eof => break,
        }
        at_start = false;
    }
    tree.finish().map_err(|why| malformed(text, text.len(), why))
}

/// What has been read so far.
#[derive(Default)]
struct Tree {
    /// The root first, the innermost open element last.
    open: Vec<Element>,
    root: Option<Element>,
}

impl Tree {
    fn open(&mut self, start: &BytesStart<'_>) -> Result<(), String> {
        if self.root.is_some() {
            return Err("a second root element".to_owned());
        }
        if self.open.len() == DEPTH_MAX {
            return Err(format!("more than {DEPTH_MAX} elements inside each other"));
        }
        let name = name(start.name().0)?;
        self.open.push(Element { name, attributes: attributes(start)?, children: Vec::new() });
        Ok(())
    }

    /// The reader has checked that the name is the innermost one's.
    fn close(&mut self) {
        let Some(element) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(Node::Element(element)),
            None => self.root = Some(element),
        }
    }

    fn text(&mut self, text: &str) -> Result<(), String> {
        match self.open.last_mut() {
            Some(element) => element.append_text(text),
            None if text.trim().is_empty() => {}
            None => return Err("text outside the root element".to_owned()),
        }
        Ok(())
    }

    /// Text that is significant even where it is white.
    fn cdata(&mut self, text: &str) -> Result<(), String> {
        let element = self.open.last_mut().ok_or("text outside the root element")?;
        element.append_text(text);
        Ok(())
    }

    fn finish(self) -> Result<Element, String> {
        match (self.open.last(), self.root) {
            (Some(element), _) => Err(format!("<{}> is never closed", shorten(&element.name))),
            (None, Some(root)) => Ok(root),
            (None, None) => Err("there is no element".to_owned()),
        }
    }
}

fn attributes(start: &BytesStart<'_>) -> Result<Vec<(String, String)>, String> {
    let mut attributes: Vec<(String, String)> = Vec::new();
    // Its own check for duplicates is quadratic before we could count.
    for attribute in start.attributes().with_checks(false) {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let name = name(attribute.key.0)?;
        if attributes.iter().any(|(other, _)| *other == name) {
            return Err(format!("the attribute {} is there twice", shorten(&name)));
        }
        if attributes.len() == ATTRIBUTES_MAX {
            return Err(format!("more than {ATTRIBUTES_MAX} attributes"));
        }
        if attribute.value.contains('<') {
            return Err(format!("the attribute {} contains <", shorten(&name)));
        }
        let line = attribute.value.replace("\r\n", " ").replace(['\t', '\n', '\r'], " ");
        let value = unescape(&line).map_err(|error| error.to_string())?;
        if !value.chars().all(is_char) {
            return Err(format!("the attribute {} refers to a character that is not allowed", shorten(&name)));
        }
        attributes.push((name, value.into_owned()));
    }
    Ok(attributes)
}

fn name(name: &str) -> Result<String, String> {
    let mut chars = name.chars();
    let starts = chars.next().is_some_and(|c| c.is_alphabetic() || matches!(c, '_' | ':'));
    // XML 1.0 §2.3, with what Unicode calls letters and digits for its tables of ranges.
    if starts && chars.all(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '-' | '.' | '\u{b7}')) {
        Ok(name.to_owned())
    } else {
        Err(format!("{:?} is not a name", shorten(name)))
    }
}

/// XML 1.0 §2.2.
fn is_char(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

fn malformed(text: &str, at: usize, why: String) -> DocumentError {
    let before = text.as_bytes().get(..at).unwrap_or(text.as_bytes());
    DocumentError::Malformed { line: 1 + before.iter().filter(|byte| **byte == b'\n').count(), why }
}

/// The reader counts in `u64`; a document is far smaller than `usize`.
fn position(at: u64) -> usize {
    usize::try_from(at).unwrap_or(usize::MAX)
}

/// `Response`, verb, noun, and SSML within itself.
const DEPTH_MAX: usize = 24;

/// A `<Dial>` has some twenty.
const ATTRIBUTES_MAX: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes a tree the short way: `a[k=v](text,b())`.
    fn sketch(element: &Element) -> String {
        let attributes: Vec<String> =
            element.attributes.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let children: Vec<String> = element
            .children
            .iter()
            .map(|node| match node {
                Node::Element(element) => sketch(element),
                Node::Text(text) => format!("{text:?}"),
            })
            .collect();
        format!("{}[{}]({})", element.name, attributes.join(" "), children.join(","))
    }

    #[test]
    fn reads_what_is_well_formed() {
        for (case, text, want) in [
            ("empty element", "<a/>", "a[]()"),
            ("declaration and byte order mark", "\u{feff}<?xml version='1.0' encoding=\"UTF-8\"?>\n<a></a>\n", "a[]()"),
            ("comments and instructions", "<!-- x --><a>1<!-- <b> --><?php x?>2</a><!-- y -->", "a[](\"12\")"),
            ("predefined entities", "<a k='&lt;&quot;'>&amp;&gt;&apos;</a>", "a[k=<\"](\"&>'\")"),
            ("characters by number", "<a k='&#65;&#x42;'>&#xe9;&#10;</a>", "a[k=AB](\"é\\n\")"),
            ("CDATA", "<a><![CDATA[1 < 2 && <b/>]]></a>", "a[](\"1 < 2 && <b/>\")"),
            ("ends of lines", "<a k='1\r\n2\t3'>1\r\n2\r3</a>", "a[k=1 2 3](\"1\\n2\\n3\")"),
            ("mixed content", "<a>1<b/>2</a>", "a[](\"1\",b[](),\"2\")"),
            ("prefixes", "<a xmlns:x='u'><x:b x:k='1' xml:lang='de'/></a>", "a[xmlns:x=u](x:b[x:k=1 xml:lang=de]())"),
            ("a prefix bound to nothing", "<a><x:b/></a>", "a[](x:b[]())"),
            ("> in text and value", "<a k='>'>></a>", "a[k=>](\">\")"),
            ("names in any script", "<größe maß='1'/>", "größe[maß=1]()"),
        ] {
            assert_eq!(read(text).map(|root| sketch(&root)).as_deref(), Ok(want), "{case}");
        }
    }

    #[test]
    fn refuses_what_is_not() {
        let deep = "<a>".repeat(DEPTH_MAX + 1) + &"</a>".repeat(DEPTH_MAX + 1);
        let attributes: String = (0..=ATTRIBUTES_MAX).map(|i| format!(" k{i}=''")).collect();
        let wide = format!("<a{attributes}/>");
        for (case, text, why) in [
            ("nothing", "", "no element"),
            ("words", "hello", "text outside"),
            ("never closed", "<a><b></b>", "<a> is never closed"),
            ("closed by another", "<a></b>", "expected `</a>`"),
            ("closed twice", "<a/></a>", "</a>"),
            ("two roots", "<a/><b/>", "a second root"),
            ("text after the root", "<a/>x", "text outside"),
            ("a reference before it", "&#32;<a/>", "text outside"),
            ("an attribute twice", "<a k='1' k='2'/>", "twice"),
            ("an attribute without a value", "<a k/>", ""),
            ("without quotes", "<a k=1/>", ""),
            ("< in a value", "<a k='<'/>", "contains <"),
            ("an unknown entity", "<a>&nbsp;</a>", "&nbsp; is nothing XML defines"),
            ("in a value", "<a k='&nbsp;'/>", "nbsp"),
            ("a lone ampersand", "<a>this & that</a>", ""),
            ("in a value", "<a k='/x?a=1&b=2'/>", ""),
            ("a document type", "<!DOCTYPE a><a/>", "a document type is refused"),
            ("with an entity", "<!DOCTYPE a [<!ENTITY x 'y'>]><a>&x;</a>", "a document type is refused"),
            ("a control character", "<a>\u{1}</a>", "U+0001"),
            ("by number", "<a>&#1;</a>", "&#1; is nothing XML defines"),
            ("by number in a value", "<a k='&#xFFFF;'/>", "not allowed"),
            ("half a surrogate pair", "<a>&#xD800;</a>", ""),
            ("]]> in text", "<a>]]></a>", "]]>"),
            ("-- in a comment", "<a><!-- -- --></a>", ""),
            ("a comment never closed", "<a><!-- </a>", ""),
            ("a name that is none", "<1a/>", "is not a name"),
            ("an attribute that is none", "<a 1='x'/>", "is not a name"),
            ("declaration after a line", "\n<?xml version='1.0'?><a/>", "very start"),
            ("too deep", &deep, "inside each other"),
            ("too many attributes", &wide, "attributes"),
        ] {
            let error = read(text).expect_err(case);
            assert_eq!(error.code(), 12100, "{case}");
            assert!(error.to_string().contains(why), "{case}: {error}");
        }
        assert_eq!(read("<?xml version='1.1'?><a/>"), Err(DocumentError::Version("1.1".to_owned())));
    }

    #[test]
    fn says_the_line() {
        let error = read("<a>\n<b>\n</c>\n</a>").expect_err("malformed");
        assert!(matches!(error, DocumentError::Malformed { line: 3, .. }), "{error:?}");
    }
}
