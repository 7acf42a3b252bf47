//! The log of events by WebSocket, over a real connection.

use api::Config;
use axum::http::Request;
use futures_util::{SinkExt as _, StreamExt as _};
use model::AccountSid;
use serde_json::Value;
use store::Row;
use tokio::net::{TcpListener, TcpStream};
use tokio_tungstenite::tungstenite::handshake::client::generate_key;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

use crate::bridge::{ACCOUNT, Bridge, TOKEN, account, basic};
use crate::statistics::event;

/// A bridge that is served, and where.
async fn serve() -> (Bridge, String) {
    let bridge = Bridge::start().await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let host = listener.local_addr().expect("has one").to_string();
    let routes = bridge.routes.clone();
    tokio::spawn(async move {
        api::serve(listener, routes, &Config::default(), std::future::pending()).await;
    });
    (bridge, host)
}

/// A WebSocket, or the status that was answered instead.
async fn open(host: &str, query: &str, more: &[(&str, &str)]) -> Result<WebSocketStream<TcpStream>, u16> {
    let stream = TcpStream::connect(host).await.expect("connects");
    let key = generate_key();
    let mut headers = vec![("host", host), ("connection", "Upgrade"), ("upgrade", "websocket")];
    headers.extend([("sec-websocket-version", "13"), ("sec-websocket-key", key.as_str())]);
    headers.extend(more);
    let mut request = Request::builder().uri(format!("ws://{host}/partyline/v1/events{query}"));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    match client_async(request.body(()).expect("is a request"), stream).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(answer)) => Err(answer.status().as_u16()),
        Err(error) => panic!("{error}"),
    }
}

fn ours() -> (&'static str, String) {
    ("authorization", basic(&ACCOUNT.to_string(), TOKEN))
}

async fn next(socket: &mut WebSocketStream<TcpStream>) -> Value {
    loop {
        match socket.next().await.expect("is open").expect("is a frame") {
            Message::Text(text) => return serde_json::from_str(&text).expect("is JSON"),
            Message::Ping(_) | Message::Pong(_) => {}
            other => panic!("{other:?}"),
        }
    }
}

fn happens(number: i64) -> Vec<Row> {
    vec![Row::Event(event(number).into())]
}

#[tokio::test]
async fn what_was_missed_comes_first_and_then_what_happens_as_the_list_shows_it() {
    let (bridge, host) = serve().await;
    for number in 1..=3 {
        bridge.writer.write(happens(number)).await.expect("writes");
    }
    let (name, authorization) = ours();
    let ours = [(name, authorization.as_str())];
    let mut resumed = open(&host, "?after=10", &ours).await.expect("opens");
    let mut new = open(&host, "", &ours).await.expect("opens");
    bridge.writer.write(happens(4)).await.expect("writes");
    let page = Request::builder().uri("/partyline/v1/events").header(name, &authorization);
    let listed = bridge.send(page.body(axum::body::Body::empty()).expect("is a request")).await.json();
    let later = Request::builder().uri("/partyline/v1/events?after=20").header(name, &authorization);
    let later = bridge.send(later.body(axum::body::Body::empty()).expect("is a request")).await.json();
    assert_eq!(later["events"][0], listed["events"][2], "a page takes the same parameter");
    for seq in 1..=3 {
        assert_eq!(next(&mut resumed).await, listed["events"][seq], "after the first");
    }
    assert_eq!(next(&mut new).await, listed["events"][3]);

    resumed.send(Message::text("anything")).await.expect("goes");
    bridge.writer.write(happens(5)).await.expect("writes");
    assert_eq!(next(&mut resumed).await["seq"], 50, "what a client says is passed over");
    bridge.feeds.close();
    let Some(Ok(Message::Close(Some(frame)))) = resumed.next().await else { panic!("a goodbye") };
    assert_eq!((u16::from(frame.code), frame.reason.as_str()), (1001, "the bridge stops"));
}

#[tokio::test]
async fn at_the_end_everybody_is_told_before_it_is_over() {
    let (bridge, host) = serve().await;
    let (name, authorization) = ours();
    let mut socket = open(&host, "", &[(name, authorization.as_str())]).await.expect("opens");
    bridge.writer.write(happens(1)).await.expect("writes");
    bridge.feeds.close();
    let hears = async {
        assert_eq!(next(&mut socket).await["seq"], 10);
        let Some(Ok(Message::Close(Some(frame)))) = socket.next().await else { panic!("a goodbye") };
        assert_eq!(u16::from(frame.code), 1001);
        assert!(socket.next().await.is_none(), "which is answered");
    };
    tokio::join!(bridge.feeds.told(), hears);
}

#[tokio::test]
async fn who_may_no_longer_follow_is_told_so() {
    let (bridge, host) = serve().await;
    let key = bridge.post("/Keys.json", "").await.json();
    let (sid, secret) = (key["sid"].as_str().expect("a SID"), key["secret"].as_str().expect("a secret"));
    let (name, authorization) = ours();
    let mut by_token = open(&host, "", &[(name, authorization.as_str())]).await.expect("opens");
    let mut by_key = open(&host, "", &[(name, basic(sid, secret).as_str())]).await.expect("opens");
    bridge.writer.write(happens(1)).await.expect("writes");
    assert_eq!(next(&mut by_key).await["seq"], 10);
    assert_eq!(bridge.ask("DELETE", &format!("/Keys/{sid}.json"), None).await.outcome(), (204, 0));
    let Some(Ok(Message::Close(Some(frame)))) = by_key.next().await else { panic!("a goodbye") };
    assert_eq!(u16::from(frame.code), 1008);
    bridge.writer.write(happens(2)).await.expect("writes");
    for seq in [10, 20] {
        assert_eq!(next(&mut by_token).await["seq"], seq, "the account's own token is good");
    }
}

#[tokio::test]
async fn who_may_not_is_answered_as_a_request_is() {
    let (bridge, host) = serve().await;
    let (own, foreign) = (AccountSid::from_bits(7), AccountSid::from_bits(8));
    bridge.store.save_account(&account(own, ACCOUNT)).await.expect("writes");
    bridge.store.save_account(&account(foreign, foreign)).await.expect("writes");
    let authorization = ours().1;
    let wrong = basic(&ACCOUNT.to_string(), "wrong");
    let query = |account: AccountSid| format!("?AccountSid={account}");
    let here = format!("http://{host}");
    for (case, query, headers, want) in [
        ("no credentials", String::new(), vec![], Some(401)),
        ("wrong ones", String::new(), vec![("authorization", wrong.as_str())], Some(401)),
        ("a subaccount", query(own), vec![("authorization", authorization.as_str())], None),
        ("a stranger", query(foreign), vec![("authorization", authorization.as_str())], Some(404)),
        ("no account", "?AccountSid=x".to_owned(), vec![("authorization", authorization.as_str())], Some(404)),
        ("no number", "?after=x".to_owned(), vec![("authorization", authorization.as_str())], Some(400)),
        ("beyond the log", "?after=9".to_owned(), vec![("authorization", authorization.as_str())], Some(400)),
        (
            "a page of somebody else's",
            String::new(),
            vec![("authorization", authorization.as_str()), ("origin", "https://elsewhere.test")],
            Some(403),
        ),
        (
            "a page of ours",
            String::new(),
            vec![("authorization", authorization.as_str()), ("origin", here.as_str())],
            None,
        ),
    ] {
        assert_eq!(open(&host, &query, &headers).await.err(), want, "{case}");
    }
}
