//! The customer's web application, or what the bridge sees of it: files behind URLs, and URLs that misbehave.

use std::collections::{BTreeMap, VecDeque};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use crate::histogram::Histogram;
use crate::wire::Moment;

/// Serves what was put on it, at `http://127.0.0.1:<port>/…`, for as long as the process lives.
#[derive(Debug, Clone)]
pub struct Application {
    address: SocketAddr,
    pages: Arc<Mutex<BTreeMap<String, Page>>>,
    requests: Arc<Mutex<Vec<Seen>>>,
    own_time: Arc<Mutex<Histogram>>,
}

/// One request, as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// `GET`.
    pub method: String,
    /// Path and query, as in the request line.
    pub target: String,
    /// Header fields in order, names in lower case.
    pub headers: Vec<(String, String)>,
    /// As text.
    pub body: String,
    /// When its last byte had been read.
    pub at: Moment,
}

impl Seen {
    /// The first header of that name, which is in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }
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
    /// Whole answers, byte for byte, one after another; the last one for ever.
    Raw(VecDeque<Arc<[u8]>>),
    /// A beginning, and then a piece again and again until nobody listens.
    Endless(Arc<[u8]>, Arc<[u8]>),
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
        let application = Self { address, pages: Arc::default(), requests: Arc::default(), own_time: Arc::default() };
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

    /// Makes `path` answer these bytes, one text a request and the last one for ever, each followed by the end of the
    /// connection; returns its URL.
    pub fn raw(&self, path: &str, answers: &[&str]) -> String {
        self.put(path, Page::Raw(answers.iter().map(|answer| answer.as_bytes().into()).collect()))
    }

    /// Makes `path` answer a beginning and then a piece without end; returns its URL.
    pub fn endless(&self, path: &str, beginning: &str, piece: &str) -> String {
        self.put(path, Page::Endless(beginning.as_bytes().into(), piece.as_bytes().into()))
    }

    /// The request lines seen so far: `GET /hold.wav`.
    pub fn requests(&self) -> Vec<String> {
        self.seen().iter().map(|seen| format!("{} {}", seen.method, seen.target)).collect()
    }

    /// The requests seen so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.requests.lock().expect("no test thread panicked holding it").clone()
    }

    /// When `path` was asked, each time, in order.
    pub fn asked_at(&self, path: &str) -> Vec<Moment> {
        let requests = self.requests.lock().expect("no test thread panicked holding it");
        requests.iter().filter(|seen| seen.target.split('?').next() == Some(path)).map(|seen| seen.at).collect()
    }

    /// How long it took for each file, from the request's last byte to the answer's.
    pub fn own_time(&self) -> Histogram {
        self.own_time.lock().expect("no test thread panicked holding it").clone()
    }

    /// Where it listens, for URLs with something in front of the host.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    fn put(&self, path: &str, page: Page) -> String {
        self.pages.lock().expect("no test thread panicked holding it").insert(path.to_owned(), page);
        format!("http://{}{path}", self.address)
    }

    fn answer(&self, mut stream: TcpStream) {
        let Some(seen) = read(&stream) else { return };
        let begun = Instant::now();
        let path = seen.target.split('?').next().unwrap_or_default().to_owned();
        self.requests.lock().expect("no test thread panicked holding it").push(seen);
        let page = match self.pages.lock().expect("no test thread panicked holding it").get_mut(&path) {
            Some(Page::Raw(answers)) if answers.len() > 1 => answers.pop_front().map(|next| Page::Raw([next].into())),
            page => page.cloned(),
        };
        let (head, bytes): (String, Arc<[u8]>) = match page {
            Some(Page::File { content_type, bytes }) => (format!("200 OK\r\nContent-Type: {content_type}"), bytes),
            Some(Page::Redirect { location }) => (format!("302 Found\r\nLocation: {location}"), [].into()),
            Some(Page::Status(status)) => (format!("{status} As Asked"), [].into()),
            Some(Page::Silent) => return until_closed(stream),
            Some(Page::Raw(answers)) => {
                return answers.front().into_iter().for_each(|answer| drop(stream.write_all(answer)));
            }
            Some(Page::Endless(beginning, piece)) => {
                drop(stream.write_all(&beginning));
                while stream.write_all(&piece).is_ok() {}
                return;
            }
            None => ("404 Not Found".to_owned(), [].into()),
        };
        let head = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", bytes.len());
        // The other side may have hung up meanwhile; then there is nobody left to tell.
        drop(stream.write_all(&[head.as_bytes(), &bytes].concat()));
        self.own_time.lock().expect("no test thread panicked holding it").add(begun.elapsed());
    }
}

/// One request, with its body; nothing when the other side has hung up before its end.
fn read(stream: &TcpStream) -> Option<Seen> {
    let mut reader = BufReader::new(stream);
    let mut line = || {
        let mut line = String::new();
        let len = reader.read_line(&mut line).ok()?;
        (len > 0).then(|| line.trim_end().to_owned())
    };
    let request = line()?;
    let mut words = request.split(' ');
    let (method, target) = (words.next().unwrap_or_default().to_owned(), words.next().unwrap_or_default().to_owned());
    let mut headers = Vec::new();
    loop {
        let field = line()?;
        if field.is_empty() {
            break;
        }
        let (name, value) = field.split_once(':')?;
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length").and_then(|(_, value)| value.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    reader.read_exact(&mut body).ok()?;
    Some(Seen { method, target, headers, body: String::from_utf8_lossy(&body).into_owned(), at: Moment::now() })
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
        rest.request("POST", "/c", &[("a", "1")]).expect(503);
        rest.request("GET", "/d", &[]).expect(404);
        assert_eq!(application.requests(), ["GET /a.wav?x=1", "GET /b", "POST /c", "GET /d"]);
        let posted = &application.seen()[2];
        assert_eq!((posted.body.as_str(), posted.header("host")), ("a=1", Some(&*application.address().to_string())));
    }

    #[test]
    fn it_answers_what_no_server_should() {
        let application = Application::start();
        application.raw("/a", &["HTTP/1.1 500 First\r\nContent-Length: 0\r\n\r\n", "HTTP/1.1 204 Then\r\n\r\n"]);
        let rest = Rest::new(application.address(), "user", "password");
        for status in [500, 204, 204] {
            rest.request("GET", "/a", &[]).expect(status);
        }
    }
}
