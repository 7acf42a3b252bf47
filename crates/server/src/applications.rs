//! Applications: what the switch asks them, in the background, and brings back into the run loop.

use api::Webhooks;
use switch::webhook::Ask;
use tokio::runtime::Handle;

use crate::run_loop::{Inbox, Input};

/// Asks applications. How many at once is bounded there, how many calls there are bounds how many ask.
pub(crate) struct Applications {
    webhooks: Webhooks,
    runtime: Handle,
    inbox: Inbox,
}

impl Applications {
    pub(crate) fn new(webhooks: Webhooks, runtime: Handle, inbox: Inbox) -> Self {
        Self { webhooks, runtime, inbox }
    }

    /// Answered by [`switch::Event::Asked`], exactly once.
    pub(crate) fn ask(&self, ask: Ask) {
        let (webhooks, inbox) = (self.webhooks.clone(), self.inbox.clone());
        self.runtime.spawn(async move {
            let asked = webhooks.ask(ask).await;
            inbox.send(Input::Event(asked)).await;
        });
    }
}
