//! Lists in pages, the same shape everywhere.

use std::borrow::Cow;

use async_graphql::{OutputType, SimpleObject, TypeName};
use common::Page;

/// A page of a list, in the list's own order.
#[derive(SimpleObject)]
#[graphql(name_type)]
pub(crate) struct Connection<T: OutputType> {
    /// The items.
    nodes: Vec<T>,
    /// Whether there is more, and how to ask for it.
    page_info: PageInfo,
}

impl<T: OutputType> TypeName for Connection<T> {
    fn type_name() -> Cow<'static, str> {
        format!("{}Connection", T::type_name()).into()
    }
}

/// Where a page stands in its list.
#[derive(SimpleObject)]
pub(crate) struct PageInfo {
    /// Whether a page follows this one.
    has_next_page: bool,
    /// Pass as `after` for the following page; absent on the last one.
    end_cursor: Option<String>,
}

impl<C, T: OutputType + From<C>> From<Page<C>> for Connection<T> {
    fn from(page: Page<C>) -> Self {
        let Page { items, next } = page.map(T::from);
        Self { nodes: items, page_info: PageInfo { has_next_page: next.is_some(), end_cursor: next } }
    }
}
