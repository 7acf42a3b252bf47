//! Fetched files that may be used again, as their servers say (RFC 9111, as far as audio needs it).
//!
//! `GET ─▶ kept and fresh? it is · kept? ask whether it has changed ─▶ 304: it has not · else fetch, and keep if allowed`
//!
//! Without a word about freshness a file is asked about each time, which takes a round trip and no audio. Bounded in
//! bytes, of each and of all, and in how long anything counts as fresh.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use model::HttpMethod;
use web::FetchError;

use crate::fetch::{Fetched, Fetcher, Request};
use crate::lru::Lru;

/// A fetcher that remembers. A clone shares its memory.
#[derive(Clone)]
pub struct CachedFetcher {
    fetcher: Fetcher,
    kept: Arc<Mutex<Lru<String, Kept>>>,
}

#[derive(Clone)]
struct Kept {
    fetched: Fetched,
    fresh_until: Instant,
}

impl CachedFetcher {
    /// Remembers up to [`BYTES_MAX`].
    pub fn new(fetcher: Fetcher) -> Self {
        Self { fetcher, kept: Arc::new(Mutex::new(Lru::new(BYTES_MAX))) }
    }

    /// What is behind a URL now, or was a moment ago as far as its server allows.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn get(&self, url: &str, now: impl Fn() -> Instant) -> Result<Fetched, FetchError> {
        let kept = self.with_kept(|kept| kept.get(url).cloned());
        if let Some(kept) = kept.as_ref().filter(|kept| now() < kept.fresh_until) {
            return Ok(kept.fetched.clone());
        }
        let mut request = Request::new(HttpMethod::Get, url);
        if let Some(kept) = &kept {
            request = request.unless_unchanged(&kept.fetched);
        }
        let mut fetched = self.fetcher.fetch(request).await?;
        if let Some(kept) = kept.filter(|_| fetched.status == NOT_MODIFIED) {
            let freshness = fetched.caching.fresh_for;
            fetched = kept.fetched;
            fetched.caching.fresh_for = freshness;
        }
        let caching = &fetched.caching;
        let may_be_used_again = caching.may_keep
            && (caching.etag.is_some() || caching.last_modified.is_some() || caching.fresh_for > Duration::ZERO);
        if may_be_used_again && fetched.body.len() <= FILE_BYTES_MAX {
            let fresh_until = now() + caching.fresh_for.min(FRESH_MAX);
            let bytes = url.len() + fetched.body.len() + ENTRY_BYTES;
            let entry = Kept { fetched: fetched.clone(), fresh_until };
            self.with_kept(|kept| kept.insert(url.to_owned(), entry, bytes));
        } else {
            self.with_kept(|kept| drop(kept.remove(url)));
        }
        Ok(fetched)
    }

    fn with_kept<T>(&self, act: impl FnOnce(&mut Lru<String, Kept>) -> T) -> T {
        act(&mut self.kept.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Bytes kept of all files together, and of each.
const BYTES_MAX: usize = 64 << 20;
const FILE_BYTES_MAX: usize = 8 << 20;
/// What an entry takes beside its file.
const ENTRY_BYTES: usize = 512;
/// Nothing counts as fresh for longer, whatever its server says.
const FRESH_MAX: Duration = Duration::from_secs(24 * 3_600);

const NOT_MODIFIED: u16 = 304;

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio::sync::mpsc;

    use super::*;
    use crate::fetch::FetchConfig;

    /// A server that answers with these heads, one after the other, and `sound` where they are 200; and its requests.
    async fn server(heads: Vec<&'static str>) -> (String, mpsc::UnboundedReceiver<String>) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/a.wav", listener.local_addr().expect("bound"));
        let (asked, requests) = mpsc::unbounded_channel();
        tokio::spawn(async move {
            for head in heads {
                let (mut stream, _) = listener.accept().await.expect("a connection");
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(stream.read_u8().await.expect("a request"));
                }
                let _ = asked.send(String::from_utf8_lossy(&request).to_ascii_lowercase());
                let (len, body) = if head.starts_with("200") { (5, "sound") } else { (0, "") };
                let answer = format!("HTTP/1.1 {head}\r\nContent-Length: {len}\r\nConnection: close\r\n\r\n{body}");
                stream.write_all(answer.as_bytes()).await.expect("sent");
            }
        });
        (url, requests)
    }

    #[tokio::test]
    async fn files_are_used_again_as_their_server_allows() {
        // What the server answers, when it is asked for in seconds, and whether each request was a question for changes.
        for (case, heads, at_s, asked) in [
            ("nothing said", vec!["200 OK"; 3], vec![0, 0, 9], vec![false, false, false]),
            (
                "fresh",
                vec!["200 OK\r\nCache-Control: public, max-age=10", "200 OK"],
                vec![0, 5, 9, 11],
                vec![false, false],
            ),
            (
                "unchanged",
                vec!["200 OK\r\nETag: \"1\"", "304 Not Modified", "200 OK\r\nETag: \"2\"", "304 Not Modified"],
                vec![0, 0, 1, 1],
                vec![false, true, true, true],
            ),
            (
                "by date, and fresh again",
                vec![
                    "200 OK\r\nLast-Modified: Mon, 01 Jan 2024 00:00:00 GMT\r\nCache-Control: max-age=10",
                    "304 Not Modified\r\nCache-Control: max-age=10",
                ],
                vec![0, 11, 15, 20],
                vec![false, true],
            ),
            (
                "not to be kept",
                vec!["200 OK\r\nETag: \"1\"\r\nCache-Control: no-store"; 2],
                vec![0, 0],
                vec![false, false],
            ),
            (
                "old already",
                vec!["200 OK\r\nCache-Control: max-age=10\r\nAge: 8", "200 OK"],
                vec![0, 1, 3],
                vec![false, false],
            ),
        ] {
            let (url, mut requests) = server(heads).await;
            let config = FetchConfig { allow: vec!["127.0.0.1".parse().expect("a rule")], ..FetchConfig::default() };
            let fetcher = CachedFetcher::new(Fetcher::new(config).expect("a fetcher"));
            let (start, passed) = (Instant::now(), Cell::new(0));
            for at in at_s {
                passed.set(at);
                let fetched = fetcher.get(&url, || start + Duration::from_secs(passed.get())).await;
                assert_eq!(fetched.expect(case).body, "sound", "{case} at {at} s");
            }
            let mut told = Vec::new();
            while let Ok(request) = requests.try_recv() {
                told.push(request.contains("if-none-match:") || request.contains("if-modified-since:"));
            }
            assert_eq!(told, asked, "{case}");
        }
    }
}
