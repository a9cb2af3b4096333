//! App developers: the catalogue, their apps and subscriptions.

pub mod web;
