//! The fetcher against a web server on loopback that behaves as badly as it is told to.

use std::collections::VecDeque;
use std::future::{Future, poll_fn};
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU32, Ordering::SeqCst};
use std::task::Poll;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use web::Names;

use super::*;

/// What the server does with a connection once it has read a request.
enum Answer {
    /// Sends this and closes.
    Text(String),
    /// Sends this, then the second again and again until nobody listens.
    Endless(&'static str, Vec<u8>),
    /// Says nothing and waits for the client to go.
    Silence,
}

fn ok(body: &str) -> Answer {
    Answer::Text(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: Text/Plain; charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    ))
}

fn redirect_to(status: u16, location: &str) -> Answer {
    Answer::Text(format!(
        "HTTP/1.1 {status} Go\r\nLocation: {location}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    ))
}

/// A server on 127.0.0.1 and the requests that have reached it.
struct Server {
    port: u16,
    requests: mpsc::UnboundedReceiver<String>,
}

impl Server {
    async fn start(answer: impl Fn(&str) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_on("127.0.0.1:0", None, answer).await
    }

    async fn start_on(
        address: &str,
        tls: Option<rustls::ServerConfig>,
        answer: impl Fn(&str) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).await.expect("a port on loopback");
        let port = listener.local_addr().expect("bound").port();
        let (seen, requests) = mpsc::unbounded_channel();
        let tls = tls.map(|config| tokio_rustls::TlsAcceptor::from(Arc::new(config)));
        let answer = Arc::new(answer);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (seen, answer, tls) = (seen.clone(), Arc::clone(&answer), tls.clone());
                tokio::spawn(async move {
                    match tls {
                        None => converse(stream, seen, &*answer).await,
                        Some(tls) => {
                            if let Ok(stream) = tls.accept(stream).await {
                                converse(stream, seen, &*answer).await;
                            }
                        }
                    }
                });
            }
        });
        Self { port, requests }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The next request, head and body.
    async fn request(&mut self) -> String {
        self.requests.recv().await.expect("the server runs")
    }

    /// Whether no request has come.
    fn untouched(&mut self) -> bool {
        self.requests.try_recv().is_err()
    }
}

async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    seen: mpsc::UnboundedSender<String>,
    answer: &(impl Fn(&str) -> Answer + ?Sized),
) {
    let (mut request, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let Ok(len @ 1..) = stream.read(&mut piece).await else { return };
        request.extend_from_slice(&piece[..len]);
        let text = String::from_utf8_lossy(&request).to_ascii_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.split_once("content-length: ").and_then(|(_, rest)| rest.lines().next()?.parse().ok());
        if body.len() >= length.unwrap_or(0) {
            break;
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    // A test that has ended no longer listens.
    let _ = seen.send(request.clone());
    match answer(&request) {
        Answer::Text(text) => {
            let _ = stream.write_all(text.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
        Answer::Endless(head, more) => {
            let _ = stream.write_all(head.as_bytes()).await;
            while stream.write_all(&more).await.is_ok() {}
        }
        Answer::Silence => while matches!(stream.read(&mut piece).await, Ok(1..)) {},
    }
}

fn config(allow: &[&str]) -> FetchConfig {
    FetchConfig { allow: allow.iter().map(|rule| rule.parse().expect(rule)).collect(), ..FetchConfig::default() }
}

fn with_names(config: FetchConfig, names: Arc<dyn Names>) -> Result<Fetcher, String> {
    let web = WebConfig { allow: config.allow.clone(), trusted: config.trusted.clone() };
    Ok(Fetcher::over(Web::with_names(&web, names)?, config))
}

fn loopback() -> Fetcher {
    Fetcher::new(config(&["127.0.0.1"])).expect("a fetcher")
}

fn get(url: impl Into<String>) -> Request {
    Request::new(HttpMethod::Get, url)
}

/// Names that lead where a test says: one answer a lookup, the last one for ever.
struct Table {
    answers: Mutex<VecDeque<Vec<&'static str>>>,
    lookups: AtomicU32,
}

impl Table {
    fn new<const N: usize>(answers: [Vec<&'static str>; N]) -> Arc<Self> {
        Arc::new(Self { answers: Mutex::new(answers.into()), lookups: AtomicU32::new(0) })
    }
}

impl Names for Table {
    fn lookup(&self, _host: String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
        self.lookups.fetch_add(1, SeqCst);
        let mut answers = self.answers.lock().expect("no panic inside");
        let answer = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        let addresses = answer.unwrap_or_default().iter().map(|a| a.parse().expect("an address")).collect();
        Box::pin(async move { Ok(addresses) })
    }
}

#[tokio::test]
async fn parameters_go_into_the_query_or_the_body() {
    let mut server = Server::start(|_| ok("hello")).await;
    let fetcher = loopback();
    let parameters = [("Call Sid".to_owned(), "CA1".to_owned()), ("To".to_owned(), "+1&=ä".to_owned())];

    let fetched = fetcher.fetch(get(server.url("/a?b=c#part")).parameters(parameters.clone())).await.expect("200");
    let url = server.url("/a?b=c&Call+Sid=CA1&To=%2B1%26%3D%C3%A4");
    let caching = Caching { may_keep: true, ..Caching::default() };
    let want = Fetched { status: 200, content_type: Some("text/plain".into()), url, body: "hello".into(), caching };
    assert_eq!(fetched, want);
    let request = server.request().await;
    assert!(request.starts_with("GET /a?b=c&Call+Sid=CA1&To=%2B1%26%3D%C3%A4 HTTP/1.1\r\n"), "{request}");
    for header in ["user-agent: TwilioProxy/1.1", "accept: */*"] {
        assert!(request.contains(header), "{header} in {request}");
    }

    fetcher.fetch(Request::new(HttpMethod::Post, server.url("/a?b=c")).parameters(parameters)).await.expect("200");
    let request = server.request().await;
    assert!(request.starts_with("POST /a?b=c HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("content-type: application/x-www-form-urlencoded; charset=UTF-8"), "{request}");
    assert!(request.ends_with("\r\n\r\nCall+Sid=CA1&To=%2B1%26%3D%C3%A4"), "{request}");

    fetcher.fetch(get(format!(" 127.0.0.1:{}/no/scheme ", server.port))).await.expect("http:// is meant");
    assert!(server.request().await.starts_with("GET /no/scheme "));
}

#[tokio::test]
async fn what_is_no_url_is_refused() {
    for text in [
        "",
        "http://",
        "data:text/plain,x",
        "ftp://a.example/x",
        "file:///etc/passwd",
        "http://a b/",
        "mailto:a@b.example",
        "http://a:99999/",
    ] {
        let error = loopback().fetch(get(text)).await.expect_err(text);
        assert_eq!((error.code(), matches!(error, FetchError::Url(_))), (11_100, true), "{text}");
    }
}

#[tokio::test]
async fn bad_answers_have_their_codes() {
    let server = Server::start(|request| {
        let path = request.split(' ').nth(1).unwrap_or_default();
        let text = |text: &str| Answer::Text(text.to_owned());
        match path {
            "/missing" => text("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
            "/not-modified" => text("HTTP/1.1 304 Not Modified\r\n\r\n"),
            "/loop" => redirect_to(302, "/loop"),
            "/nowhere" => text("HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n"),
            "/elsewhere" => redirect_to(302, "ftp://a.example/"),
            "/garbage" => text("SSH-2.0-OpenSSH_9.2\r\n"),
            "/closes" => text(""),
            "/half" => text("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf"),
            "/says-huge" => text("HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"),
            "/is-huge" => Answer::Endless("HTTP/1.1 200 OK\r\n\r\n", vec![b'x'; 65_536]),
            "/chunks" => {
                Answer::Endless("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"4\r\nmore\r\n".repeat(1000))
            }
            "/headers" => Answer::Endless("HTTP/1.1 200 OK\r\n", b"X-More: and more\r\n".repeat(1000)),
            _ => ok(""),
        }
    })
    .await;
    let fetcher = Fetcher::new(FetchConfig { bytes_max: 1_000_000, ..config(&["127.0.0.1"]) }).expect("a fetcher");
    let closed = TcpListener::bind("127.0.0.1:0").await.and_then(|l| l.local_addr()).expect("a port");
    for (url, code) in [
        (server.url("/missing"), 11_200),
        (server.url("/not-modified"), 11_200),
        (server.url("/loop"), 11_215),
        (server.url("/nowhere"), 11_216),
        (server.url("/elsewhere"), 11_216),
        (server.url("/garbage"), 11_206),
        (server.url("/closes"), 11_206),
        (server.url("/half"), 11_206),
        (server.url("/says-huge"), 11_750),
        (server.url("/is-huge"), 11_750),
        (server.url("/chunks"), 11_750),
        (server.url("/headers"), 11_206),
        (format!("http://{closed}/"), 11_205),
    ] {
        let error = fetcher.fetch(get(&url)).await.expect_err(&url);
        assert_eq!(error.code(), code, "{url}: {error}");
    }
    let empty = fetcher.fetch(get(server.url("/empty"))).await.expect("200");
    assert_eq!(empty.required_body().map_err(|e| e.code()), Err(11_770));
}

#[tokio::test]
async fn a_server_that_stalls_is_given_up() {
    let server = Server::start(|request| match request.contains("/body") {
        true => Answer::Text("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n".to_owned()),
        false => Answer::Silence,
    })
    .await;
    let timeout = Duration::from_millis(300);
    let fetcher = Fetcher::new(FetchConfig { timeout, ..config(&["127.0.0.1"]) }).expect("a fetcher");
    assert_eq!(fetcher.fetch(get(server.url("/"))).await, Err(FetchError::TimedOut(timeout)));
}

#[tokio::test]
async fn redirects_keep_or_drop_the_form() {
    for (status, want) in [(301, "GET"), (302, "GET"), (303, "GET"), (307, "POST"), (308, "POST")] {
        let mut server = Server::start(move |request| match request.contains(" /first ") {
            true => redirect_to(status, "second?x=1#y"),
            false => ok("there"),
        })
        .await;
        let request = Request::new(HttpMethod::Post, server.url("/first")).parameters([("A".into(), "1".into())]);
        let fetched = loopback().fetch(request).await.expect("followed");
        assert_eq!(fetched.url, server.url("/second?x=1"), "{status}");
        server.request().await;
        let second = server.request().await;
        assert!(second.starts_with(&format!("{want} /second?x=1 ")), "{status}: {second}");
        assert_eq!(second.ends_with("A=1"), want == "POST", "{status}: {second}");
    }
}

#[tokio::test]
async fn ten_redirects_are_followed() {
    let server = Server::start(|request| match request.split(['/', ' ']).nth(2).and_then(|n| n.parse::<u32>().ok()) {
        Some(0) | None => ok("arrived"),
        Some(n) => redirect_to(302, &format!("/{}", n - 1)),
    })
    .await;
    assert_eq!(loopback().fetch(get(server.url("/10"))).await.expect("ten").body, "arrived");
    assert_eq!(loopback().fetch(get(server.url("/11"))).await, Err(FetchError::TooManyRedirects(10)));
}

#[tokio::test]
async fn addresses_that_are_not_allowed_are_not_touched() {
    let mut server = Server::start(|_| ok("secret")).await;
    let port = server.port;
    let public_only = Fetcher::new(FetchConfig::default()).expect("a fetcher");
    for host in [
        "127.0.0.1",
        "localhost",
        "0",
        "0.0.0.0",
        "2130706433",
        "0x7f.1",
        "127.1",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
    ] {
        let error = public_only.fetch(get(format!("http://{host}:{port}/"))).await.expect_err(host);
        assert!(matches!(error, FetchError::Forbidden(_)), "{host}: {error}");
        assert_eq!(error.code(), 11_200, "{host}");
    }
    assert!(server.untouched());
    let by_name = Fetcher::new(config(&["localhost"])).expect("a fetcher");
    assert_eq!(by_name.fetch(get(format!("http://localhost:{port}/"))).await.expect("allowed").body, "secret");
    assert!(by_name.fetch(get(server.url("/"))).await.is_err(), "the name is allowed, not its address");
}

#[tokio::test]
async fn a_redirect_is_guarded_like_the_first_request() {
    let mut inner = Server::start_on("127.0.0.2:0", None, |_| ok("secret")).await;
    let port = inner.port;
    let outer = Server::start(move |_| redirect_to(302, &format!("http://127.0.0.2:{port}/admin"))).await;
    let error = loopback().fetch(get(outer.url("/"))).await.expect_err("not allowed");
    assert_eq!(error, FetchError::Forbidden("127.0.0.2".to_owned()));
    assert!(inner.untouched());
}

#[tokio::test]
async fn a_name_is_judged_each_time_by_where_it_leads() {
    let server = Server::start(|_| ok("public")).await;
    let url = format!("http://media.example:{}/", server.port);
    let mut inner = Server::start_on(&format!("127.0.0.2:{}", server.port), None, |_| ok("secret")).await;
    let names = Table::new([vec!["127.0.0.1"], vec!["127.0.0.2"], vec!["127.0.0.2", "127.0.0.1"], vec![]]);
    let fetcher = with_names(config(&["127.0.0.1"]), names).expect("a fetcher");
    let outcome = async || fetcher.fetch(get(&url)).await.map(|f| f.body);

    assert_eq!(outcome().await.expect("leads to the allowed address"), "public");
    assert_eq!(outcome().await, Err(FetchError::Forbidden("media.example".into())), "rebound");
    assert_eq!(outcome().await.expect("only the allowed address is tried"), "public");
    assert_eq!(outcome().await.map_err(|e| e.code()), Err(11_210), "leads nowhere");
    assert!(inner.untouched());
}

#[tokio::test]
async fn a_failed_connection_is_tried_twice() {
    let closed = TcpListener::bind("127.0.0.1:0").await.and_then(|l| l.local_addr()).expect("a port").port();
    let names = Table::new([vec!["127.0.0.1"]]);
    let fetcher = with_names(config(&["127.0.0.1"]), names.clone()).expect("a fetcher");
    let error = fetcher.fetch(get(format!("http://app.example:{closed}/"))).await.expect_err("closed");
    assert_eq!((error.code(), names.lookups.load(SeqCst)), (11_205, 2), "{error}");
}

#[tokio::test]
async fn credentials_are_sent_when_asked_for_and_to_nobody_else() {
    let mut other = Server::start(|_| ok("other")).await;
    let elsewhere = other.url("/");
    let mut server = Server::start(move |request| {
        if !request.contains("authorization: Basic dTpww6Q=") {
            Answer::Text(
                "HTTP/1.1 401 Who\r\nWWW-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n".to_owned(),
            )
        } else if request.contains(" /away ") {
            redirect_to(302, &elsewhere)
        } else {
            ok("yours")
        }
    })
    .await;
    let url = |path: &str, login: &str| format!("http://{login}127.0.0.1:{}{path}", server.port);
    let (good, away, bad) = (url("/", "u:p%C3%A4@"), url("/away", "u:p%C3%A4@"), url("/", "u:wrong@"));

    let fetched = loopback().fetch(get(good)).await.expect("authorised");
    assert_eq!((&fetched.body[..], fetched.url.contains('@')), (&b"yours"[..], false));
    assert!(!server.request().await.contains("authorization"), "not before they are asked for");
    assert_eq!(loopback().fetch(get(bad)).await, Err(FetchError::Status(401)));
    assert_eq!(loopback().fetch(get(away)).await.expect("followed").body, "other");
    assert!(!other.request().await.contains("authorization"));
}

#[tokio::test]
async fn what_exceeds_the_queue_is_refused_at_once() {
    let mut server = Server::start(|_| Answer::Silence).await;
    let bounds = FetchConfig { concurrent_max: 1, waiting_max: 1, ..config(&["127.0.0.1"]) };
    let fetcher = Fetcher::new(bounds).expect("a fetcher");
    let url = server.url("/");
    let under_way = tokio::spawn({
        let (fetcher, url) = (fetcher.clone(), url.clone());
        async move { fetcher.fetch(get(url)).await }
    });
    server.request().await;
    let mut waiting = Box::pin(fetcher.fetch(get(&url)));
    assert!(poll_fn(|cx| Poll::Ready(waiting.as_mut().poll(cx).is_pending())).await);
    assert_eq!(fetcher.fetch(get(&url)).await, Err(FetchError::Busy));
    // Whoever gives up makes room.
    under_way.abort();
    assert!(under_way.await.is_err());
    drop(waiting);
    let mut next = Box::pin(fetcher.fetch(get(&url)));
    tokio::select! {
        outcome = &mut next => panic!("{outcome:?}"),
        request = server.request() => assert!(request.starts_with("GET / ")),
    }
}

#[tokio::test]
async fn a_host_that_hangs_holds_up_nobody_else() {
    let mut hanging = Server::start(|_| Answer::Silence).await;
    let other = Server::start(|_| ok("there")).await;
    let bounds = FetchConfig { concurrent_max: 8, concurrent_per_host_max: 2, ..config(&["127.0.0.1"]) };
    let fetcher = Fetcher::new(bounds).expect("a fetcher");
    let mut stuck: Vec<_> = (0..100).map(|i| Box::pin(fetcher.fetch(get(hanging.url(&format!("/{i}")))))).collect();
    for _ in 0..2 {
        let all = poll_fn(|cx| Poll::Ready(stuck.iter_mut().all(|fetch| fetch.as_mut().poll(cx).is_pending()))).await;
        assert!(all, "none is given up");
        tokio::task::yield_now().await;
    }
    // The same host, on another port.
    assert_eq!(fetcher.fetch(get(other.url("/"))).await.map(|f| f.body), Ok("there".into()));
    drop(stuck);
    while hanging.requests.try_recv().is_ok() {}
    assert_eq!((fetcher.shared.turns.hosts(), fetcher.shared.turns.taken()), (0, 0), "nobody waits any more");
}

#[tokio::test]
async fn one_host_has_its_bound_of_waiting() {
    let server = Server::start(|_| Answer::Silence).await;
    let bounds = FetchConfig { concurrent_per_host_max: 1, waiting_per_host_max: 1, ..config(&["127.0.0.1"]) };
    let fetcher = Fetcher::new(bounds).expect("a fetcher");
    let url = server.url("/");
    let mut waiting = [Box::pin(fetcher.fetch(get(&url))), Box::pin(fetcher.fetch(get(&url)))];
    let pending = poll_fn(|cx| Poll::Ready(waiting.each_mut().map(|fetch| fetch.as_mut().poll(cx).is_pending()))).await;
    assert_eq!(pending, [true, true]);
    assert_eq!(fetcher.fetch(get(&url)).await, Err(FetchError::Busy));
    drop(waiting);
    assert_eq!(fetcher.shared.turns.hosts(), 0);
}

#[tokio::test]
async fn the_clock_starts_with_the_turn() {
    let server = Server::start(|request| if request.contains("/hangs") { Answer::Silence } else { ok("there") }).await;
    let timeout = Duration::from_millis(500);
    let bounds = FetchConfig { timeout, concurrent_per_host_max: 1, ..config(&["127.0.0.1"]) };
    let fetcher = Fetcher::new(bounds.clone()).expect("a fetcher");
    let (hangs, waits) = tokio::join!(fetcher.fetch(get(server.url("/hangs"))), fetcher.fetch(get(server.url("/"))));
    assert_eq!((hangs, waits.map(|f| f.body)), (Err(FetchError::TimedOut(timeout)), Ok("there".into())));

    let waiting_timeout = Duration::from_millis(1);
    let fetcher = Fetcher::new(FetchConfig { waiting_timeout, ..bounds }).expect("a fetcher");
    let (_, waits) = tokio::join!(fetcher.fetch(get(server.url("/hangs"))), fetcher.fetch(get(server.url("/"))));
    assert_eq!(waits, Err(FetchError::Busy));
}

#[tokio::test]
async fn bodies_under_way_have_a_bound_together() {
    let server = Server::start(|_| ok("eight by")).await;
    let bounds = FetchConfig { bytes_under_way_max: 8, ..config(&["127.0.0.1"]) };
    let fetcher = Fetcher::new(bounds).expect("a fetcher");
    let others = fetcher.shared.bodies.acquire_many(1).await.expect("open");
    assert_eq!(fetcher.fetch(get(server.url("/"))).await, Err(FetchError::Busy));
    drop(others);
    for _ in 0..2 {
        assert!(fetcher.fetch(get(server.url("/"))).await.is_ok(), "given back each time");
    }
}

#[tokio::test]
async fn errors_keep_secrets() {
    let server = Server::start(|_| Answer::Text("SSH-2.0\r\n".to_owned())).await;
    let closed = TcpListener::bind("127.0.0.1:0").await.and_then(|l| l.local_addr()).expect("a port");
    for url in [
        format!("http://user:hush@127.0.0.1:{}/?token=hush", server.port),
        format!("http://user:hush@{closed}/?token=hush"),
        "http://user:hush@10.0.0.1/?token=hush".to_owned(),
        "ftp://user:hush@a.example/?token=hush".to_owned(),
        "http://user:hush@a b/?token=hush".to_owned(),
    ] {
        let error = loopback().fetch(get(&url)).await.expect_err(&url);
        assert!(!format!("{error} {error:?}").contains("hush"), "{error:?}");
    }
}

/// A certificate authority made for a test, and servers with certificates of it.
struct Authority {
    certificate: rcgen::Certificate,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let mut parameters = rcgen::CertificateParams::new(Vec::new()).expect("no names");
        parameters.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = parameters.self_signed(&key).expect("a certificate");
        Self { certificate, issuer: rcgen::Issuer::new(parameters, key) }
    }

    /// A server for `name`, its certificate valid until `year`.
    async fn server(&self, name: &str, year: i32) -> Server {
        let mut parameters = rcgen::CertificateParams::new(vec![name.to_owned()]).expect("a name");
        parameters.not_after = rcgen::date_time_ymd(year, 1, 1);
        let key = rcgen::KeyPair::generate().expect("a key");
        let certificate = parameters.signed_by(&key, &self.issuer).expect("a certificate");
        let key = rustls::pki_types::PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.expect("versions").with_no_client_auth();
        let config = config.with_single_cert(vec![certificate.der().clone()], key).expect("a key that fits");
        Server::start_on("127.0.0.1:0", Some(config), |_| ok("sealed")).await
    }
}

#[tokio::test]
async fn certificates_are_checked() {
    let (ours, stranger) = (Authority::new(), Authority::new());
    let trusted = vec![ours.certificate.der().to_vec()];
    let names = Table::new([vec!["127.0.0.1"]]);
    let fetcher = with_names(FetchConfig { trusted, ..config(&["127.0.0.1"]) }, names).expect("a fetcher");
    let greets = async |greeting: &'static str| {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("bound").port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let _ = stream.write_all(greeting.as_bytes()).await;
            }
        });
        port
    };
    for (case, port, want) in [
        ("good", ours.server("media.example", 2100).await.port, Ok("sealed")),
        ("for another name", ours.server("other.example", 2100).await.port, Err(11_235)),
        ("expired", ours.server("media.example", 2020).await.port, Err(11_236)),
        ("of an unknown authority", stranger.server("media.example", 2100).await.port, Err(11_237)),
        ("no TLS at all", greets("HTTP/1.1 400 Bad Request\r\n\r\n").await, Err(11_220)),
        ("closed in the handshake", greets("").await, Err(11_220)),
    ] {
        let outcome = fetcher.fetch(get(format!("https://media.example:{port}/"))).await;
        let outcome = outcome.as_ref().map(|f| std::str::from_utf8(&f.body).unwrap_or_default()).map_err(|e| e.code());
        assert_eq!(outcome, want, "{case}");
    }
}
