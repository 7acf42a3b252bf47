//! What an application says about a task or a worker: a JSON object in a string.

use std::sync::Arc;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value as Json;
use serde_json::value::RawValue;

/// Attributes as they were given, byte for byte, and as expressions see them. Copying them costs nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Attributes(Arc<(String, Json)>);

impl Attributes {
    /// A JSON object of at most [`ATTRIBUTES_MAX`] characters.
    pub fn parse(text: &str) -> Result<Self, AttributesError> {
        Self::bounded(text, ATTRIBUTES_MAX)
    }

    /// Those that were kept: what [`with`](Self::with) has put into them may have made them longer.
    pub fn kept(text: &str) -> Result<Self, AttributesError> {
        Self::bounded(text, ATTRIBUTES_MAX + ADDED_MAX)
    }

    fn bounded(text: &str, characters_max: usize) -> Result<Self, AttributesError> {
        if text.chars().count() > characters_max {
            return Err(AttributesError::TooLong);
        }
        let json: Json = serde_json::from_str(text).map_err(|_| AttributesError::NotJson)?;
        if json.is_object() { Ok(Self(Arc::new((text.to_owned(), json)))) } else { Err(AttributesError::NotAnObject) }
    }

    /// As they were given.
    pub fn as_str(&self) -> &str {
        &self.0.0
    }

    /// As expressions see them.
    pub fn json(&self) -> &Json {
        &self.0.1
    }

    /// The text that a path of members leads to, if one does.
    pub fn text(&self, path: &[&str]) -> Option<&str> {
        path.iter().try_fold(self.json(), |json, member| json.get(member))?.as_str()
    }

    /// The same with these texts, each at its path; what is no object on the way becomes one. Everything else stays as
    /// it is written. There is room for [`ADDED_MAX`] characters beyond what an application may write: that it wrote
    /// much must not keep it from being told.
    pub fn with(&self, texts: &[(&[&str], &str)]) -> Result<Self, AttributesError> {
        Self::kept(&self.put(texts))
    }

    fn put(&self, texts: &[(&[&str], &str)]) -> String {
        let put = |json: String, (path, text): &(&[&str], &str)| put(&json, path, text);
        texts.iter().fold(self.as_str().to_owned(), put)
    }

    /// Those of a task for a caller who waits: what the document says of it, and of the call what that leaves open. What
    /// identifies the call is the call's own (twiml §7.1).
    pub fn of_call(document: &str, call: &[(&str, String)]) -> Result<Self, AttributesError> {
        let given = Self::parse(document)?;
        let is_calls = |name: &str| matches!(name, "call_sid" | "account_sid") || given.json().get(name).is_none();
        let texts: Vec<([&str; 1], &str)> =
            call.iter().filter(|(name, _)| is_calls(name)).map(|(name, value)| ([*name], value.as_str())).collect();
        let texts: Vec<(&[&str], &str)> = texts.iter().map(|(path, text)| (path.as_slice(), *text)).collect();
        Self::parse(&given.put(&texts))
    }
}

/// A JSON text with one text put at a path in it. Order, spelling of numbers and whatever is not on the path stay.
fn put(json: &str, path: &[&str], text: &str) -> String {
    let [name, rest @ ..] = path else { return Json::from(text).to_string() };
    let Members(mut members) = serde_json::from_str(json).unwrap_or_default();
    let at = members.iter().rposition(|(other, _)| other == name); // of several, the last is the one that counts
    let value = put(at.map_or("null", |at| members[at].1.get()), rest, text);
    let value = RawValue::from_string(value).expect("it was put together of JSON");
    match at {
        Some(at) => members[at].1 = value,
        None => members.push(((*name).to_owned(), value)),
    }
    let members = members.iter().map(|(name, value)| format!("{}:{}", Json::from(name.as_str()), value.get()));
    format!("{{{}}}", members.collect::<Vec<_>>().join(","))
}

/// The members of an object in their order, as they are written.
#[derive(Default)]
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct InOrder;

        impl<'de> Visitor<'de> for InOrder {
            type Value = Members;

            fn expecting(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                to.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        from.deserialize_map(InOrder)
    }
}

/// Why a text is not the attributes of anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AttributesError {
    /// More than [`ATTRIBUTES_MAX`] characters.
    #[error("attributes are longer than {ATTRIBUTES_MAX} characters")]
    TooLong,
    /// Not JSON.
    #[error("attributes are not JSON")]
    NotJson,
    /// JSON, but no object.
    #[error("attributes are not a JSON object")]
    NotAnObject,
}

/// Characters of attributes (taskrouter §9).
pub const ATTRIBUTES_MAX: usize = 4096;
/// Characters that may be put into them beside: a conference's name and SIDs (taskrouter §7.4).
const ADDED_MAX: usize = 1024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_an_object_kept_as_given() {
        let long = format!("{{\"a\":\"{}\"}}", "é".repeat(ATTRIBUTES_MAX - 8));
        let longer = format!("{{\"a\":\"{}\"}}", "é".repeat(ATTRIBUTES_MAX - 7));
        for (text, want) in [
            ("{}", Ok(())),
            (" { \"b\" : 1.0 , \"a\":2 } ", Ok(())),
            (&*long, Ok(())),
            (&*longer, Err(AttributesError::TooLong)),
            ("", Err(AttributesError::NotJson)),
            ("{'a':1}", Err(AttributesError::NotJson)),
            ("[]", Err(AttributesError::NotAnObject)),
            ("null", Err(AttributesError::NotAnObject)),
        ] {
            let got = Attributes::parse(text);
            assert_eq!(got.as_ref().map(|_| ()).map_err(|error| *error), want, "{text}");
            if let Ok(attributes) = got {
                assert_eq!(attributes.as_str(), text);
            }
        }
    }

    #[test]
    fn texts_are_found_and_put_at_their_paths() {
        let before = Attributes::parse(r#"{"a":{"b":"c"},"n":1,"conference":"x"}"#).expect("attributes");
        for (path, want) in [
            (&["a", "b"][..], Some("c")),
            (&["a"], None),
            (&["n"], None),
            (&["a", "b", "c"], None),
            (&["missing"], None),
            (&["conference"], Some("x")),
        ] {
            assert_eq!(before.text(path), want, "{path:?}");
        }
        let after = before.with(&[(&["conference", "sid"], "CF1"), (&["a", "d"], "e\"")]).expect("fits");
        assert_eq!(after.as_str(), r#"{"a":{"b":"c","d":"e\""},"n":1,"conference":{"sid":"CF1"}}"#);
        let spelt =
            Attributes::parse(r#"{ "z": 1.0, "id": 12345678901234567890123, "a": [1e2, {"y":1,"x":2}], "z": 2.50}"#);
        let after = spelt.expect("attributes").with(&[(&["conference", "sid"], "CF1"), (&["z"], "é")]).expect("fits");
        let want =
            r#"{"z":1.0,"id":12345678901234567890123,"a":[1e2, {"y":1,"x":2}],"z":"é","conference":{"sid":"CF1"}}"#;
        assert_eq!(after.as_str(), want, "order and numbers stay as they are written");
        assert_eq!(after.text(&["z"]), Some("é"));
        let long = "x".repeat(ATTRIBUTES_MAX + ADDED_MAX);
        assert_eq!(before.with(&[(&["a"], &long)]), Err(AttributesError::TooLong));
        let full = format!("{{\"a\":\"{}\"}}", "x".repeat(ATTRIBUTES_MAX - 8));
        let told = Attributes::parse(&full).expect("attributes").with(&[(&["conference", "sid"], "CF1")]);
        let told = told.expect("what an application wrote leaves room for what it is told");
        assert_eq!(told.text(&["conference", "sid"]), Some("CF1"));
        assert_eq!(Attributes::kept(told.as_str()).as_ref(), Ok(&told));
        assert_eq!(Attributes::parse(told.as_str()), Err(AttributesError::TooLong));
        let call = [("call_sid", "CA1".to_owned())];
        assert_eq!(Attributes::of_call(&full, &call), Err(AttributesError::TooLong), "a call's fields are the task's");
    }

    #[test]
    fn a_callers_task_says_what_the_document_says_and_what_the_call_is() {
        let call = [("call_sid", "CA1".to_owned()), ("from", "+1".to_owned()), ("direction", "inbound".to_owned())];
        for (document, want) in [
            ("{}", Ok(r#"{"call_sid":"CA1","from":"+1","direction":"inbound"}"#)),
            (
                r#"{"from":"me","call_sid":"CA2","k":[1.0]}"#,
                Ok(r#"{"from":"me","call_sid":"CA1","k":[1.0],"direction":"inbound"}"#),
            ),
            ("nonsense", Err(AttributesError::NotJson)),
            ("[]", Err(AttributesError::NotAnObject)),
        ] {
            let got = Attributes::of_call(document, &call);
            assert_eq!(got.as_ref().map(Attributes::as_str).map_err(|error| *error), want, "{document}");
        }
    }
}
