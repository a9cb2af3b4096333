//! A document as a tree in which every value knows its line, whatever it was written in.

use std::rc::Rc;

use indexmap::IndexMap;
use serde_json::{Number, Value};

use super::ImportError;
use crate::model::validate::escape;

/// The deepest nesting read.
pub(super) const MAX_DEPTH: usize = 100;
/// What a value counts for beside its texts, in bytes, when it is copied.
const VALUE_BYTES: usize = 64;
/// The most bytes of a pointer or a reason that is told.
const MAX_TOLD: usize = 2_048;

/// A value and where it begins, counted from 1.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Node {
    pub(super) line: u32,
    pub(super) column: u32,
    pub(super) kind: Kind,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Null,
    Bool(bool),
    Number(Number),
    Text(String),
    List(Vec<Node>),
    Map(IndexMap<String, Node>),
}

impl Node {
    pub(super) fn get(&self, key: &str) -> Option<&Self> {
        match &self.kind {
            Kind::Map(map) => map.get(key),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Follows a JSON pointer (RFC 6901).
    pub(super) fn pointer(&self, pointer: &str) -> Option<&Self> {
        let mut node = self;
        for token in pointer.split('/').skip(1) {
            let token = token.replace("~1", "/").replace("~0", "~");
            node = match &node.kind {
                Kind::Map(map) => map.get(&token)?,
                Kind::List(list) => list.get(token.parse::<usize>().ok()?)?,
                _ => return None,
            };
        }
        Some(node)
    }

    /// What is left of so many bytes after a copy of the node; `None` when it does not fit.
    pub(super) fn take_from(&self, left: usize) -> Option<usize> {
        let left = left.checked_sub(VALUE_BYTES)?;
        match &self.kind {
            Kind::Text(text) => left.checked_sub(text.len()),
            Kind::List(list) => list.iter().try_fold(left, |left, item| item.take_from(left)),
            Kind::Map(map) => {
                map.iter().try_fold(left, |left, (key, node)| node.take_from(left.checked_sub(key.len())?))
            }
            _ => Some(left),
        }
    }

    /// The value without its places.
    pub(super) fn to_value(&self) -> Value {
        match &self.kind {
            Kind::Null => Value::Null,
            Kind::Bool(value) => Value::Bool(*value),
            Kind::Number(value) => Value::Number(value.clone()),
            Kind::Text(text) => Value::String(text.clone()),
            Kind::List(list) => list.iter().map(Self::to_value).collect(),
            Kind::Map(map) => {
                Value::Object(map.iter().map(|(key, node)| (key.clone(), node.to_value())).collect())
            }
        }
    }

    pub(super) fn what(&self) -> &'static str {
        match self.kind {
            Kind::Null => "null",
            Kind::Bool(_) => "a boolean",
            Kind::Number(_) => "a number",
            Kind::Text(_) => "a text",
            Kind::List(_) => "a list",
            Kind::Map(_) => "an object",
        }
    }
}

/// Where a node is. Made into a JSON pointer only for who is told: many values share a long way.
#[derive(Clone, Debug)]
pub(super) struct Place<'a>(Rc<Step<'a>>);

#[derive(Debug)]
enum Step<'a> {
    Pointer(String),
    Key(Place<'a>, &'a str),
    Index(Place<'a>, usize),
}

impl<'a> Place<'a> {
    /// The place a JSON pointer leads to.
    pub(super) fn of(pointer: String) -> Self {
        Self(Rc::new(Step::Pointer(pointer)))
    }

    pub(super) fn key(&self, key: &'a str) -> Self {
        Self(Rc::new(Step::Key(self.clone(), key)))
    }

    pub(super) fn index(&self, index: usize) -> Self {
        Self(Rc::new(Step::Index(self.clone(), index)))
    }

    /// As a JSON pointer.
    pub(super) fn pointer(&self) -> String {
        match &*self.0 {
            Step::Pointer(pointer) => pointer.clone(),
            Step::Key(parent, key) => parent.pointer() + "/" + &escape(key),
            Step::Index(parent, index) => format!("{}/{index}", parent.pointer()),
        }
    }
}

/// What is told of a long text.
pub(super) fn told(mut text: String) -> String {
    if text.len() > MAX_TOLD {
        text.truncate(text.floor_char_boundary(MAX_TOLD));
        text.push('…');
    }
    text
}

/// A node and its place.
#[derive(Clone, Debug)]
pub(super) struct At<'a> {
    pub(super) node: &'a Node,
    pub(super) place: Place<'a>,
}

impl<'a> At<'a> {
    pub(super) fn get(&self, key: &str) -> Option<Self> {
        let Kind::Map(map) = &self.node.kind else { return None };
        let (key, node) = map.get_key_value(key)?;
        // An explicit null says the same as nothing.
        (node.kind != Kind::Null).then(|| Self { node, place: self.place.key(key) })
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.node.get(key).is_some()
    }

    /// The entries of an object.
    pub(super) fn entries(&self) -> Result<Vec<(&'a str, Self)>, ImportError> {
        let Kind::Map(map) = &self.node.kind else { return Err(self.unexpected("an object")) };
        let entry =
            |(key, node): (&'a String, &'a Node)| (key.as_str(), Self { node, place: self.place.key(key) });
        Ok(map.iter().map(entry).collect())
    }

    /// The entries of an object under a key; none when it is absent.
    pub(super) fn entries_of(&self, key: &str) -> Result<Vec<(&'a str, Self)>, ImportError> {
        self.get(key).map_or_else(|| Ok(Vec::new()), |at| at.entries())
    }

    /// The items of a list under a key; none when it is absent.
    pub(super) fn items_of(&self, key: &str) -> Result<Vec<Self>, ImportError> {
        let Some(at) = self.get(key) else { return Ok(Vec::new()) };
        let Kind::List(list) = &at.node.kind else { return Err(at.unexpected("a list")) };
        let item = |(index, node)| Self { node, place: at.place.index(index) };
        Ok(list.iter().enumerate().map(item).collect())
    }

    /// A text; numbers and booleans count as what is written.
    pub(super) fn text(&self) -> Result<String, ImportError> {
        match &self.node.kind {
            Kind::Text(text) => Ok(text.clone()),
            Kind::Number(number) => Ok(number.to_string()),
            Kind::Bool(value) => Ok(value.to_string()),
            _ => Err(self.unexpected("a text")),
        }
    }

    /// The text under a key.
    pub(super) fn text_of(&self, key: &str) -> Result<Option<String>, ImportError> {
        self.get(key).map(|at| at.text()).transpose()
    }

    /// The texts of a list under a key.
    pub(super) fn texts_of(&self, key: &str) -> Result<Vec<String>, ImportError> {
        self.items_of(key)?.iter().map(Self::text).collect()
    }

    /// The boolean under a key, also written as a text.
    pub(super) fn bool_of(&self, key: &str) -> Result<Option<bool>, ImportError> {
        let Some(at) = self.get(key) else { return Ok(None) };
        match &at.node.kind {
            Kind::Bool(value) => Ok(Some(*value)),
            Kind::Text(text) if text == "true" => Ok(Some(true)),
            Kind::Text(text) if text == "false" => Ok(Some(false)),
            _ => Err(at.unexpected("a boolean")),
        }
    }

    /// The number under a key, also written as a text.
    pub(super) fn u32_of(&self, key: &str) -> Result<Option<u32>, ImportError> {
        let Some(at) = self.get(key) else { return Ok(None) };
        let number = match &at.node.kind {
            Kind::Number(number) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
            Kind::Text(text) => text.parse().ok(),
            _ => None,
        };
        number.map(Some).ok_or_else(|| at.unexpected("a whole number"))
    }

    pub(super) fn unexpected(&self, wanted: &str) -> ImportError {
        self.error(format!("expected {wanted}, found {}", self.node.what()))
    }

    pub(super) fn error(&self, reason: impl Into<String>) -> ImportError {
        ImportError {
            line: Some(self.node.line),
            column: Some(self.node.column),
            path: told(self.place.pointer()),
            reason: told(reason.into()),
            option: None,
        }
    }
}
