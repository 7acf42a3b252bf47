//! The customer's web application, or what the bridge sees of it: files behind URLs, and URLs that misbehave.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Serves what was put on it, at `http://127.0.0.1:<port>/…`, for as long as the process lives.
#[derive(Debug, Clone)]
pub struct Application {
    address: SocketAddr,
    pages: Arc<Mutex<BTreeMap<String, Page>>>,
    requests: Arc<Mutex<Vec<String>>>,
}

/// How one path answers.
#[derive(Debug, Clone)]
enum Page {
    File {
        content_type: String,
        bytes: Arc<[u8]>,
    },
    Redirect {
        location: String,
    },
    Status(u16),
    /// Accepts the request and never says a word.
    Silent,
}

impl Application {
    /// Starts with nothing on it: every path answers 404.
    ///
    /// # Panics
    /// When the machine has no loopback port left.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound listener has an address");
        let application = Self { address, pages: Arc::default(), requests: Arc::default() };
        let server = application.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = server.clone();
                thread::spawn(move || server.answer(stream));
            }
        });
        application
    }

    /// Puts a file at `path` and returns its URL.
    pub fn file(&self, path: &str, content_type: &str, bytes: &[u8]) -> String {
        self.put(path, Page::File { content_type: content_type.to_owned(), bytes: bytes.into() })
    }

    /// Makes `path` redirect to another place; returns its URL.
    pub fn redirect(&self, path: &str, location: &str) -> String {
        self.put(path, Page::Redirect { location: location.to_owned() })
    }

    /// Makes `path` answer with this status and nothing else; returns its URL.
    pub fn status(&self, path: &str, status: u16) -> String {
        self.put(path, Page::Status(status))
    }

    /// Makes `path` accept requests and never answer; returns its URL.
    pub fn silent(&self, path: &str) -> String {
        self.put(path, Page::Silent)
    }

    /// The request lines seen so far: `GET /hold.wav`.
    pub fn requests(&self) -> Vec<String> {
        self.requests.lock().expect("no test thread panicked holding it").clone()
    }

    fn put(&self, path: &str, page: Page) -> String {
        self.pages.lock().expect("no test thread panicked holding it").insert(path.to_owned(), page);
        format!("http://{}{path}", self.address)
    }

    fn answer(&self, mut stream: TcpStream) {
        let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
        let Some(request) = lines.next() else { return };
        let mut words = request.split(' ');
        let (method, path) = (words.next().unwrap_or_default(), words.next().unwrap_or_default());
        self.requests.lock().expect("no test thread panicked holding it").push(format!("{method} {path}"));
        lines.take_while(|line| !line.is_empty()).for_each(drop);
        let path = path.split('?').next().unwrap_or_default();
        let page = self.pages.lock().expect("no test thread panicked holding it").get(path).cloned();
        let (head, bytes): (String, Arc<[u8]>) = match page {
            Some(Page::File { content_type, bytes }) => (format!("200 OK\r\nContent-Type: {content_type}"), bytes),
            Some(Page::Redirect { location }) => (format!("302 Found\r\nLocation: {location}"), [].into()),
            Some(Page::Status(status)) => (format!("{status} As Asked"), [].into()),
            Some(Page::Silent) => return until_closed(stream),
            None => ("404 Not Found".to_owned(), [].into()),
        };
        let head = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", bytes.len());
        // The other side may have hung up meanwhile; then there is nobody left to tell.
        drop(stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&bytes)));
    }
}

/// Holds the connection open, silently, until the other side gives up.
fn until_closed(stream: TcpStream) {
    drop(stream.set_read_timeout(Some(SILENT_AT_MOST)));
    BufReader::new(stream).lines().map_while(Result::ok).for_each(drop);
}

/// Longer than any client's patience.
const SILENT_AT_MOST: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rest::Rest;

    #[test]
    fn it_serves_files_redirects_and_failures_and_remembers_who_asked() {
        let application = Application::start();
        application.file("/a.wav", "audio/wav", b"RIFF");
        application.redirect("/b", "/a.wav");
        application.status("/c", 503);
        let rest = Rest::new(application.address, "user", "password");
        assert_eq!(rest.request("GET", "/a.wav?x=1", &[]).expect(200).body, "RIFF");
        assert_eq!(rest.request("GET", "/b", &[]).expect(302).header("location"), Some("/a.wav"));
        rest.request("POST", "/c", &[]).expect(503);
        rest.request("GET", "/d", &[]).expect(404);
        assert_eq!(application.requests(), ["GET /a.wav?x=1", "GET /b", "POST /c", "GET /d"]);
    }
}
