//! Taking connections, whatever is spoken on them: bounded in number, each attended by a task of its own, and all of them
//! waited for at the end.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

/// Has each connection of `listener` attended, at most so many at once, until `shutdown`; then waits until the last one
/// has ended. What `attend` is given beside the connection closes when nothing more is to be begun.
pub(crate) async fn accept<A>(
    listener: TcpListener,
    connections_max: usize,
    shutdown: impl Future<Output = ()>,
    attend: impl Fn(TcpStream, watch::Receiver<()>) -> A,
) where
    A: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(connections_max));
    let (stop, stopping) = watch::channel(());
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        // A place first: without one the client waits in the listener's backlog.
        let accepted = async {
            let place = places.clone().acquire_owned().await.expect("nobody closes the semaphore");
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            accepted = accepted => accepted,
            () = &mut shutdown => break,
        };
        match accepted {
            Ok((stream, _)) => {
                let attended = attend(stream, stopping.clone());
                tokio::spawn(async move {
                    attended.await;
                    drop(place);
                });
            }
            Err(reason) => {
                // The connection is gone, or there are no descriptors left: going on at once would spin.
                tracing::warn!(%reason, "no connection accepted");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    drop(stop);
    // Every place is free again when the last connection has ended.
    drop(places.acquire_many(u32::try_from(connections_max).unwrap_or(u32::MAX)).await);
}

/// After a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
