//! Fields of type JSON that many clients ask with a selection, as they know it from other APIs: `userErrors { message }`.
//!
//! The schema says JSON, so that `userErrors` alone is valid; a selection below them is dropped and the whole value
//! answered.

use async_graphql::parser::types::{DocumentOperations, ExecutableDocument, Selection, SelectionSet};

/// The fields.
const LEAVES: [&str; 3] = ["userErrors", "warnings", "group"];

/// Drops selections below the fields.
pub(super) fn drop_selections(document: &mut ExecutableDocument) {
    match &mut document.operations {
        DocumentOperations::Single(operation) => visit(&mut operation.node.selection_set.node),
        DocumentOperations::Multiple(operations) => {
            operations.values_mut().for_each(|operation| visit(&mut operation.node.selection_set.node));
        }
    }
    document.fragments.values_mut().for_each(|fragment| visit(&mut fragment.node.selection_set.node));
}

fn visit(set: &mut SelectionSet) {
    for item in &mut set.items {
        match &mut item.node {
            Selection::Field(field) if LEAVES.contains(&field.node.name.node.as_str()) => {
                field.node.selection_set.node.items.clear();
            }
            Selection::Field(field) => visit(&mut field.node.selection_set.node),
            Selection::InlineFragment(inline) => visit(&mut inline.node.selection_set.node),
            Selection::FragmentSpread(_) => {}
        }
    }
}
