//! Change streams: how gateways follow what `apis` and `metering` publish.
//!
//! A stream holds the newest state of each object under a revision that grows with every change. A follower that reads
//! everything after the revision it holds, in order, ends with the owner's state and misses nothing.

use common::id::GatewayId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// The state of one object after a change. A state that cannot be read is the fault of this change alone: the others of
/// the same answer are read.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Change<T> {
    /// Revision of the owner's state that this change made.
    pub revision: u64,
    /// Kind and id of the object, unique in its stream, for example `usage_plan/upl_…`.
    pub key: String,
    /// The new state; absent when the object is gone, or cannot be read.
    pub state: Option<T>,
    /// Why the state cannot be read. A follower then denies the object, as if it were gone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fault: Option<String>,
}

impl<T> Change<T> {
    /// A change to this state.
    pub const fn new(revision: u64, key: String, state: Option<T>) -> Self {
        Self { revision, key, state, fault: None }
    }

    /// A change to a state that cannot be read.
    pub const fn unreadable(revision: u64, key: String, fault: String) -> Self {
        Self { revision, key, state: None, fault: Some(fault) }
    }
}

impl<T: DeserializeOwned> Change<T> {
    /// A change to the state in a JSON text.
    pub fn read(revision: u64, key: String, state: Option<&str>) -> Self {
        match state.map(serde_json::from_str).transpose() {
            Ok(state) => Self::new(revision, key, state),
            Err(error) => Self::unreadable(revision, key, error.to_string()),
        }
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Change<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Raw<'r> {
            revision: u64,
            key: String,
            #[serde(borrow)]
            state: Option<&'r RawValue>,
            fault: Option<String>,
        }
        let Raw { revision, key, state, fault } = Raw::deserialize(deserializer)?;
        Ok(match fault {
            Some(fault) => Self::unreadable(revision, key, fault),
            None => Self::read(revision, key, state.map(RawValue::get)),
        })
    }
}

/// Changes in the order of their revisions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(bound(deserialize = "T: DeserializeOwned"))]
pub struct Changes<T> {
    /// The changes after the revision that was asked for.
    pub changes: Vec<Change<T>>,
    /// Ask after this revision next. Below the one that was asked after, the owner went back (it was restored from a backup):
    /// there are no changes here, and its state has to be read anew from revision 0.
    pub revision: u64,
    /// Whether more changes are ready now.
    pub more: bool,
}

/// Where a follower stands; part of every request for changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Follow {
    /// The gateway that follows.
    pub gateway: GatewayId,
    /// The revision it has applied: it enforces this one. 0 while it reads a state anew.
    pub applied: u64,
    /// Answer changes after this revision instead of `applied`: how far a follower that reads the state anew has come.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<u64>,
    /// Most milliseconds to wait for a change when there is none: at most 5,000.
    pub wait_ms: u32,
}

impl Follow {
    /// The revision after which changes are asked for.
    pub fn after(&self) -> u64 {
        self.after.unwrap_or(self.applied)
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_that_cannot_be_read_spoils_no_other() {
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        let text = format!(
            r#"{{"changes":[{{"revision":1,"key":"a","state":1}},{{"revision":2,"key":"b","state":{deep}}},
            {{"revision":3,"key":"c","state":"no number"}},{{"revision":4,"key":"d","state":null}},
            {{"revision":5,"key":"e","state":5}}],"revision":5,"more":false}}"#
        );
        let read: Changes<u8> = serde_json::from_str(&text).unwrap();
        let states: Vec<_> = read.changes.iter().map(|it| (it.state, it.fault.is_some())).collect();
        assert_eq!(states, [(Some(1), false), (None, true), (None, true), (None, false), (Some(5), false)]);
        let again: Changes<u8> = serde_json::from_str(&serde_json::to_string(&read).unwrap()).unwrap();
        assert_eq!(again, read);
    }
}
