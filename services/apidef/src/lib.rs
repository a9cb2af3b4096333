//! An API as a document.

use serde::{Deserialize, Serialize};

/// The document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Api {}

/// One change of a document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Edit {}
