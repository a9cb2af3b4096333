//! Building the matcher: a tree of maps, then flattened.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use thiserror::Error;

use super::{Leaf, Literal, Matcher, NONE, Node, Partial};
use crate::model::{Api, DEFAULT_ROUTE, Verb};
use crate::path::{PathTemplate, Segment, TemplateFault};

/// Why routes cannot be compiled; names the first one at fault.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{verb} {path}: {fault}")]
pub struct BuildError {
    /// The route's path as given.
    pub path: String,
    /// The route's verb.
    pub verb: Verb,
    /// What is wrong.
    pub fault: RouteFault,
}

/// What is wrong with a route.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum RouteFault {
    /// Its path is no resource path.
    #[error(transparent)]
    Path(#[from] TemplateFault),
    /// An earlier route has the same verb and matches the same paths.
    #[error("another route matches the same requests")]
    Duplicate,
}

#[derive(Default)]
struct Draft {
    literals: BTreeMap<String, u32>,
    /// Longest literal first, so that the more specific one is tried first.
    partials: BTreeMap<(Reverse<usize>, String, String), u32>,
    param: Option<u32>,
    leaf: Option<u32>,
    greedy: Option<u32>,
}

#[derive(Default)]
struct Builder {
    drafts: Vec<Draft>,
    leaves: Vec<Leaf>,
    names: Vec<Box<[Box<str>]>>,
    default: Option<u32>,
}

impl Matcher {
    /// Compiles the methods of an API in the order of [`Api::methods`], which [`super::MethodIndex`] counts in.
    ///
    /// # Errors
    /// A path that is none, or two routes for the same requests. [`crate::validate`] reports both beforehand.
    pub fn compile(api: &Api) -> Result<Self, BuildError> {
        Self::build(api.methods().map(|(path, verb, _)| (path, verb)))
    }

    /// Compiles routes; [`super::MethodIndex`] counts in their order. [`DEFAULT_ROUTE`] as a path is the default route.
    ///
    /// # Errors
    /// A path that is none, or two routes for the same requests.
    pub fn build<'a>(routes: impl IntoIterator<Item = (&'a str, Verb)>) -> Result<Self, BuildError> {
        let mut builder = Builder { drafts: vec![Draft::default()], ..Builder::default() };
        for (path, verb) in routes {
            builder.add(path, verb).map_err(|fault| BuildError { path: path.to_owned(), verb, fault })?;
        }
        Ok(builder.finish())
    }
}

impl Builder {
    fn add(&mut self, path: &str, verb: Verb) -> Result<(), RouteFault> {
        if path == DEFAULT_ROUTE {
            let leaf = *self.default.get_or_insert_with(|| new_leaf(&mut self.leaves));
            return self.end(leaf, verb, Box::default());
        }
        let template = PathTemplate::parse(path)?;
        let mut node = 0;
        let mut greedy = false;
        for segment in template.segments() {
            match segment {
                Segment::Greedy(_) => greedy = true,
                Segment::Static(_) | Segment::Param { .. } => node = self.child(node, segment),
            }
        }
        let draft = &mut self.drafts[node as usize];
        let slot = if greedy { &mut draft.greedy } else { &mut draft.leaf };
        let leaf = *slot.get_or_insert_with(|| new_leaf(&mut self.leaves));
        self.end(leaf, verb, template.params().map(Box::from).collect())
    }

    fn child(&mut self, node: u32, segment: &Segment) -> u32 {
        let next = count(self.drafts.len());
        let draft = &mut self.drafts[node as usize];
        let child = match segment {
            Segment::Static(text) => draft.literals.entry(text.clone()).or_insert(next),
            Segment::Param { prefix, suffix, .. } if !prefix.is_empty() || !suffix.is_empty() => {
                let key = (Reverse(prefix.len() + suffix.len()), prefix.clone(), suffix.clone());
                draft.partials.entry(key).or_insert(next)
            }
            Segment::Param { .. } | Segment::Greedy(_) => draft.param.get_or_insert(next),
        };
        let child = *child;
        if child == next {
            self.drafts.push(Draft::default());
        }
        child
    }

    fn end(&mut self, leaf: u32, verb: Verb, names: Box<[Box<str>]>) -> Result<(), RouteFault> {
        let slot = &mut self.leaves[leaf as usize].routes[verb.index()];
        if *slot != NONE {
            return Err(RouteFault::Duplicate);
        }
        *slot = count(self.names.len());
        self.names.push(names);
        Ok(())
    }

    fn finish(self) -> Matcher {
        let mut literals = Vec::new();
        let mut partials = Vec::new();
        let mut nodes = Vec::with_capacity(self.drafts.len());
        let has_greedy = self.drafts.iter().any(|draft| draft.greedy.is_some());
        for draft in self.drafts {
            let literals_from = count(literals.len());
            literals
                .extend(draft.literals.into_iter().map(|(text, node)| Literal { text: text.into(), node }));
            let partials_from = count(partials.len());
            partials.extend(draft.partials.into_iter().map(|((_, prefix, suffix), node)| Partial {
                prefix: prefix.into(),
                suffix: suffix.into(),
                node,
            }));
            nodes.push(Node {
                literals: (literals_from, count(literals.len())),
                partials: (partials_from, count(partials.len())),
                param: draft.param.unwrap_or(NONE),
                leaf: draft.leaf.unwrap_or(NONE),
                greedy: draft.greedy.unwrap_or(NONE),
            });
        }
        Matcher {
            nodes: nodes.into(),
            literals: literals.into(),
            partials: partials.into(),
            leaves: self.leaves.into(),
            names: self.names.into(),
            default: self.default.unwrap_or(NONE),
            has_greedy,
        }
    }
}

fn new_leaf(leaves: &mut Vec<Leaf>) -> u32 {
    leaves.push(Leaf { routes: [NONE; 8] });
    count(leaves.len() - 1)
}

/// Document limits keep all counts far below `NONE`.
fn count(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(NONE)
}
