//! What was wrong with a document, and did not stop it.

/// Something to log as a notification; the document runs on with what the message says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// Of the public error dictionary.
    pub code: u16,
    /// What was seen, what was expected, what is done instead.
    pub message: String,
}

impl std::fmt::Display for Warning {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.code, self.message)
    }
}
