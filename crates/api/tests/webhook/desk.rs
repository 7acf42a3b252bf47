//! A desk to ask and tell from: webhooks over a real store, and an application that does as it is told.

use std::future::Future;
use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use api::webhook::{WebhookConfig, Webhooks};
use model::{
    Account, AccountSid, AccountStatus, Call, CallSid, CallStatus, Direction, Exchange, HttpMethod, Timestamp,
};
use store::{Store, Writer};
use switch::Event;
use switch::webhook::{Answered, Ask, AskFailed, AskId, CallFacts, Purpose, Remark};
use tempfile::TempDir;
use testkit::application::Application;
use web::{Names, Web, WebConfig};

pub(crate) const ACCOUNT: AccountSid = AccountSid::from_bits(0xACC);
pub(crate) const TOKEN: &str = "secret token";
/// 2026-02-10T09:08:07Z
pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_770_714_487_000_000);

pub(crate) struct Desk {
    pub(crate) webhooks: Webhooks,
    pub(crate) store: Store,
    pub(crate) writer: Arc<Writer>,
    pub(crate) application: Application,
    _scratch: TempDir,
}

/// What came of an ask.
pub(crate) struct Asked {
    pub(crate) outcome: Result<Answered, AskFailed>,
    pub(crate) remarks: Vec<Remark>,
    pub(crate) exchange: Arc<Exchange>,
}

impl Desk {
    pub(crate) async fn new() -> Self {
        Self::with(WebhookConfig::default(), Web::new(&loopback()).expect("a way out")).await
    }

    pub(crate) async fn with(config: WebhookConfig, web: Web) -> Self {
        let scratch = tempfile::tempdir().expect("a scratch directory");
        let store = Store::open(&scratch.path().join("partyline.db")).await.expect("opens");
        store.save_account(&account()).await.expect("writes");
        let writer = Arc::new(Writer::start(store.clone(), 1_024));
        let webhooks = Webhooks::new(config, web, store.clone(), Arc::clone(&writer), || NOW, 7);
        Self { webhooks, store, writer, application: Application::start(), _scratch: scratch }
    }

    pub(crate) async fn ask(&self, method: HttpMethod, url: &str) -> Asked {
        self.ask_for(ask(method, url)).await
    }

    pub(crate) async fn ask_for(&self, ask: Ask) -> Asked {
        let id = ask.ask;
        match self.webhooks.ask(ask).await {
            Event::Asked { ask, outcome, remarks, exchange } if ask == id => Asked { outcome, remarks, exchange },
            other => panic!("{other:?}"),
        }
    }
}

impl Asked {
    /// The document, or the code of the failure.
    pub(crate) fn text(&self) -> Result<String, u16> {
        match &self.outcome {
            Ok(Answered::Document { bytes, .. }) => Ok(String::from_utf8_lossy(bytes).into_owned()),
            Ok(Answered::Text { text, .. }) => Ok(format!("text: {text}")),
            Ok(Answered::Audio { url, file }) => {
                let bytes = file.as_ref().map(|file| (file.bytes.len(), file.content_type.as_str()));
                Ok(format!("audio: {} {bytes:?}", url.rsplit('/').next().unwrap_or_default()))
            }
            Ok(Answered::Empty { .. }) => Ok("empty".to_owned()),
            Err(failed) => Err(failed.code),
        }
    }
}

/// Loopback may be asked; nothing else that is not public.
pub(crate) fn loopback() -> WebConfig {
    WebConfig { allow: vec!["127.0.0.1".parse().expect("a rule")], ..WebConfig::default() }
}

pub(crate) fn ask(method: HttpMethod, url: &str) -> Ask {
    let call = Box::new(CallFacts::of(call(1)));
    Ask {
        ask: AskId(1),
        account: ACCOUNT,
        url: url.to_owned(),
        method,
        call,
        purpose: Purpose::Voice,
        error: None,
        after: None,
    }
}

pub(crate) fn call(number: u128) -> Call {
    Call {
        sid: CallSid::from_bits(number),
        account_sid: ACCOUNT,
        parent_call_sid: None,
        to: "+15005550001".to_owned(),
        from: "+442079460000".to_owned(),
        caller_name: None,
        phone_number_sid: None,
        forwarded_from: None,
        answered_by: None,
        status: CallStatus::Ringing,
        direction: Direction::Inbound,
        created: NOW,
        updated: NOW,
        started: Some(NOW),
        answered: None,
        ended: None,
        seq: 1,
    }
}

fn account() -> Account {
    Account {
        sid: ACCOUNT,
        owner_account_sid: ACCOUNT,
        friendly_name: "test".to_owned(),
        auth_token: TOKEN.to_owned(),
        status: AccountStatus::Active,
        created: NOW,
        updated: NOW,
    }
}

/// A whole answer with that status line and body, and `more` headers.
pub(crate) fn answer(status: &str, more: &str, body: &str) -> String {
    format!("HTTP/1.1 {status}\r\n{more}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len())
}

pub(crate) fn xml(body: &str) -> String {
    answer("200 OK", "Content-Type: text/xml\r\n", body)
}

/// Names that lead where a test says: one answer a lookup, the last one for ever.
pub(crate) struct Table(pub(crate) Mutex<Vec<IpAddr>>);

impl Names for Table {
    fn lookup(&self, _host: String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
        let mut answers = self.0.lock().expect("no panic inside");
        let answer = if answers.len() > 1 { answers.remove(0) } else { answers[0] };
        Box::pin(async move { Ok(vec![answer]) })
    }
}
