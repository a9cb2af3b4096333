//! Cursor paging, the same in every list.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// Which page of a list is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageArgs {
    /// Most items to answer: 1 to 100, 25 when absent.
    #[serde(default)]
    pub first: Option<u32>,
    /// The `next` of the page before; absent for the first page.
    #[serde(default)]
    pub after: Option<String>,
}

impl PageArgs {
    /// Page size when the caller names none.
    pub const DEFAULT: u32 = 25;
    /// Largest page.
    pub const MAX: u32 = 100;

    /// The page size in force.
    pub fn limit(&self) -> Result<u64> {
        match self.first {
            None => Ok(u64::from(Self::DEFAULT)),
            Some(first) if (1..=Self::MAX).contains(&first) => Ok(u64::from(first)),
            Some(_) => Err(Error::invalid("first", "must be between 1 and 100")),
        }
    }
}

/// One page, in the list's own order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Pass as `after` for the following page; absent on the last one.
    pub next: Option<String>,
}

impl<T> Page<T> {
    /// A page from a query that asked for one item more than `limit`; `cursor` names an item's place.
    pub fn from_overfetch(mut items: Vec<T>, limit: u64, cursor: impl Fn(&T) -> String) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        if items.len() <= limit {
            return Self { items, next: None };
        }
        items.truncate(limit);
        let next = items.last().map(cursor);
        Self { items, next }
    }

    /// The same page with every item converted.
    pub fn map<U>(self, convert: impl FnMut(T) -> U) -> Page<U> {
        Page { items: self.items.into_iter().map(convert).collect(), next: self.next }
    }
}
