//! The provider's edge from outside, without the roles behind it.

mod edge;
mod operations;
mod schema;
