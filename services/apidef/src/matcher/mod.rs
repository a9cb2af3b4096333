//! The compiled path matcher of one stage: request path and verb to method.
//!
//! A tree of segments in flat arrays. Order: full matches before greedy ones before the default route; inside each, segment by
//! segment, a literal before `prefix{x}suffix` before `{x}` before `{x+}`; on one path the exact verb before `ANY`. A candidate whose
//! path matches but which has no such verb does not hide a later one. It does not know what a method does.

mod build;

use smallvec::SmallVec;

use crate::model::{Verb, VerbSet};
use crate::path::RequestPath;

pub use build::{BuildError, RouteFault};

const NONE: u32 = u32::MAX;

/// A method by its position among the routes the matcher was built from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MethodIndex(pub u32);

/// The compiled routes of one stage. Cheap to share, never changed.
#[derive(Debug)]
pub struct Matcher {
    nodes: Box<[Node]>,
    literals: Box<[Literal]>,
    partials: Box<[Partial]>,
    leaves: Box<[Leaf]>,
    /// Parameter names of each route.
    names: Box<[Box<[Box<str>]>]>,
    default: u32,
    has_greedy: bool,
}

/// A place in the tree: what may follow and what ends here.
#[derive(Debug)]
struct Node {
    literals: (u32, u32),
    partials: (u32, u32),
    param: u32,
    leaf: u32,
    greedy: u32,
}

#[derive(Debug)]
struct Literal {
    text: Box<str>,
    node: u32,
}

#[derive(Debug)]
struct Partial {
    prefix: Box<str>,
    suffix: Box<str>,
    node: u32,
}

/// Routes of one path by verb.
#[derive(Debug)]
struct Leaf {
    routes: [u32; 8],
}

impl Leaf {
    fn find(&self, verb: Verb) -> Option<u32> {
        [self.routes[verb.index()], self.routes[Verb::Any.index()]].into_iter().find(|route| *route != NONE)
    }

    fn verbs(&self) -> VerbSet {
        let mut set = VerbSet::default();
        for verb in Verb::ALL.into_iter().filter(|verb| self.routes[verb.index()] != NONE) {
            set.insert(verb);
        }
        set
    }
}

/// A range of bytes of the path.
type Span = (u32, u32);
type Spans = SmallVec<[Span; 8]>;

/// What a request leads to.
#[derive(Debug, PartialEq)]
pub enum Lookup<'a> {
    /// A method.
    Found(Match<'a>),
    /// The path is known, but not with this verb; the verbs it has.
    WrongVerb(VerbSet),
    /// The path is unknown.
    NoPath,
}

/// A method and the values of its path parameters.
#[derive(Clone, Debug)]
pub struct Match<'a> {
    /// The method.
    pub method: MethodIndex,
    names: &'a [Box<str>],
    spans: Spans,
    path: &'a str,
}

impl<'a> Match<'a> {
    /// Path parameters in order: name and value, still escaped as in the request path.
    pub fn params(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        let path = self.path;
        self.names.iter().zip(&self.spans).map(move |(name, (start, end))| {
            (&**name, path.get(*start as usize..*end as usize).unwrap_or_default())
        })
    }

    /// The value of one path parameter, still escaped.
    pub fn param(&self, name: &str) -> Option<&'a str> {
        self.params().find(|(other, _)| *other == name).map(|(_, value)| value)
    }
}

impl PartialEq for Match<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.method == other.method && self.params().eq(other.params())
    }
}

/// Which leaves a walk looks for.
#[derive(Clone, Copy, PartialEq)]
enum Pass {
    Full,
    Greedy,
}

struct Walk<'a> {
    path: &'a str,
    /// Where the last segment ends; a trailing slash lies behind it.
    end: usize,
    verb: Verb,
    pass: Pass,
    spans: Spans,
    seen: VerbSet,
}

impl Matcher {
    /// Finds the method for a path and a verb. Allocates only for more than eight path parameters.
    pub fn find<'a>(&'a self, path: &'a RequestPath<'_>, verb: Verb) -> Lookup<'a> {
        let mut walk = Walk {
            path: path.as_str(),
            end: path.matched_len(),
            verb,
            pass: Pass::Full,
            spans: Spans::new(),
            seen: VerbSet::default(),
        };
        let mut found = self.descend(0, 0, &mut walk);
        if found.is_none() && self.has_greedy {
            walk.pass = Pass::Greedy;
            found = self.descend(0, 0, &mut walk);
        }
        if found.is_none() && self.default != NONE {
            found = walk.check(&self.leaves[self.default as usize]);
        }
        match found {
            Some(route) => Lookup::Found(Match {
                method: MethodIndex(route),
                names: &self.names[route as usize],
                spans: walk.spans,
                path: walk.path,
            }),
            None if walk.seen.is_empty() => Lookup::NoPath,
            None => Lookup::WrongVerb(walk.seen),
        }
    }

    /// Number of routes.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// Whether there is no route.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }

    /// Bytes on the heap, roughly.
    pub fn heap_bytes(&self) -> usize {
        let names: usize = self
            .names
            .iter()
            .flat_map(|names| names.iter())
            .map(|name| name.len() + size_of::<Box<str>>())
            .sum();
        let literals: usize = self.literals.iter().map(|literal| literal.text.len()).sum();
        let partials: usize =
            self.partials.iter().map(|partial| partial.prefix.len() + partial.suffix.len()).sum();
        names
            + literals
            + partials
            + size_of_val(&*self.nodes)
            + size_of_val(&*self.literals)
            + size_of_val(&*self.partials)
            + size_of_val(&*self.leaves)
            + size_of_val(&*self.names)
    }

    /// Depth first in order of priority. `at` is where the previous segment ended.
    fn descend(&self, node: u32, at: usize, walk: &mut Walk<'_>) -> Option<u32> {
        let node = &self.nodes[node as usize];
        if at == walk.end {
            return if walk.pass == Pass::Full {
                walk.check(self.leaves.get(node.leaf as usize)?)
            } else {
                None
            };
        }
        let start = at + 1;
        let rest = &walk.path.as_bytes()[start..walk.end];
        let end = rest.iter().position(|byte| *byte == b'/').map_or(walk.end, |len| start + len);
        let segment = &walk.path[start..end];
        let depth = walk.spans.len();

        let literals = &self.literals[node.literals.0 as usize..node.literals.1 as usize];
        if let Ok(found) = literals.binary_search_by(|literal| (*literal.text).cmp(segment))
            && let Some(route) = self.descend(literals[found].node, end, walk)
        {
            return Some(route);
        }
        for partial in &self.partials[node.partials.0 as usize..node.partials.1 as usize] {
            let value =
                segment.strip_prefix(&*partial.prefix).and_then(|rest| rest.strip_suffix(&*partial.suffix));
            if !value.is_some_and(is_whole_value) {
                continue;
            }
            walk.push(start + partial.prefix.len(), end - partial.suffix.len());
            if let Some(route) = self.descend(partial.node, end, walk) {
                return Some(route);
            }
            walk.spans.truncate(depth);
        }
        if node.param != NONE && !segment.is_empty() {
            walk.push(start, end);
            if let Some(route) = self.descend(node.param, end, walk) {
                return Some(route);
            }
            walk.spans.truncate(depth);
        }
        if walk.pass == Pass::Full {
            return None;
        }
        let leaf = self.leaves.get(node.greedy as usize)?;
        // A greedy value keeps the trailing slash: a backend may tell `/dir` from `/dir/`.
        walk.push(start, walk.path.len());
        let route = walk.check(leaf);
        if route.is_none() {
            walk.spans.truncate(depth);
        }
        route
    }
}

/// Whether it is a value at all and does not end inside an escape whose digits a literal took.
fn is_whole_value(value: &str) -> bool {
    let tail = value.as_bytes();
    !tail.is_empty() && !tail[tail.len().saturating_sub(2)..].contains(&b'%')
}

impl Walk<'_> {
    fn check(&mut self, leaf: &Leaf) -> Option<u32> {
        let found = leaf.find(self.verb);
        if found.is_none() {
            self.seen.extend(leaf.verbs());
        }
        found
    }

    fn push(&mut self, start: usize, end: usize) {
        // A request line never nears 4 GiB.
        self.spans.push((u32::try_from(start).unwrap_or(NONE), u32::try_from(end).unwrap_or(NONE)));
    }
}

#[cfg(test)]
mod tests;
