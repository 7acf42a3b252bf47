//! One HTTP connection that is kept: for those who ask so often that connecting would be most of what they measure.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};

use crate::rest::{Rest, encode_form};

/// A connection to a bridge's API. It waits for each answer before it asks again.
#[derive(Debug)]
pub struct KeptAlive {
    stream: BufReader<TcpStream>,
    head: String,
}

impl KeptAlive {
    /// Connects as the account of `rest`.
    ///
    /// # Panics
    /// When nobody listens.
    pub fn connect(rest: &Rest) -> Self {
        let address: SocketAddr = rest.base_url().trim_start_matches("http://").parse().expect("an address");
        let stream = TcpStream::connect(address).expect("the bridge listens");
        stream.set_nodelay(true).expect("a socket");
        let head = format!("Host: {address}\r\n{}Accept: application/json\r\n", rest.authorization());
        Self { stream: BufReader::new(stream), head }
    }

    /// POSTs a form; the status and the body.
    ///
    /// # Panics
    /// When the connection ends, or what comes is no answer with a length.
    pub fn post(&mut self, path: &str, form: &[(&str, &str)]) -> (u16, String) {
        let form = encode_form(form);
        self.ask("POST", path, &form)
    }

    /// GETs; the status and the body.
    ///
    /// # Panics
    /// As [`KeptAlive::post`].
    pub fn get(&mut self, path: &str) -> (u16, String) {
        self.ask("GET", path, "")
    }

    fn ask(&mut self, method: &str, path: &str, form: &str) -> (u16, String) {
        let content = match method {
            "POST" => {
                format!("Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n", form.len())
            }
            _ => String::new(),
        };
        let request = format!("{method} {path} HTTP/1.1\r\n{}{content}\r\n{form}", self.head);
        self.stream.get_mut().write_all(request.as_bytes()).expect("the bridge reads");
        let (mut status, mut length) = (String::new(), 0);
        self.stream.read_line(&mut status).expect("an answer");
        loop {
            let mut line = String::new();
            self.stream.read_line(&mut line).expect("a header");
            match line.trim_end().split_once(':') {
                None => break,
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    length = value.trim().parse().expect("a number");
                }
                Some(_) => {}
            }
        }
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body).expect("a body");
        let status = status.split(' ').nth(1).and_then(|status| status.parse().ok());
        (status.expect("a status"), String::from_utf8_lossy(&body).into_owned())
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn answers_follow_each_other_on_one_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port on loopback");
        let address = listener.local_addr().expect("a bound listener has an address");
        let server = std::thread::spawn(move || {
            let (stream, _) = listener.accept().expect("a client");
            let mut stream = BufReader::new(stream);
            let mut asked = Vec::new();
            for (status, body) in [("200 OK", "{}"), ("404 Not Found", "[1]")] {
                let (mut first, mut length) = (String::new(), 0);
                stream.read_line(&mut first).expect("a request");
                loop {
                    let mut line = String::new();
                    stream.read_line(&mut line).expect("a header");
                    if let Some(value) = line.strip_prefix("Content-Length: ") {
                        length = value.trim().parse().expect("a number");
                    }
                    if line == "\r\n" {
                        break;
                    }
                }
                let mut form = vec![0; length];
                stream.read_exact(&mut form).expect("a body");
                asked.push((first.trim_end().to_owned(), String::from_utf8(form).expect("text")));
                let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                stream.get_mut().write_all(answer.as_bytes()).expect("the client reads");
            }
            asked
        });
        let mut client = KeptAlive::connect(&Rest::new(address, "user", "password"));
        assert_eq!(client.post("/a", &[("Url", "a b")]), (200, "{}".to_owned()));
        assert_eq!(client.get("/b"), (404, "[1]".to_owned()));
        let asked = server.join().expect("it served");
        assert_eq!(
            asked,
            [("POST /a HTTP/1.1".to_owned(), "Url=a%20b".to_owned()), ("GET /b HTTP/1.1".to_owned(), String::new())]
        );
    }
}
