//! The use cases: one function per call.

pub(crate) mod apps;
pub(crate) mod developers;
pub(crate) mod mails;
pub(crate) mod sessions;
