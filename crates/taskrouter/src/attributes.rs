//! What an application says about a task or a worker: a JSON object in a string.

use std::sync::Arc;

use serde_json::Value as Json;

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
}
