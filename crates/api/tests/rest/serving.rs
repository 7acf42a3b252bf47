//! Over a real connection: what the HTTP library alone would get wrong, and how serving ends.

use std::time::Duration;

use api::Config;
use store::Row;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::bridge::{ACCOUNT, Bridge, TOKEN, basic, call};

struct Served {
    client: TcpStream,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    _bridge: Bridge,
}

async fn serve(config: Config) -> Served {
    let bridge = Bridge::with(config.clone()).await;
    bridge.save(&[Row::Call(call(0)), Row::Call(call(1))]).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("has one");
    let (stop, stopped) = oneshot::channel::<()>();
    let routes = bridge.routes.clone();
    let task = tokio::spawn(async move {
        let stopped = async move { stopped.await.unwrap_or(()) };
        api::serve(listener, routes, &config, stopped).await;
    });
    let client = TcpStream::connect(address).await.expect("connects");
    Served { client, stop, task, _bridge: bridge }
}

fn head(verb: &str, path: &str, more: &str) -> String {
    let authorization = basic(&ACCOUNT.to_string(), TOKEN);
    format!(
        "{verb} /2010-04-01/Accounts/{ACCOUNT}{path} HTTP/1.1\r\nHost: bridge.test\r\nAuthorization: {authorization}\r\n{more}\r\n"
    )
}

/// Reads one answer: its status and body.
async fn answer(client: &mut TcpStream) -> (u16, String) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await.expect("an answer comes"));
    }
    let head = String::from_utf8(head).expect("is text").to_lowercase();
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("has a status");
    let length = head
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "))
        .map_or(0, |length| length.parse().expect("is a number"));
    let mut body = vec![0; length];
    client.read_exact(&mut body).await.expect("a body comes");
    (status, String::from_utf8(body).expect("is text"))
}

#[tokio::test]
async fn a_filter_may_be_written_bare_on_every_request_of_a_connection() {
    let mut served = serve(Config::default()).await;
    for (query, rows) in
        [("StartTime>=2026-02-10T09:08:08Z", 1), ("StartTime<=2026-02-10", 2), ("StartTime>=2027-01-01", 0)]
    {
        let request = head("GET", &format!("/Calls.json?{query}"), "");
        served.client.write_all(request.as_bytes()).await.expect("goes");
        let (status, body) = answer(&mut served.client).await;
        assert_eq!(status, 200, "{query}: {body}");
        let body: serde_json::Value = serde_json::from_str(&body).expect("is JSON");
        assert_eq!(body["calls"].as_array().map(Vec::len), Some(rows), "{query}");
    }
}

#[tokio::test]
async fn a_body_that_was_announced_is_read_and_one_too_long_is_refused() {
    let mut served = serve(Config { body_bytes_max: 100, ..Config::default() }).await;
    let path = format!("/Calls/{}.json", call(0).sid);
    let request = head("POST", &path, "Content-Length: 11\r\nExpect: 100-continue\r\n");
    served.client.write_all(request.as_bytes()).await.expect("goes");
    assert_eq!(answer(&mut served.client).await.0, 100);
    served.client.write_all(b"Status=busy").await.expect("goes");
    let (status, body) = answer(&mut served.client).await;
    assert_eq!((status, body.contains("20001")), (400, true), "{body}");

    let request = head("POST", &path, "Transfer-Encoding: chunked\r\n");
    served
        .client
        .write_all(format!("{request}c8\r\na={}\r\n0\r\n\r\n", "x".repeat(198)).as_bytes())
        .await
        .expect("goes");
    let (status, body) = answer(&mut served.client).await;
    assert_eq!((status, body.contains("20413")), (413, true), "{body}");
}

#[tokio::test]
async fn a_client_that_never_finishes_its_request_is_let_go() {
    let mut served = serve(Config { request_timeout: Duration::from_millis(20), ..Config::default() }).await;
    let request = head("POST", &format!("/Calls/{}.json", call(0).sid), "Content-Length: 16\r\n");
    served.client.write_all(format!("{request}Status=").as_bytes()).await.expect("goes");
    let (status, body) = answer(&mut served.client).await;
    assert_eq!((status, body.contains("20001")), (400, true), "{body}");

    let mut served = serve(Config { request_timeout: Duration::from_millis(20), ..Config::default() }).await;
    served.client.write_all(b"GET /2010-04-01/Accounts HTTP/1.1\r\nHost:").await.expect("goes");
    let mut rest = Vec::new();
    served.client.read_to_end(&mut rest).await.expect("the connection ends");
}

#[tokio::test]
async fn serving_ends_after_the_requests_under_way() {
    let mut served = serve(Config::default()).await;
    served.client.write_all(head("GET", "/Calls.json", "").as_bytes()).await.expect("goes");
    assert_eq!(answer(&mut served.client).await.0, 200);
    served.stop.send(()).expect("is serving");
    served.task.await.expect("ends, although a client is still connected");
}
