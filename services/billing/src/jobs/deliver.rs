//! Delivers what is left in the outbox: keys of subscriptions whose call was interrupted or refused.

use database::delivery;
use database::outbox::Event;
use tokio_util::sync::CancellationToken;

use crate::{State, service};

pub(crate) async fn run(state: &State, stop: &CancellationToken) {
    let attempt = |event: Event| async move {
        // Its failure is logged and noted there.
        let _ = service::keys::attempt(state, &event).await;
    };
    delivery::run(&state.database, &state.clock, stop, attempt).await;
}
