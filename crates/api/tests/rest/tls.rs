//! Serving by TLS: which HTTP is spoken, and how long a client that speaks none is waited for.

use std::sync::Arc;
use std::time::Duration;

use api::Config;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::bridge::Bridge;

struct Served {
    address: std::net::SocketAddr,
    trust: Arc<RootCertStore>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
    _bridge: Bridge,
}

async fn serve(config: Config) -> Served {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["localhost".to_owned()]).expect("makes a certificate");
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).expect("is a key");
    let tls = ServerConfig::builder_with_provider(default_provider().into()).with_safe_default_protocol_versions();
    let tls = tls.expect("has versions").with_no_client_auth().with_single_cert(vec![cert.der().clone()], key);
    let mut trust = RootCertStore::empty();
    trust.add(cert.der().clone()).expect("is a certificate");

    let bridge = Bridge::with(config.clone()).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    let address = listener.local_addr().expect("has one");
    let (stop, stopped) = oneshot::channel::<()>();
    let routes = bridge.routes.clone();
    let task = tokio::spawn(async move {
        let stopped = async move { stopped.await.unwrap_or(()) };
        api::serve_tls(listener, tls.expect("fits"), routes, &config, stopped).await;
    });
    Served { address, trust: trust.into(), stop, task, _bridge: bridge }
}

/// A connection of a client that speaks these protocols.
async fn connect(served: &Served, protocols: &[&str]) -> TlsStream<TcpStream> {
    let tls = ClientConfig::builder_with_provider(default_provider().into()).with_safe_default_protocol_versions();
    let mut tls = tls.expect("has versions").with_root_certificates(served.trust.clone()).with_no_client_auth();
    tls.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(served.address).await.expect("connects");
    let name = ServerName::try_from("localhost").expect("is a name");
    TlsConnector::from(Arc::new(tls)).connect(name, stream).await.expect("shakes hands")
}

/// What comes until the other side closes; a close without goodbye will do.
async fn rest_of(stream: &mut TlsStream<TcpStream>) -> Vec<u8> {
    let mut rest = Vec::new();
    let _ = stream.read_to_end(&mut rest).await;
    rest
}

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[tokio::test]
async fn client_and_server_agree_on_the_newest_http_that_both_speak() {
    let served = serve(Config::default()).await;
    for (offered, agreed) in [
        (&["h2", "http/1.1"][..], Some("h2")),
        (&["http/1.1", "h2"], Some("h2")),
        (&["http/1.1"], Some("http/1.1")),
        (&[], None),
    ] {
        let mut client = connect(&served, offered).await;
        let found = client.get_ref().1.alpn_protocol().map(|name| String::from_utf8_lossy(name).into_owned());
        assert_eq!(found.as_deref(), agreed, "{offered:?}");
        if agreed == Some("h2") {
            client.write_all(PREFACE).await.expect("goes");
            let mut head = [0; 9];
            client.read_exact(&mut head).await.expect("an answer comes");
            assert_eq!(head[3], 4, "SETTINGS come first (RFC 9113 §3.4)");
        } else {
            client.write_all(b"GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n").await.expect("goes");
            let answer = String::from_utf8(rest_of(&mut client).await).expect("is text");
            assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
        }
    }
}

#[tokio::test]
async fn who_does_not_end_a_handshake_or_a_head_is_let_go() {
    let patience = Duration::from_millis(20);
    let served = serve(Config { handshake_timeout: patience, request_timeout: patience, ..Config::default() }).await;
    let mut silent = TcpStream::connect(served.address).await.expect("connects");
    assert_eq!(silent.read(&mut [0; 8]).await.unwrap_or(0), 0, "the connection ends");

    let mut client = connect(&served, &["http/1.1"]).await;
    client.write_all(b"GET /healthz HTTP/1.1\r\nHost:").await.expect("goes");
    assert!(!String::from_utf8_lossy(&rest_of(&mut client).await).contains("200"));

    let mut client = connect(&served, &["h2"]).await;
    // HEADERS of stream 1 without END_HEADERS: a head that never ends.
    client.write_all(&[PREFACE, b"\0\0\x01\x01\0\0\0\0\x01\x82"].concat()).await.expect("goes");
    let frames = rest_of(&mut client).await;
    assert!(!frames.is_empty(), "settings came, and then the end");
}

#[tokio::test]
async fn serving_by_tls_ends_although_a_client_is_connected() {
    let served = serve(Config::default()).await;
    let mut clients = [connect(&served, &["h2"]).await, connect(&served, &["http/1.1"]).await];
    clients[0].write_all(PREFACE).await.expect("goes");
    let mut settings = [0; 9];
    clients[0].read_exact(&mut settings).await.expect("it is being served");
    served.stop.send(()).expect("is serving");
    drop(clients[1].read(&mut [0; 1]).await);
    drop(clients);
    served.task.await.expect("ends");
}
