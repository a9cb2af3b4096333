//! Calls of the role `billing`: products, plans, subscriptions.

use chrono::{DateTime, Utc};
use common::id::{ApiId, AppId, DeveloperId, KeyId, PlanId, ProductId, SubscriptionId, UsagePlanId};
use common::money::Money;
use common::{Page, PageArgs};
use serde::{Deserialize, Serialize};

use crate::call;
use crate::metering::SpendCap;
use crate::stream::Liveness;

/// What the catalogue shows.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Product {
    /// Its id.
    pub id: ProductId,
    /// Name on screen.
    pub name: String,
    /// What it offers, in Markdown.
    pub description: String,
    /// The APIs it contains.
    pub apis: Vec<ApiId>,
    /// Whether the portal shows it.
    pub published: bool,
    /// Its plans, cheapest first.
    pub plans: Vec<Plan>,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// What is sold.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Its id.
    pub id: PlanId,
    /// The product it belongs to.
    pub product: ProductId,
    /// Name on screen.
    pub name: String,
    /// What it offers.
    pub description: String,
    /// Recurring price per month; an amount of 0 is a free plan.
    pub price: Money,
    /// Price of a billable unit in micro-units of the same currency; 0 = included.
    #[serde(default)]
    pub unit_price_micros: u64,
    /// The limits that come with it.
    pub usage_plan: UsagePlanId,
    /// When it was made.
    pub created_at: DateTime<Utc>,
}

/// Makes a product.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CreateProduct {
    /// 1 to 100 characters.
    pub name: String,
    /// At most 10,000 characters of Markdown.
    pub description: String,
    /// APIs of this organization.
    pub apis: Vec<ApiId>,
    /// Whether the portal shows it.
    pub published: bool,
}
call!(CreateProduct => Product, Billing, Tenant(ProductsWrite));

/// Changes a product; absent fields stay as they are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UpdateProduct {
    /// The product.
    pub id: ProductId,
    /// New name.
    pub name: Option<String>,
    /// New description.
    pub description: Option<String>,
    /// New list of APIs.
    pub apis: Option<Vec<ApiId>>,
    /// Whether the portal shows it.
    pub published: Option<bool>,
}
call!(UpdateProduct => Product, Billing, Tenant(ProductsWrite));

/// One product with its plans.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GetProduct {
    /// The product.
    pub id: ProductId,
}
call!(GetProduct => Product, Billing, Tenant(ProductsRead));

/// The organization's products, newest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ListProducts {
    /// Which page.
    pub page: PageArgs,
    /// Only those the portal shows.
    pub published_only: bool,
}
call!(ListProducts => Page<Product>, Billing, Tenant(ProductsRead), from [Admin, Portal]);

/// Adds a plan to a product.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CreatePlan {
    /// The product.
    pub product: ProductId,
    /// 1 to 100 characters.
    pub name: String,
    /// What it offers.
    pub description: String,
    /// Recurring price per month, not negative; the currency must be one that can be charged.
    pub price: Money,
    /// Price of a billable unit in micro-units of the same currency, at most 1,000,000,000; 0 = included.
    #[serde(default)]
    pub unit_price_micros: u64,
    /// The limits that come with it: a usage plan of this organization.
    pub usage_plan: UsagePlanId,
}
call!(CreatePlan => Plan, Billing, Tenant(ProductsWrite));

/// One plan, for an edge that makes things for a subscription before it orders one.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GetPlan {
    /// The plan.
    pub id: PlanId,
}
call!(GetPlan => Plan, Billing, Service);

/// The plans that sell a usage plan's limits.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FindPlansOfUsagePlan {
    /// The usage plan.
    pub usage_plan: UsagePlanId,
}
call!(FindPlansOfUsagePlan => Vec<Plan>, Billing, Service, from [Metering]);

/// An app's purchase of a plan.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subscription {
    /// Its id.
    pub id: SubscriptionId,
    /// The plan.
    pub plan: PlanId,
    /// The product.
    pub product: ProductId,
    /// Its name, for display.
    pub product_name: String,
    /// The plan's name, for display.
    pub plan_name: String,
    /// The app.
    pub app: AppId,
    /// The app's owner.
    pub developer: DeveloperId,
    /// Where it stands.
    pub status: SubscriptionStatus,
    /// Its key; more can follow.
    pub key: KeyId,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was cancelled.
    pub cancelled_at: Option<DateTime<Utc>>,
}

/// Where a subscription stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SubscriptionStatus {
    /// Stored; its key is being made.
    Pending,
    /// Its key works.
    Active,
    /// Ended; its key is revoked.
    Cancelled,
}

/// Subscribes an app to a plan and makes its key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CreateSubscription {
    /// The plan.
    pub plan: PlanId,
    /// The app.
    pub app: AppId,
    /// The app's owner.
    pub developer: DeveloperId,
    /// What to call the key; absent = the plan's name.
    pub key_name: Option<String>,
}
call!(CreateSubscription => CreatedSubscription, Billing, Tenant(SubscriptionsWrite), from [Admin, Portal]);

/// A new subscription with its key.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CreatedSubscription {
    /// The subscription.
    pub subscription: Subscription,
    /// The key's value; absent while the subscription is pending.
    pub key_value: Option<String>,
    /// Whether the key works on every gateway already.
    pub liveness: Liveness,
}

/// Ends a subscription and revokes its keys.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CancelSubscription {
    /// The subscription.
    pub id: SubscriptionId,
}
call!(CancelSubscription => CancelledSubscription, Billing, Tenant(SubscriptionsWrite), from [Admin, Portal]);

/// A subscription that ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CancelledSubscription {
    /// The subscription.
    pub subscription: Subscription,
    /// Whether every gateway refuses its keys already.
    pub liveness: Liveness,
}

/// Sets, changes or removes the most that a subscription may spend in a month. Its currency must be the plan's, and the plan
/// must have a price per unit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct SetSpendCap {
    /// The subscription.
    pub subscription: SubscriptionId,
    /// The cap, or none.
    pub cap: Option<SpendCap>,
}
call!(SetSpendCap => Liveness, Billing, Tenant(SubscriptionsWrite), from [Admin, Portal]);

/// Subscriptions, newest first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ListSubscriptions {
    /// Which page.
    pub page: PageArgs,
    /// Only this developer's.
    pub developer: Option<DeveloperId>,
    /// Only this plan's.
    pub plan: Option<PlanId>,
}
call!(ListSubscriptions => Page<Subscription>, Billing, Tenant(SubscriptionsRead), from [Admin, Portal]);

/// One subscription.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct GetSubscription {
    /// The subscription.
    pub id: SubscriptionId,
}
call!(GetSubscription => Subscription, Billing, Tenant(SubscriptionsRead), from [Admin, Portal]);
