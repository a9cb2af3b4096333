//! YAML 1.2 to a tree with lines, from parser events: the core schema, anchors with a bound on what they copy, merge keys.

use std::collections::HashMap;

use granit_parser::{Event, Options, Parser, ScalarStyle, Span, Tag};
use indexmap::IndexMap;
use serde_json::Number;

use super::ImportError;
use super::node::{Kind, MAX_DEPTH, Node};
use crate::model::validate::escape;

/// The most bytes that aliases may copy: real documents stay far below, an alias bomb does not.
const MAX_COPIED: usize = 16 << 20;

/// Reads a YAML document.
pub(super) fn read(text: &str) -> Result<Node, ImportError> {
    let mut options = Options::default();
    options.set_emit_comments(false);
    let mut reader =
        Reader { open: Vec::new(), root: None, anchors: HashMap::new(), copies_left: MAX_COPIED };
    for event in Parser::new_from_str_with_options(text, options) {
        match event {
            Ok((event, span)) => reader.event(event, span)?,
            Err(error) => {
                let (line, column) = (number(error.marker().line()), number(error.marker().col() + 1));
                return Err(reader.error((line, column), error.info()));
            }
        }
    }
    reader.root.ok_or_else(|| ImportError::at_start("the document is empty"))
}

struct Reader {
    open: Vec<Open>,
    root: Option<Node>,
    anchors: HashMap<usize, Node>,
    copies_left: usize,
}

/// A list or object not yet closed.
struct Open {
    node: Node,
    anchor: usize,
    /// The name whose value comes next, and where it stands.
    key: Option<(String, Place)>,
    /// Objects behind `<<`, merged when this one is closed.
    merges: Vec<Node>,
}

type Place = (u32, u32);

impl Reader {
    fn event(&mut self, event: Event<'_>, span: Span) -> Result<(), ImportError> {
        let place = (number(span.start.line()), number(span.start.col() + 1));
        match event {
            Event::Scalar(text, style, anchor, tag) => {
                if self.takes_key() {
                    return self.key(&text, place);
                }
                let node = node(place, scalar(&text, style, tag.as_deref()));
                self.define(anchor, &node)?;
                self.put(node)
            }
            Event::SequenceStart(_, anchor, _) => self.open(node(place, Kind::List(Vec::new())), anchor),
            Event::MappingStart(_, anchor, _) => self.open(node(place, Kind::Map(IndexMap::new())), anchor),
            Event::SequenceEnd | Event::MappingEnd => self.close(),
            Event::Alias(anchor) => {
                let Some(target) = self.anchors.get(&anchor) else {
                    return Err(self.error(place, "the alias refers to what it is part of"));
                };
                let Some(left) = target.take_from(self.copies_left) else {
                    return Err(self.too_much_copied(place));
                };
                let copy = Node { line: place.0, column: place.1, ..target.clone() };
                self.copies_left = left;
                if self.takes_key() {
                    let text = copy.text().unwrap_or_default().to_owned();
                    return self.key(&text, place);
                }
                self.put(copy)
            }
            Event::DocumentStart(..) if self.root.is_some() => {
                Err(self.error(place, "more than one document in the text"))
            }
            _ => Ok(()),
        }
    }

    fn takes_key(&self) -> bool {
        self.open.last().is_some_and(|open| matches!(open.node.kind, Kind::Map(_)) && open.key.is_none())
    }

    fn key(&mut self, text: &str, place: Place) -> Result<(), ImportError> {
        let twice = self.open.last().is_some_and(|open| open.node.get(text).is_some());
        if let Some(open) = self.open.last_mut() {
            open.key = Some((text.to_owned(), place));
        }
        if twice { Err(self.error(place, "the name occurs twice")) } else { Ok(()) }
    }

    fn open(&mut self, node: Node, anchor: usize) -> Result<(), ImportError> {
        let place = (node.line, node.column);
        if self.takes_key() {
            return Err(self.error(place, "a name is a text, not a list or an object"));
        }
        if self.open.len() > MAX_DEPTH {
            return Err(self.error(place, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        self.open.push(Open { node, anchor, key: None, merges: Vec::new() });
        Ok(())
    }

    fn close(&mut self) -> Result<(), ImportError> {
        let Some(Open { mut node, anchor, merges, .. }) = self.open.pop() else { return Ok(()) };
        for merge in merges {
            let place = (merge.line, merge.column);
            let sources = match merge.kind {
                Kind::List(list) => list,
                _ => vec![merge],
            };
            for source in sources {
                let (Kind::Map(from), Kind::Map(into)) = (source.kind, &mut node.kind) else {
                    return Err(self.error(place, "only objects can be merged"));
                };
                for (key, value) in from {
                    into.entry(key).or_insert(value);
                }
            }
        }
        self.define(anchor, &node)?;
        self.put(node)
    }

    fn define(&mut self, anchor: usize, node: &Node) -> Result<(), ImportError> {
        if anchor > 0 {
            let left = node.take_from(self.copies_left);
            self.copies_left = left.ok_or_else(|| self.too_much_copied((node.line, node.column)))?;
            self.anchors.insert(anchor, node.clone());
        }
        Ok(())
    }

    fn too_much_copied(&self, place: Place) -> ImportError {
        self.error(place, format!("aliases copy more than {} MB", MAX_COPIED >> 20))
    }

    fn put(&mut self, mut node: Node) -> Result<(), ImportError> {
        let Some(open) = self.open.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        match &mut open.node.kind {
            Kind::List(list) => list.push(node),
            Kind::Map(map) => {
                let Some((key, (line, column))) = open.key.take() else { return Ok(()) };
                // A block begins on the line below its name: the name is what people look for.
                if node.line != line {
                    (node.line, node.column) = (line, column);
                }
                if key == "<<" {
                    open.merges.push(node);
                } else {
                    map.insert(key, node);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn error(&self, (line, column): Place, reason: impl Into<String>) -> ImportError {
        let mut path = String::new();
        for open in &self.open {
            match (&open.node.kind, &open.key) {
                (Kind::List(list), _) => path.push_str(&format!("/{}", list.len())),
                (_, Some((key, _))) => path.push_str(&format!("/{}", escape(key))),
                _ => {}
            }
        }
        ImportError { line: Some(line), column: Some(column), path, reason: reason.into(), option: None }
    }
}

fn node((line, column): Place, kind: Kind) -> Node {
    Node { line, column, kind }
}

fn number(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// A scalar by the core schema (YAML 1.2.2 section 10.3.2). What JSON cannot hold stays a text.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Kind {
    let forced_text = tag.is_some_and(|tag| tag.suffix() == "str" || tag.suffix().is_empty());
    if style != ScalarStyle::Plain || forced_text {
        return Kind::Text(text.to_owned());
    }
    match text {
        "" | "~" | "null" | "Null" | "NULL" => return Kind::Null,
        "true" | "True" | "TRUE" => return Kind::Bool(true),
        "false" | "False" | "FALSE" => return Kind::Bool(false),
        _ => {}
    }
    numeric(text).map_or_else(|| Kind::Text(text.to_owned()), Kind::Number)
}

fn numeric(text: &str) -> Option<Number> {
    let radix =
        |prefix, radix| text.strip_prefix(prefix).and_then(|digits| u64::from_str_radix(digits, radix).ok());
    if let Some(number) = radix("0x", 16).or_else(|| radix("0o", 8)) {
        return Some(number.into());
    }
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    if !unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        || !unsigned.contains(|c: char| c.is_ascii_digit())
    {
        return None;
    }
    if unsigned.bytes().all(|byte| byte.is_ascii_digit()) {
        if let Ok(number) = text.parse::<i64>() {
            return Some(number.into());
        }
        if let Ok(number) = text.parse::<u64>() {
            return Some(number.into());
        }
    }
    let is_float = unsigned.bytes().all(|byte| byte.is_ascii_digit() || b".eE+-".contains(&byte));
    if is_float { Number::from_f64(text.parse().ok()?) } else { None }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn scalars_follow_the_core_schema() {
        let text = "a: 1\nb: -2.5\nc: yes\nd: true\ne: ~\nf: '1'\ng: 0x1F\nh: 1.2.3\ni: 2020-01-01\nj: +7\nk: .inf\nl: 1e3\n\
                    m: 0123\nn: !!str 5\no:\np: '- x'\n200: ok\ntrue: key\nq: 18446744073709551615\nr: |\n  two\n  lines\n";
        let value = read(text).unwrap().to_value();
        assert_eq!(
            value,
            json!({
                "a": 1, "b": -2.5, "c": "yes", "d": true, "e": null, "f": "1", "g": 31, "h": "1.2.3", "i": "2020-01-01",
                "j": 7, "k": ".inf", "l": 1000.0, "m": 123, "n": "5", "o": null, "p": "- x", "200": "ok", "true": "key",
                "q": 18_446_744_073_709_551_615_u64, "r": "two\nlines\n"
            })
        );
    }

    #[test]
    fn every_value_knows_its_line() {
        let node = read("# comment\na:\n  - b: 1\n    c: [x,\n        y]\n").unwrap();
        let inner = node.pointer("/a/0/c/1").unwrap();
        assert_eq!((inner.line, inner.column), (5, 9));
        assert_eq!((node.get("a").unwrap().line, node.pointer("/a/0/b").unwrap().column), (2, 8));
    }

    #[test]
    fn anchors_and_merge_keys_are_resolved() {
        let text = "base: &base {a: 1, b: 2}\nmore: &more {c: 3}\nx: {<<: *base, b: 5}\ny:\n  <<: [*more, *base]\n  z: *more\n";
        let value = read(text).unwrap().to_value();
        assert_eq!(value["x"], json!({"b": 5, "a": 1}));
        assert_eq!(value["y"], json!({"z": {"c": 3}, "c": 3, "a": 1, "b": 2}));
    }

    #[test]
    fn an_alias_bomb_is_refused() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let inner = vec![format!("*a{}", level - 1); 10].join(", ");
            text.push_str(&format!("a{level}: &a{level} [{inner}]\n"));
        }
        let error = read(&text).unwrap_err();
        assert!(error.reason.starts_with("aliases copy more"), "{error}");
        assert_eq!(error.path.split('/').nth(1).map(|name| name.starts_with('a')), Some(true));
    }

    #[test]
    fn aliases_of_one_long_text_are_bounded() {
        let text = format!("a: &a {}\nb: [{}]\n", "x".repeat(1 << 20), vec!["*a"; 20].join(", "));
        let error = read(&text).unwrap_err();
        assert_eq!((error.reason.as_str(), error.line), ("aliases copy more than 16 MB", Some(2)), "{error}");
    }

    #[test]
    fn a_broken_document_names_line_column_and_path() {
        for (text, line, path) in [
            ("a:\n  b: [1, 2\nc: 3\n", 3, "/a/b"),
            ("a:\n  b: 1\n  b: 2\n", 3, "/a/b"),
            ("a: *none\n", 1, "/a"),
            ("a: &x [*x]\n", 1, "/a/0"),
            ("a:\n\t- b\n", 2, "/a"),
            ("a: 1\n---\nb: 2\n", 2, ""),
            ("a: {[1]: 2}\n", 1, "/a"),
            ("a: {<<: 1}\n", 1, "/a"),
            ("", 1, ""),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.line, Some(line), "{text}: {error}");
            assert!(error.path.starts_with(path), "{text}: {error}");
        }
        let deep = format!("a: {}", "[".repeat(101));
        assert!(read(&deep).is_err());
    }
}
