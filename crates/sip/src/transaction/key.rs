//! Which transaction a message belongs to (RFC 3261 §17.1.3 and §17.2.3).
//!
//! A key is a keyed hash of what the RFC says to compare: 16 bytes however long a peer makes its branch, and no
//! peer can aim for a collision without knowing our secret.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use crate::{CSeq, Method, Request, Via};

/// A transaction's name inside the endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Key(u128);

/// Makes keys, the same ones for the same messages.
#[derive(Debug)]
pub(crate) struct Keys {
    secret: [u64; 2],
}

impl Keys {
    /// Keys that only the holder of `secret` can foresee.
    pub(crate) const fn new(secret: [u64; 2]) -> Self {
        Self { secret }
    }

    /// The server transaction of a request. An ACK belongs to its INVITE's. `via` is the topmost, as it came.
    pub(crate) fn server(&self, request: &Request, via: &Via, cseq: &CSeq) -> Key {
        let method = if request.method == Method::Ack { &Method::Invite } else { &request.method };
        self.server_of(request, via, cseq, method)
    }

    /// The INVITE server transaction that a CANCEL is about (RFC 3261 §9.2).
    pub(crate) fn canceled(&self, request: &Request, via: &Via, cseq: &CSeq) -> Key {
        self.server_of(request, via, cseq, &Method::Invite)
    }

    fn server_of(&self, request: &Request, via: &Via, cseq: &CSeq, method: &Method) -> Key {
        let headers = &request.headers;
        self.key(|hash| {
            (&via.host, via.port).hash(hash);
            method.as_str().hash(hash);
            if via.branch_is_unique() {
                via.branch().hash(hash);
            } else {
                // RFC 2543: no unique branch. The To-tag, which the RFC compares for an ACK only, can be left
                // out: one caller sends one INVITE with this CSeq through this Via.
                request.uri.as_str().hash(hash);
                headers.from().ok().as_ref().and_then(|from| from.tag()).hash(hash);
                headers.call_id().ok().hash(hash);
                cseq.number.hash(hash);
                via.to_string().hash(hash);
            }
        })
    }

    /// The request as such, whichever way it came: the same under another [`Keys::server`] key is a merged
    /// request (RFC 3261 §8.2.2.2).
    pub(crate) fn merge(&self, from_tag: Option<&str>, call_id: &str, cseq: &CSeq) -> Key {
        self.key(|hash| (from_tag, call_id, cseq.number, cseq.method.as_str()).hash(hash))
    }

    /// A To-tag for an answer we may not remember: the same for each copy of the request (RFC 3261 §8.2.7).
    pub(crate) fn stateless_tag(&self, request: impl Hash) -> String {
        let Key(bits) = self.key(|hash| request.hash(hash));
        format!("{:016x}", bits as u64)
    }

    fn key(&self, write: impl Fn(&mut DefaultHasher)) -> Key {
        let half = |secret: u64| {
            let mut hasher = DefaultHasher::new();
            secret.hash(&mut hasher);
            write(&mut hasher);
            u128::from(hasher.finish())
        };
        Key(half(self.secret[0]) << 64 | half(self.secret[1]))
    }
}
