//! `Events`: the log of an account from a place on, and then what happens, as a stream.

use std::pin::Pin;
use std::sync::Arc;

use futures_util::{Stream, stream};
use tokio::time::{Instant, timeout_at};
use tonic::{Request, Response, Status};

use super::deadline::{Deadline, exceeded};
use super::enter;
use super::proto::events_server::Events;
use super::proto::{Event, WatchRequest};
use crate::api::Api;
use crate::auth::Standing;
use crate::feed::{Filter, Subscription};
use crate::problem::Problem;

pub(super) struct Watching {
    pub(super) api: Arc<Api>,
}

#[tonic::async_trait]
impl Events for Watching {
    type WatchStream = Pin<Box<dyn Stream<Item = Result<Event, Status>> + Send>>;

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let (metadata, extensions, wanted) = request.into_parts();
        let caller = enter(&self.api, &metadata, &wanted.account_sid).await?;
        let deadline = Deadline::of(&extensions);
        let after = wanted.after_seq;
        if after.is_some_and(|after| after < 0) {
            return Err(Problem::Parameter { name: "after_seq", expected: "a number from 0 on" }.into());
        }
        let filter = filter(wanted)?;
        let events = self.api.feeds.subscribe(&self.api.store, caller.sid(), after, filter).await;
        let standing = Standing::of(&self.api, &metadata.into_headers(), caller.sid());
        let events = events.map_err(Problem::from)?.by(standing);
        let account = caller.sid();
        let watched = stream::unfold(Some(events), move |events| async move {
            let mut events: Subscription = events?;
            let next = match deadline {
                Some(deadline) => next_by(&mut events, deadline).await,
                None => events.next().await.map_err(|ended| Problem::from(ended).into()),
            };
            let goes_on = next.is_ok().then_some(events);
            Some((next.map(|event| Event::of(account, &event)), goes_on))
        });
        Ok(Response::new(Box::pin(watched)))
    }
}

async fn next_by(events: &mut Subscription, deadline: Instant) -> Result<Arc<store::LoggedEvent>, Status> {
    let next = timeout_at(deadline, events.next()).await.map_err(|_| exceeded())?;
    next.map_err(|ended| Problem::from(ended).into())
}

fn filter(wanted: WatchRequest) -> Result<Filter, Problem> {
    if wanted.types.len() > TYPES_MAX {
        return Err(Problem::Parameter { name: "types", expected: "at most 64 names" });
    }
    fn sid<T: std::str::FromStr>(name: &'static str, text: &str) -> Result<Option<T>, Problem> {
        let text = Some(text).filter(|text| !text.is_empty());
        text.map(|text| text.parse().map_err(|_| Problem::SidMalformed { name })).transpose()
    }
    Ok(Filter {
        types: wanted.types,
        conference: sid("conference_sid", &wanted.conference_sid)?,
        call: sid("call_sid", &wanted.call_sid)?,
        queue: sid("queue_sid", &wanted.queue_sid)?,
    })
}

/// Types that one may ask for: there are fewer.
const TYPES_MAX: usize = 64;
