//! Documents that came by GET, kept to be asked for anew only if they have changed (twiml §13).

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use web::header::{ETAG, HeaderMap, HeaderValue, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use web::{Bytes, Url};

/// The last documents, each by its whole URL. Every use is confirmed by the application.
#[derive(Debug, Default)]
pub(crate) struct Documents(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    by_url: HashMap<String, Stored>,
    /// The oldest first.
    order: VecDeque<String>,
}

/// One document.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    etag: Option<HeaderValue>,
    last_modified: Option<HeaderValue>,
    pub(crate) content_type: Option<String>,
    pub(crate) body: Bytes,
}

impl Documents {
    pub(crate) fn get(&self, url: &Url) -> Option<Stored> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).by_url.get(url.as_str()).cloned()
    }

    /// Keeps a document whose answer says how to tell whether it has changed.
    pub(crate) fn keep(&self, url: &Url, headers: &HeaderMap, content_type: Option<String>, body: &Bytes) {
        let (etag, last_modified) = (headers.get(ETAG).cloned(), headers.get(LAST_MODIFIED).cloned());
        if etag.is_none() && last_modified.is_none() {
            return;
        }
        let stored = Stored { etag, last_modified, content_type, body: body.clone() };
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.by_url.insert(url.as_str().to_owned(), stored).is_none() {
            kept.order.push_back(url.as_str().to_owned());
        }
        if kept.order.len() > DOCUMENTS_MAX
            && let Some(oldest) = kept.order.pop_front()
        {
            kept.by_url.remove(&oldest);
        }
    }
}

impl Stored {
    /// Asks for it only if it is another one now.
    pub(crate) fn condition(&self, headers: &mut HeaderMap) {
        headers.extend(self.etag.clone().map(|etag| (IF_NONE_MATCH, etag)));
        headers.extend(self.last_modified.clone().map(|date| (IF_MODIFIED_SINCE, date)));
    }
}

/// At 64 KB each 16 MB.
const DOCUMENTS_MAX: usize = 256;
