//! Delivers what is left in the outbox: mails that did not go out when they were ordered.

use database::delivery;
use database::outbox::Event;
use tokio_util::sync::CancellationToken;

use crate::{State, service};

pub(crate) async fn run(state: &State, stop: &CancellationToken) {
    let attempt = |event: Event| async move { service::mails::attempt(state, &event).await };
    delivery::run(&state.database, &state.clock, stop, attempt).await;
}
