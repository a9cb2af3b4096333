//! Rows of the tables, private to the store.

#![expect(unreachable_pub, reason = "SeaORM derives public types, which the module keeps to itself")]

pub(super) mod api_key;
pub(super) mod api_key_usage_plan;
pub(super) mod api_key_value;
pub(super) mod usage_plan;
pub(super) mod usage_plan_stage;
