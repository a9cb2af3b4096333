//! The role `apis`, called as other roles call it, on both stores.

mod documents;
mod imports;
mod publishing;
mod role;
