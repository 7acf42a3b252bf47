//! Applications: what the switch asks and tells them, in the background, and what comes of it, back into the run loop.

use std::sync::Arc;

use api::webhook::{Outbox, OutboxConfig, Webhooks};
use store::Store;
use switch::Event;
use switch::webhook::Ask;
use tokio::runtime::Handle;

use crate::run_loop::{Inbox, Input};

/// Asks and tells applications. How many at once is bounded there, how many calls there are bounds how many ask.
pub(crate) struct Applications {
    pub(crate) outbox: Arc<Outbox>,
    webhooks: Webhooks,
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
        Self { outbox: Arc::new(outbox), webhooks, runtime: Handle::current(), inbox }
    }

    /// Answered by [`Event::Asked`], exactly once.
    pub(crate) fn ask(&self, ask: Ask) {
        let (webhooks, inbox) = (self.webhooks.clone(), self.inbox.clone());
        self.runtime.spawn(async move {
            let asked = webhooks.ask(ask).await;
            inbox.send(Input::Event(asked)).await;
        });
    }
}
