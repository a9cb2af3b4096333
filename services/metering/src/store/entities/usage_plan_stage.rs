//! Table `usage_plan_stages`.

use sea_orm::entity::prelude::*;

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "usage_plan_stages")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub usage_plan_id: String,
    pub tenant_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub api_id: String,
    #[sea_orm(primary_key, auto_increment = false)]
    pub stage: String,
    pub throttles: String,
    pub costs: String,
    pub place: i32,
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}
