//! The role `portal`, called as other roles call it and over HTTP, on both stores.

mod developers;
mod edge;
mod peers;
mod role;
