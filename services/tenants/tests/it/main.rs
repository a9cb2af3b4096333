//! The role `tenants`, called as other roles call it, on both stores.

mod credentials;
mod role;
mod sign_in;
