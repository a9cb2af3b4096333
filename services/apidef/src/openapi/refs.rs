//! References: followed, kept (to models) or replaced by what they refer to.

use serde_json::{Map, Value};

use super::ImportError;
use super::import::{Importer, Version};
use super::node::{At, Kind, MAX_DEPTH, Node, Place};
use crate::path::decode;

/// How references to models are written in the document.
pub(super) const MODELS: &str = "#/components/schemas/";
const DEFINITIONS: &str = "#/definitions/";
/// The most bytes read again because something refers to them, the document's own bytes apart.
pub(super) const MAX_COPIED: usize = 32 << 20;

/// What a `$ref` refers to.
enum Target<'r> {
    /// A model, perhaps a part of it: the rest of the pointer.
    Model(&'r str),
    /// Another place in the document: a pointer.
    Here(String),
    /// Another document.
    Elsewhere,
}

impl<'a> Importer<'a> {
    /// The place a node refers to, or itself.
    pub(super) fn follow(&mut self, mut at: At<'a>) -> Result<At<'a>, ImportError> {
        for _ in 0..32 {
            let Some(reference) = at.get("$ref").filter(|reference| reference.node.text().is_some()) else {
                return Ok(at);
            };
            let text = reference.text()?;
            let Some(pointer) = text.strip_prefix('#') else {
                return Err(reference.error(format!("{text} is in another document, which is not read")));
            };
            let pointer = decode(pointer).into_owned();
            let node = self.root.node.pointer(&pointer);
            let node = node.ok_or_else(|| reference.error(format!("the reference {text} leads nowhere")))?;
            self.count_copy(node, &reference)?;
            at = At { node, place: Place::of(pointer) };
        }
        Err(at.error("references lead in a circle"))
    }

    /// Counts a node that `from` says again: a small document must not become a large one.
    pub(super) fn count_copy(&mut self, node: &Node, from: &At<'a>) -> Result<(), ImportError> {
        self.copies_left = node.take_from(self.copies_left).ok_or_else(|| {
            from.error(format!("what is referred to takes more than {} MB in all", MAX_COPIED >> 20))
        })?;
        Ok(())
    }

    /// A value with references to models in one form and other references replaced.
    pub(super) fn value(&mut self, at: &At<'a>) -> Result<Value, ImportError> {
        self.convert(at.node, &at.place)
    }

    fn convert(&mut self, node: &'a Node, place: &Place<'a>) -> Result<Value, ImportError> {
        // References replaced by what they refer to can nest deeper than the document; its stored form must stay readable.
        if self.depth > MAX_DEPTH {
            let at = At { node, place: place.clone() };
            return Err(at.error(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.depth += 1;
        let value = self.convert_fields(node, place);
        self.depth -= 1;
        value
    }

    fn convert_fields(&mut self, node: &'a Node, place: &Place<'a>) -> Result<Value, ImportError> {
        match &node.kind {
            Kind::List(list) => {
                let mut out = Vec::with_capacity(list.len());
                for (index, item) in list.iter().enumerate() {
                    out.push(self.convert(item, &place.index(index))?);
                }
                Ok(Value::Array(out))
            }
            Kind::Map(map) => {
                if let Some(reference) = map.get("$ref").and_then(Node::text)
                    && let Some(replaced) = self.reference(node, reference, place)?
                {
                    return Ok(replaced);
                }
                let mut out = Map::with_capacity(map.len());
                for (key, value) in map {
                    let value =
                        match value.text().filter(|_| key == "$ref").and_then(|text| self.model_name(text)) {
                            Some(model) => Value::String(format!("{MODELS}{model}")),
                            None if matches!(value.kind, Kind::List(_) | Kind::Map(_)) => {
                                self.convert(value, &place.key(key))?
                            }
                            None => value.to_value(),
                        };
                    out.insert(key.clone(), value);
                }
                Ok(Value::Object(out))
            }
            _ => Ok(node.to_value()),
        }
    }

    /// What stands in place of a reference; `None`: the reference stays.
    fn reference(
        &mut self,
        node: &'a Node,
        text: &str,
        place: &Place<'a>,
    ) -> Result<Option<Value>, ImportError> {
        let at = At { node, place: place.clone() };
        match self.target(text) {
            Target::Model(model) => {
                let name = model.split('/').next().unwrap_or(model);
                if self.schema(name).is_none() {
                    self.warn(&at, format!("there is no model {name}"));
                }
                Ok(None)
            }
            Target::Elsewhere => {
                self.warn(&at, format!("{text} is in another document, which is not read"));
                Ok(None)
            }
            Target::Here(target) => {
                let Some(found) = self.root.node.pointer(&target) else {
                    self.warn(&at, format!("the reference {text} leads nowhere"));
                    return Ok(None);
                };
                if self.inlining.contains(&target) || self.inlining.len() > 32 {
                    self.warn(&at, format!("the reference {text} leads in a circle and stays as it is"));
                    return Ok(None);
                }
                self.count_copy(found, &at)?;
                self.inlining.push(target.clone());
                let value = self.convert(found, &Place::of(target));
                self.inlining.pop();
                value.map(Some)
            }
        }
    }

    fn target<'r>(&self, text: &'r str) -> Target<'r> {
        if let Some(model) = self.model_name(text) {
            return Target::Model(model);
        }
        match text.strip_prefix('#') {
            Some(pointer) => Target::Here(decode(pointer).into_owned()),
            None => Target::Elsewhere,
        }
    }

    /// What follows the prefix of a reference to a model.
    pub(super) fn model_name<'r>(&self, text: &'r str) -> Option<&'r str> {
        let prefix = match self.version {
            Version::Swagger2 => DEFINITIONS,
            Version::OpenApi3 => MODELS,
        };
        text.strip_prefix(prefix)
    }

    /// The schema of a model as written in the document.
    pub(super) fn schema(&self, name: &str) -> Option<&'a Node> {
        let name = decode(name).replace("~1", "/").replace("~0", "~");
        match self.version {
            Version::Swagger2 => self.root.node.get("definitions")?.get(&name),
            Version::OpenApi3 => self.root.node.get("components")?.get("schemas")?.get(&name),
        }
    }
}
