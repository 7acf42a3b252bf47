//! The way out to the web: every URL the program ever opens is opened here, one request to one address at a time.
//!
//! What a request means, whether it is tried again and where a redirect leads to is its sender's business: `sound`
//! fetches what is played, `api` asks and tells applications. What they share is here: which addresses may be
//! connected to ([`AddressGuard`]), whom TLS trusts, how URLs are read ([`target`]), and what each failure is called
//! ([`FetchError`]). HTTP/1.1, TLS by `rustls`, no proxy.

mod client;
mod connection;
mod error;
mod guard;
pub mod target;
mod turns;

pub use bytes::Bytes;
pub use client::{Connecting, Names, Web, WebConfig, authorities};
pub use connection::Connection;
pub use error::{FetchError, without_secrets};
pub use guard::{AddressGuard, AllowRule, AllowRuleError};
pub use reqwest::{Method, Response, StatusCode, header};
pub use turns::{Turn, TurnBounds, Turns};
pub use url::{Host, Url, form_urlencoded};
