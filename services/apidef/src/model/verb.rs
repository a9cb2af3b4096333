//! The HTTP verbs a method can be keyed by.

use std::fmt;

use serde::{Deserialize, Serialize};

/// A verb as API Gateway knows them; [`Verb::Any`] stands for every verb that has no method of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Verb {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
    /// `DELETE`
    Delete,
    /// `OPTIONS`
    Options,
    /// Every verb without a method of its own on the same resource.
    Any,
}

impl Verb {
    /// All verbs, [`Verb::Any`] last.
    pub const ALL: [Self; 8] =
        [Self::Get, Self::Head, Self::Post, Self::Put, Self::Patch, Self::Delete, Self::Options, Self::Any];

    /// The verb as it is written in a request line, `ANY` for [`Verb::Any`].
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Any => "ANY",
        }
    }

    /// The verb of a document key or a management call, in any case; `None` for verbs API Gateway does not know.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.as_str().eq_ignore_ascii_case(name))
    }

    /// The verb of a request line. Verbs are case-sensitive there (RFC 9110 section 9.1) and `ANY` is none.
    pub fn from_request(method: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| *verb != Self::Any && verb.as_str() == method)
    }

    pub(crate) fn index(self) -> usize {
        self as usize
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of verbs, in the order of [`Verb::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VerbSet(u8);

impl VerbSet {
    /// Adds a verb; [`Verb::Any`] adds all of them.
    pub fn insert(&mut self, verb: Verb) {
        self.0 |= if verb == Verb::Any { 0x7f } else { 1 << verb.index() };
    }

    /// Adds every verb of another set.
    pub fn extend(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// Whether the verb is in the set; [`Verb::Any`] never is.
    pub fn contains(self, verb: Verb) -> bool {
        self.0 & (1 << verb.index()) != 0
    }

    /// Whether there is no verb in it.
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The verbs in it, for `Allow` and `Access-Control-Allow-Methods`.
    pub fn iter(self) -> impl Iterator<Item = Verb> {
        Verb::ALL.into_iter().filter(move |verb| self.contains(*verb))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_line_is_case_sensitive_and_a_document_key_is_not() {
        assert_eq!(Verb::from_request("GET"), Some(Verb::Get));
        assert_eq!(Verb::from_request("get"), None);
        assert_eq!(Verb::from_request("ANY"), None);
        assert_eq!(Verb::from_name("get"), Some(Verb::Get));
        assert_eq!(Verb::from_name("any"), Some(Verb::Any));
        assert_eq!(Verb::from_name("trace"), None);
    }

    #[test]
    fn any_stands_for_every_verb_in_a_set() {
        let mut set = VerbSet::default();
        set.insert(Verb::Any);
        assert_eq!(set.iter().count(), 7);
        assert!(!set.contains(Verb::Any));
    }
}
