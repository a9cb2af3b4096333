//! JSON to a tree with lines. Texts and numbers are left to `serde_json`.

use indexmap::IndexMap;

use super::ImportError;
use super::node::{Kind, MAX_DEPTH, Node};
use crate::model::validate::escape;

/// Reads a JSON document.
pub(super) fn read(text: &str) -> Result<Node, ImportError> {
    let mut reader = Reader { text, bytes: text.as_bytes(), at: 0, line: 1, line_start: 0, path: Vec::new() };
    reader.skip_space();
    let node = reader.value()?;
    reader.skip_space();
    if reader.at < text.len() {
        return Err(reader.error("something follows the end of the document"));
    }
    Ok(node)
}

struct Reader<'a> {
    text: &'a str,
    bytes: &'a [u8],
    at: usize,
    line: u32,
    line_start: usize,
    path: Vec<String>,
}

impl<'a> Reader<'a> {
    fn value(&mut self) -> Result<Node, ImportError> {
        if self.path.len() > MAX_DEPTH {
            return Err(self.error(format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let (line, column) = (self.line, self.column());
        let kind = match self.peek() {
            Some(b'{') => self.map()?,
            Some(b'[') => self.list()?,
            Some(b'"') => Kind::Text(self.string()?),
            Some(b'-' | b'0'..=b'9') => self.number()?,
            Some(b't') => self.word("true", Kind::Bool(true))?,
            Some(b'f') => self.word("false", Kind::Bool(false))?,
            Some(b'n') => self.word("null", Kind::Null)?,
            Some(_) => return Err(self.error("expected a value")),
            None => return Err(self.error("the document ends too early")),
        };
        Ok(Node { line, column, kind })
    }

    fn map(&mut self) -> Result<Kind, ImportError> {
        let mut map = IndexMap::new();
        self.at += 1;
        self.skip_space();
        if self.take(b'}') {
            return Ok(Kind::Map(map));
        }
        loop {
            if self.peek() != Some(b'"') {
                return Err(self.error(if self.peek().is_some() {
                    "expected a name"
                } else {
                    "an object is not closed"
                }));
            }
            let key = self.string()?;
            self.path.push(key.clone());
            self.skip_space();
            if !self.take(b':') {
                return Err(self.error("expected a colon"));
            }
            self.skip_space();
            if map.contains_key(&key) {
                return Err(self.error("the name occurs twice"));
            }
            let node = self.value()?;
            map.insert(key, node);
            self.path.pop();
            self.skip_space();
            if self.take(b'}') {
                return Ok(Kind::Map(map));
            }
            self.comma("an object is not closed")?;
        }
    }

    fn list(&mut self) -> Result<Kind, ImportError> {
        let mut list = Vec::new();
        self.at += 1;
        self.skip_space();
        if self.take(b']') {
            return Ok(Kind::List(list));
        }
        loop {
            self.path.push(list.len().to_string());
            let node = self.value()?;
            list.push(node);
            self.path.pop();
            self.skip_space();
            if self.take(b']') {
                return Ok(Kind::List(list));
            }
            self.comma("a list is not closed")?;
        }
    }

    fn comma(&mut self, unclosed: &str) -> Result<(), ImportError> {
        if !self.take(b',') {
            return Err(self.error(if self.peek().is_some() { "expected a comma" } else { unclosed }));
        }
        self.skip_space();
        Ok(())
    }

    fn string(&mut self) -> Result<String, ImportError> {
        let start = self.at;
        let mut plain = true;
        self.at += 1;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    plain = false;
                    self.at += 2;
                }
                Some(b'\n' | b'\r') | None => return Err(self.error("a text is not closed")),
                Some(byte) if byte < 0x20 => return Err(self.error("a control character in a text")),
                Some(_) => self.at += 1,
            }
        }
        self.at += 1;
        let token = &self.text[start..self.at];
        if plain {
            return Ok(token[1..token.len() - 1].to_owned());
        }
        serde_json::from_str(token).map_err(|_| {
            self.at = start;
            self.error("a broken escape in a text")
        })
    }

    fn number(&mut self) -> Result<Kind, ImportError> {
        let token = self.token(|byte| byte.is_ascii_digit() || b"+-.eE".contains(&byte));
        match serde_json::from_str(token) {
            Ok(number) => {
                self.at += token.len();
                Ok(Kind::Number(number))
            }
            Err(_) => Err(self.error("not a number")),
        }
    }

    fn word(&mut self, word: &str, kind: Kind) -> Result<Kind, ImportError> {
        if self.token(|byte| byte.is_ascii_alphanumeric()) != word {
            return Err(self.error("expected a value"));
        }
        self.at += word.len();
        Ok(kind)
    }

    fn token(&self, belongs: impl Fn(u8) -> bool) -> &'a str {
        let len = self.bytes[self.at..].iter().take_while(|byte| belongs(**byte)).count();
        &self.text[self.at..self.at + len]
    }

    fn skip_space(&mut self) {
        while let Some(byte @ (b' ' | b'\t' | b'\r' | b'\n')) = self.peek() {
            self.at += 1;
            if byte == b'\n' {
                self.line += 1;
                self.line_start = self.at;
            }
        }
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn column(&self) -> u32 {
        u32::try_from(self.at - self.line_start + 1).unwrap_or(u32::MAX)
    }

    fn error(&self, reason: impl Into<String>) -> ImportError {
        let path = self.path.iter().map(|token| format!("/{}", escape(token))).collect();
        ImportError {
            line: Some(self.line),
            column: Some(self.column()),
            path,
            reason: reason.into(),
            option: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::Value;

    use super::*;

    #[test]
    fn every_value_knows_its_line() {
        let node = read("{\n  \"a\": [1,\n    {\"b\\n\": \"x\"}],\n \"c\": null }\n").unwrap();
        let inner = node.pointer("/a/1/b\n").unwrap();
        assert_eq!((inner.line, inner.column, inner.text()), (3, 13, Some("x")));
        assert_eq!(node.get("c").unwrap().line, 4);
    }

    #[test]
    fn a_broken_document_names_line_column_and_path() {
        for (text, line, column, path, reason) in [
            ("{\n \"a\": {\n  \"b\": tru }\n}", 3, 8, "/a/b", "expected a value"),
            ("{\"a\": [1, 2", 1, 12, "/a", "a list is not closed"),
            ("{\"a\": [1 2]}", 1, 10, "/a", "expected a comma"),
            ("{\"a\" 1}", 1, 6, "/a", "expected a colon"),
            ("{\"a/b\": \"x\ny\"}", 1, 11, "/a~1b", "a text is not closed"),
            ("{\"a\": 1, \"a\": 2}", 1, 15, "/a", "the name occurs twice"),
            ("{\"a\": 01}", 1, 7, "/a", "not a number"),
            ("{\"a\": \"\\x\"}", 1, 7, "/a", "a broken escape in a text"),
            ("{} x", 1, 4, "", "something follows the end of the document"),
            ("{a: 1}", 1, 2, "", "expected a name"),
            ("", 1, 1, "", "the document ends too early"),
            ("{\"a\": \"\\", 1, 10, "/a", "a text is not closed"),
        ] {
            let error = read(text).unwrap_err();
            let found = (error.line, error.column, error.path.as_str(), error.reason.as_str());
            assert_eq!(found, (Some(line), Some(column), path, reason), "{text}");
        }
    }

    #[test]
    fn bottomless_nesting_is_refused() {
        assert!(read(&"[".repeat(1_000_000)).unwrap_err().reason.starts_with("nested deeper"));
    }

    fn value() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<i32>().prop_map(|number| Value::from(f64::from(number) / 8.0)),
            "\\PC{0,8}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 5, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
                prop::collection::vec(("[a-z\"\\\\/~\n]{0,3}", inner), 0..5)
                    .prop_map(|entries| entries.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_serde_json_writes_is_read_back(value in value()) {
            prop_assert_eq!(read(&serde_json::to_string(&value).unwrap()).unwrap().to_value(), value.clone());
            prop_assert_eq!(read(&serde_json::to_string_pretty(&value).unwrap()).unwrap().to_value(), value);
        }

        #[test]
        fn any_text_is_read_or_refused_as_serde_json_does(text in "[\\[\\]{}\",:0-9eE.+\\-a-z\\\\ \n]{0,24}") {
            if let Ok(node) = read(&text) {
                prop_assert_eq!(node.to_value(), serde_json::from_str::<Value>(&text).unwrap());
            }
        }
    }
}
