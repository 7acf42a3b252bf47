//! What an application says about a task or a worker: a JSON object in a string.

use std::sync::Arc;

use serde_json::{Map, Value as Json};

/// Attributes as they were given, byte for byte, and as expressions see them. Copying them costs nothing.
#[derive(Debug, Clone, PartialEq)]
pub struct Attributes(Arc<(String, Json)>);

impl Attributes {
    /// A JSON object of at most [`ATTRIBUTES_MAX`] characters.
    pub fn parse(text: &str) -> Result<Self, AttributesError> {
        if text.chars().count() > ATTRIBUTES_MAX {
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

    /// The same with these texts, each at its path; what is no object on the way becomes one.
    pub fn with(&self, texts: &[(&[&str], &str)]) -> Result<Self, AttributesError> {
        let mut json = self.json().clone();
        for (path, text) in texts {
            let mut at = &mut json;
            for member in *path {
                if !at.is_object() {
                    *at = Json::Object(Map::new());
                }
                at = &mut at[*member];
            }
            *at = Json::String((*text).to_owned());
        }
        Self::parse(&json.to_string())
    }

    /// Those of a task for a caller who waits: what the document says of it, and of the call what that leaves open. What
    /// identifies the call is the call's own (twiml §7.1).
    pub fn of_call(document: &str, call: &[(&str, String)]) -> Result<Self, AttributesError> {
        let given = Self::parse(document)?;
        let Json::Object(mut members) = given.json().clone() else { return Err(AttributesError::NotAnObject) };
        for (name, value) in call {
            if matches!(*name, "call_sid" | "account_sid") || !members.contains_key(*name) {
                members.insert((*name).to_owned(), Json::String(value.clone()));
            }
        }
        Self::parse(&Json::Object(members).to_string())
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
        assert_eq!(after.as_str(), r#"{"a":{"b":"c","d":"e\""},"conference":{"sid":"CF1"},"n":1}"#);
        let long = "x".repeat(ATTRIBUTES_MAX);
        assert_eq!(before.with(&[(&["a"], &long)]), Err(AttributesError::TooLong));
    }

    #[test]
    fn a_callers_task_says_what_the_document_says_and_what_the_call_is() {
        let call = [("call_sid", "CA1".to_owned()), ("from", "+1".to_owned()), ("direction", "inbound".to_owned())];
        for (document, want) in [
            ("{}", Ok(r#"{"call_sid":"CA1","direction":"inbound","from":"+1"}"#)),
            (
                r#"{"from":"me","call_sid":"CA2","k":[1]}"#,
                Ok(r#"{"call_sid":"CA1","direction":"inbound","from":"me","k":[1]}"#),
            ),
            ("nonsense", Err(AttributesError::NotJson)),
            ("[]", Err(AttributesError::NotAnObject)),
        ] {
            let got = Attributes::of_call(document, &call);
            assert_eq!(got.as_ref().map(Attributes::as_str).map_err(|error| *error), want, "{document}");
        }
    }
}
