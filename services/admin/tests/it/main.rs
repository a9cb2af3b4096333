//! The provider's edge from outside.

mod schema;
