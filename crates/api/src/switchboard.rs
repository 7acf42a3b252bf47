//! The way to the switch: one command, one answer.

use std::future::Future;
use std::pin::Pin;

use switch::{Answer, Command, Refusal};

/// Carries commands to whoever runs the switch.
pub trait Switchboard: Send + Sync + 'static {
    /// Hands the command over and waits until what it changed has been saved.
    fn send(&self, command: Command) -> impl Future<Output = Result<Answer, Refusal>> + Send;
}

/// A [`Switchboard`] of whatever type, so that handlers need not name it.
pub(crate) trait AnySwitchboard: Send + Sync {
    fn send(&self, command: Command) -> Pin<Box<dyn Future<Output = Result<Answer, Refusal>> + Send + '_>>;
}

impl<S: Switchboard> AnySwitchboard for S {
    fn send(&self, command: Command) -> Pin<Box<dyn Future<Output = Result<Answer, Refusal>> + Send + '_>> {
        Box::pin(Switchboard::send(self, command))
    }
}
