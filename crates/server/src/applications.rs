//! Applications: what the switch asks and tells them, in the background, and what comes of it, back into the run loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use api::webhook::{Outbox, OutboxConfig, Webhooks};
use model::Exchange;
use sound::{Genre, without_secrets};
use store::Store;
use switch::Event;
use switch::routing::Assignment;
use switch::webhook::{Answered, Ask};
use tokio::runtime::Handle;

use crate::run_loop::{Inbox, Input};

/// Asks and tells applications. How many at once is bounded there, how many calls there are bounds how many ask.
pub(crate) struct Applications {
    pub(crate) outbox: Arc<Outbox>,
    webhooks: Webhooks,
    /// Asks whose answer is not in the inbox yet.
    asks: Arc<AtomicUsize>,
    runtime: Handle,
    inbox: Inbox,
}

impl Applications {
    /// To be called on the runtime. Callbacks that were open when the last process ended are sent from now on.
    pub(crate) fn new(config: OutboxConfig, webhooks: Webhooks, store: Store, inbox: Inbox) -> Self {
        let into = inbox.clone();
        let outbox = Outbox::start(config, webhooks.clone(), store, move |closed| {
            let inbox = into.clone();
            async move {
                // False: the loop has ended. The row stays open, and is sent again after the start.
                inbox.send(Input::Event(Event::CallbackClosed(Box::new(closed)))).await;
            }
        });
        Self { outbox: Arc::new(outbox), webhooks, asks: Arc::default(), runtime: Handle::current(), inbox }
    }

    /// Answered by [`Event::Asked`], exactly once. Music at a well-known address is made here, so nobody is asked for it.
    pub(crate) fn ask(&self, ask: Ask) {
        let (webhooks, inbox) = (self.webhooks.clone(), self.inbox.clone());
        self.asks.fetch_add(1, Ordering::Relaxed);
        let under_way = UnderWay(Arc::clone(&self.asks));
        self.runtime.spawn(async move {
            let asked = match Genre::at(&ask.url) {
                Some(_) => music(ask),
                None => webhooks.ask(ask).await,
            };
            inbox.send(Input::Event(asked)).await;
            drop(under_way);
        });
    }

    /// Answered by [`Event::Assigned`], exactly once.
    pub(crate) fn assign(&self, assignment: Assignment) {
        let (webhooks, inbox) = (self.webhooks.clone(), self.inbox.clone());
        self.asks.fetch_add(1, Ordering::Relaxed);
        let under_way = UnderWay(Arc::clone(&self.asks));
        self.runtime.spawn(async move {
            let assigned = webhooks.assign(assignment).await;
            inbox.send(Input::Event(assigned)).await;
            drop(under_way);
        });
    }

    /// Nothing is being asked or told: what comes of it is in the inbox.
    pub(crate) fn is_quiet(&self) -> bool {
        self.asks.load(Ordering::Acquire) == 0 && self.outbox.is_quiet()
    }
}

/// Counts an ask until it is dropped, in whatever way its task ends.
struct UnderWay(Arc<AtomicUsize>);

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Release);
    }
}

/// The answer that the address itself would be: a sound that is played from there.
fn music(ask: Ask) -> Event {
    let exchange = Exchange {
        method: ask.method,
        url: without_secrets(&ask.url),
        parameters: String::new(),
        status: None,
        headers: String::new(),
        content_type: String::new(),
        body: String::new(),
        duration: Duration::ZERO,
    };
    let outcome = Ok(Answered::Audio { url: ask.url, file: None });
    Event::Asked { ask: ask.ask, outcome, remarks: Vec::new(), exchange: Arc::new(exchange) }
}

#[cfg(test)]
mod tests {
    use api::webhook::WebhookConfig;
    use crossbeam_channel::Receiver;
    use model::{Account, AccountSid, AccountStatus, Call, CallSid, CallStatus, Direction, HttpMethod, Timestamp};
    use store::Writer;
    use switch::webhook::{AskId, CallFacts, Purpose};
    use tempfile::TempDir;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use web::{Web, WebConfig};

    use super::*;

    const ACCOUNT: AccountSid = AccountSid::from_bits(1);
    const NOW: Timestamp = Timestamp::from_micros(1_770_714_487_000_000);

    async fn applications() -> (TempDir, Applications, Receiver<Input>) {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(&folder.path().join("partyline.db")).await.expect("opens");
        let account = Account {
            sid: ACCOUNT,
            owner_account_sid: ACCOUNT,
            friendly_name: String::new(),
            auth_token: "token".to_owned(),
            status: AccountStatus::Active,
            created: NOW,
            updated: NOW,
        };
        store.save_account(&account).await.expect("writes");
        let writer = Arc::new(Writer::start(store.clone(), 16));
        let web = WebConfig { allow: vec!["127.0.0.1".parse().expect("a rule")], ..WebConfig::default() };
        let web = Web::new(&web).expect("a way out");
        let webhooks = Webhooks::new(WebhookConfig::default(), web, store.clone(), writer, || NOW, 7);
        let (inbox, inputs) = Inbox::new();
        (folder, Applications::new(OutboxConfig::default(), webhooks, store, inbox), inputs)
    }

    fn ask(url: &str) -> Ask {
        let call = Call {
            sid: CallSid::from_bits(1),
            account_sid: ACCOUNT,
            parent_call_sid: None,
            to: String::new(),
            from: String::new(),
            caller_name: None,
            status: CallStatus::InProgress,
            direction: Direction::Inbound,
            created: NOW,
            updated: NOW,
            started: None,
            answered: None,
            ended: None,
            answered_by: None,
            forwarded_from: None,
            phone_number_sid: None,
            seq: 1,
        };
        let (ask, call, method) = (AskId(3), Box::new(CallFacts::of(call)), HttpMethod::Post);
        Ask {
            ask,
            account: ACCOUNT,
            url: url.to_owned(),
            method,
            call,
            purpose: Purpose::Voice,
            error: None,
            after: None,
        }
    }

    /// What was answered, once there is nothing under way.
    async fn answered(applications: &Applications, inputs: &Receiver<Input>) -> Answered {
        while !applications.is_quiet() {
            tokio::task::yield_now().await;
        }
        match inputs.try_recv() {
            Ok(Input::Event(Event::Asked { ask: AskId(3), outcome, .. })) => outcome.expect("an answer"),
            _ => panic!("it is there as soon as it is quiet"),
        }
    }

    #[tokio::test]
    async fn nothing_is_quiet_while_an_application_is_asked() {
        let (_folder, applications, inputs) = applications().await;
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        applications.ask(ask(&format!("http://{}/", listener.local_addr().expect("bound"))));
        let (mut stream, _) = listener.accept().await.expect("a connection");
        assert!(stream.read(&mut [0; 16_384]).await.expect("a request") > 0);
        assert!(!applications.is_quiet() && inputs.is_empty());
        let answer = b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nContent-Length: 11\r\n\r\n<Response/>";
        stream.write_all(answer).await.expect("written");
        let answered = answered(&applications, &inputs).await;
        assert!(matches!(answered, Answered::Document { bytes, .. } if bytes == "<Response/>"));
    }

    #[tokio::test]
    async fn music_at_a_well_known_address_is_no_document() {
        let (_folder, applications, inputs) = applications().await;
        for address in [
            "http://twimlets.com/holdmusic?Bucket=com.twilio.music.ambient",
            "http://com.twilio.music.soft-rock.s3.amazonaws.com/x.mp3",
            "https://s3-us-west-2.amazonaws.com/com.twilio.music.guitars/x.mp3",
        ] {
            applications.ask(ask(address));
            let answered = answered(&applications, &inputs).await;
            assert!(matches!(&answered, Answered::Audio { url, file: None } if url == address), "{answered:?}");
            let asks = applications.webhooks.metrics().into_iter().find(|metric| metric.name == "partyline_asks_total");
            assert!(asks.is_some_and(|asks| matches!(asks.reading, api::Reading::Counter(0.0))), "{address}");
        }
    }
}
