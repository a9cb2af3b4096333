//! Change streams: how gateways follow what `apis` and `metering` publish.
//!
//! A stream holds the newest state of each object under a revision that grows with every change. A follower that reads
//! everything after the revision it holds, in order, ends with the owner's state and misses nothing.

use common::id::GatewayId;
use serde::{Deserialize, Serialize};

/// The state of one object after a change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Change<T> {
    /// Revision of the owner's state that this change made.
    pub revision: u64,
    /// Kind and id of the object, unique in its stream, for example `usage_plan/upl_…`.
    pub key: String,
    /// The new state; absent when the object is gone.
    pub state: Option<T>,
}

/// Changes in the order of their revisions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Changes<T> {
    /// The changes after the revision that was asked for.
    pub changes: Vec<Change<T>>,
    /// Ask after this revision next.
    pub revision: u64,
    /// Whether more changes are ready now.
    pub more: bool,
}

/// Where a follower stands; part of every request for changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follow {
    /// The gateway that follows.
    pub gateway: GatewayId,
    /// The revision it has applied: it enforces this one.
    pub applied: u64,
    /// Most milliseconds to wait for a change when there is none: at most 5,000.
    pub wait_ms: u32,
}

/// Whether a change is in force on the live gateways.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Liveness {
    /// Every live gateway enforces it.
    Live,
    /// It is stored; some gateway had not yet reported it when the wait ended.
    Pending,
}
