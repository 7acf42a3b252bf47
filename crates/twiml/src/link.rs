//! URLs that a document names, and the method each is asked with.

/// A URL and its method. In a document the URL is as written (an empty one is the document itself); in a
/// [`Step`](crate::Step) it is absolute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Where.
    pub url: String,
    /// How.
    pub method: Method,
}

/// How an application is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// Parameters in the query.
    Get,
    /// Parameters in the body.
    Post,
}
