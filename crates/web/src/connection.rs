//! A bare connection to where a URL leads, for what is no request and answer: a WebSocket.
//!
//! Under the same guard: the address that is connected to is the one that was judged.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use crate::client::{Connecting, Web};
use crate::error::{FetchError, from_connection};

/// Bytes both ways.
pub trait Connection: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Connection for T {}

impl Web {
    /// Connects to where `url` leads; with TLS where it is `https` or `wss`.
    ///
    /// # Errors
    /// [`FetchError`].
    pub async fn connect(&self, connecting: Connecting, url: &Url) -> Result<Box<dyn Connection>, FetchError> {
        let connect = self.connect_in_time(url);
        match tokio::time::timeout(connecting.timeout, connect).await {
            Ok(outcome) => outcome,
            Err(_) => Err(FetchError::Connect(format!("no connection within {:?}", connecting.timeout))),
        }
    }

    async fn connect_in_time(&self, url: &Url) -> Result<Box<dyn Connection>, FetchError> {
        let is_tls = match url.scheme() {
            "https" | "wss" => true,
            "http" | "ws" => false,
            _ => return Err(FetchError::Url(crate::without_secrets(url.as_str()))),
        };
        let no_url = || FetchError::Url(crate::without_secrets(url.as_str()));
        let (host, port) = (url.host().ok_or_else(no_url)?, url.port_or_known_default().ok_or_else(no_url)?);
        let (addresses, name) = match host {
            Host::Ipv4(address) => (self.permitted(None, vec![address.into()])?, ServerName::from(address)),
            Host::Ipv6(address) => (self.permitted(None, vec![address.into()])?, ServerName::from(address)),
            Host::Domain(name) => {
                let found = self.lookup(name).await?;
                let server = ServerName::try_from(name.to_owned()).map_err(|_| no_url())?;
                (self.permitted(Some(name), found)?, server)
            }
        };
        let mut failure = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for address in addresses {
            match TcpStream::connect(SocketAddr::new(address, port)).await {
                Ok(stream) if is_tls => {
                    let connector = TlsConnector::from(Arc::new(self.tls()));
                    let stream = connector.connect(name, stream).await;
                    return Ok(Box::new(stream.map_err(|error| from_connection(&error, true))?));
                }
                Ok(stream) => return Ok(Box::new(stream)),
                Err(error) => failure = error,
            }
        }
        Err(from_connection(&failure, false))
    }
}
