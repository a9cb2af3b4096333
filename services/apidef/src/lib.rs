//! An API as a document: its model, its paths compiled for matching, OpenAPI in and out, what a method calls.
//!
//! Pure: values in, values out. It knows no store, no clock, no network and nobody's secrets.

pub mod input;
pub mod integration;
pub mod matcher;
pub mod model;
pub mod openapi;
pub mod path;
pub mod resolve;
pub mod template;

pub use model::{Api, Edit, EditError, Problem, validate};

/// The most resources a document may have.
pub const MAX_RESOURCES: usize = 10_000;
