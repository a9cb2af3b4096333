//! What fields cost against the bound of a request.
//!
//! A list costs its most items times what each costs, so that lists inside lists are counted before they are asked for. What
//! belongs to an object and is read with it (the stages of a usage plan) counts as what is usual, not as what is possible. A
//! field that carries a document or sums usage up costs so much that a handful fit.

use common::PageArgs;

/// Most that one request may cost.
pub(crate) const MAX: usize = 50_000;
/// A field that moves or reads megabytes.
pub(crate) const HEAVY: usize = 8_000;
/// A field that makes a call of its own.
pub(crate) const CALL: usize = 10;
/// Beyond every bound, and far from overflow in a sum of all fields.
const TOO_MUCH: usize = 1 << 32;

/// A page of a list.
pub(crate) fn page(first: Option<u32>, item: usize) -> usize {
    let items = first.unwrap_or(PageArgs::DEFAULT).min(PageArgs::MAX);
    list(usize::try_from(items).unwrap_or(usize::MAX), item).saturating_add(CALL)
}

/// A list of at most so many items.
pub(crate) fn list(items: usize, item: usize) -> usize {
    items.saturating_mul(item).saturating_add(1).min(TOO_MUCH)
}

/// A list without a strict bound whose items lead nowhere else: what carries it has its price.
pub(crate) fn flat(item: usize) -> usize {
    list(100, item)
}

/// A field that moves or reads megabytes, and what is asked of its answer.
pub(crate) fn heavy(answer: usize) -> usize {
    answer.saturating_add(HEAVY).min(TOO_MUCH)
}

#[cfg(test)]
mod tests {
    use async_graphql::OutputType;
    use async_graphql::registry::{MetaType, MetaTypeName, Registry};

    use super::super::{Mutation, Query};

    /// Every field of the schema whose type is a list of objects or a page of one, as `Type.field`, and whether it has a cost
    /// of its own.
    fn lists() -> Vec<(String, bool)> {
        let mut registry = Registry::default();
        Query::create_type_info(&mut registry);
        Mutation::create_type_info(&mut registry);
        let mut found = Vec::new();
        for (name, kind) in &registry.types {
            let MetaType::Object { fields, .. } = kind else { continue };
            for field in fields.values() {
                let item = MetaTypeName::concrete_typename(&field.ty);
                let is_object = matches!(registry.types.get(item), Some(MetaType::Object { .. }));
                // The items of a page are priced by the field that has arguments.
                let is_page_item = name.ends_with("Connection") && field.name == "nodes";
                let is_list = field.ty.contains('[') && !is_page_item || item.ends_with("Connection");
                if is_object && is_list {
                    found.push((format!("{name}.{}", field.name), field.compute_complexity.is_some()));
                }
            }
        }
        found
    }

    #[test]
    fn every_list_of_the_schema_has_a_cost() {
        let lists = lists();
        assert!(lists.iter().any(|(name, _)| name == "Product.plans"), "{lists:?}");
        let free: Vec<_> = lists.iter().filter(|(_, has_cost)| !has_cost).collect();
        assert!(free.is_empty(), "{free:?}");
    }
}
