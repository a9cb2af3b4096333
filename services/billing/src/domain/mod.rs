//! Rules of what is sold. Pure.

pub(crate) mod prices;
pub(crate) mod subscriptions;
