//! How large a request may be, checked before anything walks it.
//!
//! Fragments can blow a small text up without bound, so fields are counted as they expand and the walk ends at the limit.

use async_graphql::parser::types::{ExecutableDocument, Field, Selection, SelectionSet};
use async_graphql::{Pos, Positioned, ServerError};

/// Deepest field, introspection apart.
const MAX_DEPTH: usize = 12;
/// Deepest field of introspection: the query that tools send needs 15.
const MAX_INTROSPECTION_DEPTH: usize = 18;
/// Lists inside lists of introspection: more serve only to blow up the answer.
const MAX_INTROSPECTION_LISTS: usize = 3;
/// Most fields after expanding fragments.
const MAX_FIELDS: usize = 5_000;
/// Deepest nesting of braces, fragments included.
pub(super) const MAX_NESTING: usize = 64;

/// Refuses documents that are too deep or too large.
pub(super) fn check(document: &ExecutableDocument) -> Result<(), ServerError> {
    let mut walk = Walk { document, fields: 0 };
    for (_, operation) in document.operations.iter() {
        walk.selection(&operation.node.selection_set, Place::default())?;
    }
    Ok(())
}

struct Walk<'a> {
    document: &'a ExecutableDocument,
    fields: usize,
}

#[derive(Clone, Copy, Default)]
struct Place {
    depth: usize,
    nesting: usize,
    introspection: bool,
    lists: usize,
}

impl Walk<'_> {
    fn selection(&mut self, set: &Positioned<SelectionSet>, place: Place) -> Result<(), ServerError> {
        let place = Place { nesting: place.nesting + 1, ..place };
        if place.nesting > MAX_NESTING {
            return Err(refusal("nested too deep", set.pos));
        }
        for item in &set.node.items {
            match &item.node {
                Selection::Field(field) => self.field(field, place)?,
                Selection::InlineFragment(inline) => self.selection(&inline.node.selection_set, place)?,
                Selection::FragmentSpread(spread) => {
                    self.count(spread.pos)?;
                    // An unknown name is refused by validation.
                    if let Some(fragment) = self.document.fragments.get(&spread.node.fragment_name.node) {
                        self.selection(&fragment.node.selection_set, place)?;
                    }
                }
            }
        }
        Ok(())
    }

    fn field(&mut self, field: &Positioned<Field>, place: Place) -> Result<(), ServerError> {
        self.count(field.pos)?;
        let name = field.node.name.node.as_str();
        let introspection = place.introspection || name.starts_with("__");
        let lists = matches!(name, "fields" | "inputFields" | "interfaces" | "possibleTypes");
        let place = Place {
            depth: place.depth + 1,
            introspection,
            lists: place.lists + usize::from(introspection && lists),
            ..place
        };
        let deepest = if introspection { MAX_INTROSPECTION_DEPTH } else { MAX_DEPTH };
        if place.depth > deepest || place.lists > MAX_INTROSPECTION_LISTS {
            return Err(refusal("nested too deep", field.pos));
        }
        self.selection(&field.node.selection_set, place)
    }

    fn count(&mut self, pos: Pos) -> Result<(), ServerError> {
        self.fields += 1;
        if self.fields > MAX_FIELDS {
            return Err(refusal("too large", pos));
        }
        Ok(())
    }
}

fn refusal(how: &str, pos: Pos) -> ServerError {
    ServerError::new(
        format!("the query is {how}: at most {MAX_DEPTH} levels and {MAX_FIELDS} fields"),
        Some(pos),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use async_graphql::parser::parse_query;

    fn is_refused(query: &str) -> bool {
        check(&parse_query(query).unwrap()).is_err()
    }

    fn nested(levels: usize) -> String {
        format!("{}{}", "{ a ".repeat(levels), "}".repeat(levels))
    }

    #[test]
    fn the_thirteenth_level_is_refused() {
        assert!(!is_refused(&nested(MAX_DEPTH)));
        assert!(is_refused(&nested(MAX_DEPTH + 1)));
    }

    #[test]
    fn fragments_that_double_at_each_step_end_early() {
        let mut query = "{ a ...F0 }".to_owned();
        for step in 0..40 {
            query += &format!(" fragment F{step} on Query {{ ...F{} ...F{} }}", step + 1, step + 1);
        }
        query += " fragment F40 on Query { a }";
        assert!(is_refused(&query));
    }

    #[test]
    fn a_fragment_that_holds_itself_ends() {
        assert!(is_refused("{ ...F } fragment F on Query { a ...F }"));
    }

    #[test]
    fn introspection_of_tools_passes_and_its_loops_do_not() {
        let of_type = "ofType { name ".repeat(9);
        let end = " }".repeat(9);
        let tools = format!(
            "{{ __schema {{ types {{ fields {{ args {{ type {{ name {of_type}{end} }} }} }} }} }} }}"
        );
        assert!(!is_refused(&tools));
        let lists = "fields { type { ".repeat(4);
        let end = " } }".repeat(4);
        assert!(is_refused(&format!("{{ __schema {{ types {{ {lists} name {end} }} }} }}")));
    }
}
