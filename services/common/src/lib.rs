//! Words every role shares: ids, money, time, errors, configuration, telemetry, secrets, mail, paging.
//!
//! Owns no business rule and knows no role, store or API.

pub mod attempts;
pub mod body;
pub mod clock;
pub mod config;
pub mod error;
pub mod id;
pub mod mail;
pub mod money;
pub mod net;
pub mod origin;
pub mod page;
pub mod password;
pub mod problem;
pub mod secret;
pub mod sign_in;
pub mod telemetry;
pub mod text;
pub mod vault;
pub mod web_app;

pub use clock::Clock;
pub use error::{Code, Error, FieldError, Result};
pub use page::{Page, PageArgs};
