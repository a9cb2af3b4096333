//! Usage plans, keys and the stream that gateways follow.

use std::collections::BTreeMap;

use chrono::TimeDelta;
use common::Code;
use common::PageArgs;
use common::id::{ApiId, GatewayId, KeyId, SubscriptionId};
use common::secret::sha256_hex;
use contracts::metering::{
    AccessEntry, DeleteApiKey, DeleteUsagePlan, FollowAccess, GetApiKey, GetQuotaStatus, GetUsagePlan,
    KeyEntry, ListApiKeys, ListUsagePlans, Period, PeriodBegin, Quota, RevealApiKey, RevokeApiKey,
    RotateApiKey, Throttle, UpdateApiKey, UpdateUsagePlan, UsedUnits,
};
use contracts::stream::{Change, Follow, Liveness};
use database::Tx;
use futures_util::future::join_all;
use metering::Limits;
use sea_orm::{ConnectionTrait, QueryResult, Statement};

use crate::on_both_stores;
use crate::world::{World, key_content, plan_content, reason, replace, unknown_key};

on_both_stores![
    a_plan_is_read_back_as_it_was_written,
    changes_of_different_fields_at_the_same_moment_both_last,
    a_plan_names_only_stages_that_exist,
    a_plan_that_is_sold_cannot_be_deleted,
    a_repeat_makes_anew_what_was_taken_back,
    a_plan_in_use_cannot_be_deleted,
    a_key_has_one_plan_per_stage_whichever_side_changes,
    a_value_belongs_to_one_key_of_the_installation,
    creating_a_key_again_with_its_id_finds_it,
    an_idempotency_key_makes_one_plan_and_one_key,
    a_rotation_sent_twice_rotates_once,
    a_rotation_keeps_the_key_and_admits_the_old_value_for_its_grace_alone,
    a_revoked_key_stays_revoked,
    a_value_shown_once_is_not_kept,
    foreign_ids_are_not_found,
    lists_page_through_everything_newest_first,
    a_change_is_noted_with_who_made_it,
    followers_end_with_the_owners_state,
    a_change_waits_for_live_gateways_and_says_when_they_lag,
    limits_hold_when_everything_is_made_at_once,
];

const QUOTA: Quota = Quota {
    limit: 100,
    period: Period::Month,
    offset: 7,
    begins: PeriodBegin::Calendar { time_zone: chrono_tz::Tz::Europe__Berlin },
};

async fn a_plan_is_read_back_as_it_was_written(world: World) {
    let owner = world.owner();
    let mut content = plan_content(Some(QUOTA), &[(world.api, "prod"), (world.api, "dev")]);
    content.terms.throttle = Some(Throttle { rate_limit: 0.25, burst_limit: 7 });
    content.terms.stages[0].throttle =
        BTreeMap::from([("/pets/GET".to_owned(), Throttle { rate_limit: 1.5, burst_limit: 3 })]);
    let saved = owner.call(content.clone()).await.unwrap().usage_plan;
    assert_eq!(owner.call(GetUsagePlan { id: saved.id }).await.unwrap(), saved);
    assert_eq!(saved.terms, content.terms);
    content.terms.quotas.clear();
    content.terms.stages.pop();
    let updated = owner.call(replace(saved.id, content)).await.unwrap().usage_plan;
    assert_eq!(owner.call(GetUsagePlan { id: saved.id }).await.unwrap(), updated);
    assert_eq!((updated.created_at, updated.terms.quotas.len()), (saved.created_at, 0));
    assert_eq!(updated.terms.stages.len(), 1);
}

async fn changes_of_different_fields_at_the_same_moment_both_last(world: World) {
    let owner = world.owner();
    let plan = owner.plan(Some(QUOTA), &[(world.api, "prod")]).await;
    for _ in 0..5 {
        let named = UpdateUsagePlan { name: Some("new".into()), ..UpdateUsagePlan::nothing(plan.id) };
        let bounded = UpdateUsagePlan { quotas: Some(Vec::new()), ..UpdateUsagePlan::nothing(plan.id) };
        let (named, bounded) = tokio::join!(owner.call(named), owner.call(bounded));
        named.unwrap();
        bounded.unwrap();
        let both = owner.call(GetUsagePlan { id: plan.id }).await.unwrap();
        assert_eq!((both.name.as_str(), both.terms.quotas.len()), ("new", 0));
        assert_eq!(both.terms.stages, plan.terms.stages);
        let content = plan_content(Some(QUOTA), &[(world.api, "prod")]);
        owner.call(replace(plan.id, content)).await.unwrap();
    }
}

async fn a_plan_names_only_stages_that_exist(world: World) {
    let owner = world.owner();
    for (api, stage, field) in
        [(world.api, "test", "stages[0].stage"), (ApiId::random(), "prod", "stages[0].apiId")]
    {
        let error = owner.call(plan_content(None, &[(api, stage)])).await.unwrap_err();
        assert_eq!(error.fields[0].field, field);
    }
    // Another tenant's API looks like none.
    let error = world.stranger().call(plan_content(None, &[(world.api, "prod")])).await.unwrap_err();
    assert_eq!(error.fields[0].field, "stages[0].apiId");
}

async fn a_plan_in_use_cannot_be_deleted(world: World) {
    let owner = world.owner();
    let plan = owner.plan(None, &[]).await;
    let key = owner.key(&[plan.id]).await.api_key;
    assert_eq!(reason(owner.call(DeleteUsagePlan { id: plan.id }).await), "usage_plan_in_use");
    owner.call(RevokeApiKey { id: key.id }).await.unwrap();
    owner.call(DeleteUsagePlan { id: plan.id }).await.unwrap();
    assert_eq!(reason(owner.call(GetUsagePlan { id: plan.id }).await), "usage_plan_not_found");
    assert_eq!(owner.call(GetApiKey { id: key.id }).await.unwrap().usage_plans, []);
}

async fn a_plan_that_is_sold_cannot_be_deleted(world: World) {
    let owner = world.owner();
    let plan = owner.plan(None, &[]).await;
    world.billing.sold.lock().push(plan.id);
    assert_eq!(reason(owner.call(DeleteUsagePlan { id: plan.id }).await), "usage_plan_sold");
    world.billing.sold.lock().clear();
    owner.call(DeleteUsagePlan { id: plan.id }).await.unwrap();
}

async fn a_repeat_makes_anew_what_was_taken_back(world: World) {
    let owner = world.owner().with_idempotency_key("once");
    let taken_back = owner.call(plan_content(None, &[])).await.unwrap().usage_plan;
    owner.call(DeleteUsagePlan { id: taken_back.id }).await.unwrap();
    let anew = owner.call(plan_content(None, &[])).await.unwrap().usage_plan;
    assert_eq!(owner.call(GetUsagePlan { id: anew.id }).await.unwrap(), anew);
    assert_eq!(owner.call(plan_content(None, &[])).await.unwrap().usage_plan, anew);
}

async fn a_key_has_one_plan_per_stage_whichever_side_changes(world: World) {
    let owner = world.owner();
    let prod = owner.plan(None, &[(world.api, "prod")]).await;
    let both = owner.plan(None, &[(world.api, "dev"), (world.api, "prod")]).await;
    let dev = owner.plan(None, &[(world.api, "dev")]).await;
    assert_eq!(reason(owner.call(key_content(&[prod.id, both.id])).await), "one_usage_plan_per_stage");
    let key = owner.key(&[prod.id, dev.id]).await.api_key;
    let change = UpdateApiKey {
        id: key.id,
        name: None,
        enabled: None,
        usage_plans: Some(vec![both.id, dev.id]),
        used_units: UsedUnits::Reset,
        plan: None,
    };
    assert_eq!(reason(owner.call(change).await), "one_usage_plan_per_stage");
    let content = plan_content(None, &[(world.api, "dev"), (world.api, "prod")]);
    assert_eq!(reason(owner.call(replace(dev.id, content)).await), "one_usage_plan_per_stage");
    assert_eq!(owner.call(GetApiKey { id: key.id }).await.unwrap().usage_plans, [prod.id, dev.id]);
    let eleven: Vec<_> = std::iter::repeat_n(prod.id, 11).collect();
    assert_eq!(reason(owner.call(key_content(&eleven)).await), "invalid");
}

async fn a_value_belongs_to_one_key_of_the_installation(world: World) {
    let (owner, stranger) = (world.owner(), world.stranger());
    let mut content = key_content(&[]);
    content.value = Some("brought-along_0123456789".to_owned());
    owner.call(content.clone()).await.unwrap();
    let refusal = stranger.call(content.clone()).await.unwrap_err();
    assert_eq!(refusal.reason, "api_key_value_taken");
    assert_eq!(refusal.message, owner.call(content.clone()).await.unwrap_err().message);
    let other = stranger.key(&[]).await.api_key;
    let rotation = RotateApiKey { id: other.id, grace_seconds: 0, value: content.value };
    assert_eq!(reason(stranger.call(rotation).await), "api_key_value_taken");
}

async fn creating_a_key_again_with_its_id_finds_it(world: World) {
    let owner = world.owner();
    let mut content = key_content(&[]);
    content.id = Some(KeyId::new(world.clock.now()));
    let first = owner.call(content.clone()).await.unwrap();
    let again = owner.call(content.clone()).await.unwrap();
    assert_eq!((&again.api_key, &again.value), (&first.api_key, &first.value));
    assert!(first.value.unwrap().starts_with("tg_live_"));
    assert_eq!(reason(world.stranger().call(content).await), "api_key_not_found");
}

async fn an_idempotency_key_makes_one_plan_and_one_key(world: World) {
    let owner = world.owner().with_idempotency_key("once");
    let plan = owner.call(plan_content(None, &[])).await.unwrap().usage_plan;
    assert_eq!(owner.call(plan_content(None, &[])).await.unwrap().usage_plan, plan);
    let key = owner.call(key_content(&[plan.id])).await.unwrap();
    let again = owner.call(key_content(&[plan.id])).await.unwrap();
    assert_eq!((again.api_key, again.value), (key.api_key, key.value));
    assert_eq!(reason(owner.call(key_content(&[])).await), "idempotency_key_reused");
}

async fn entry(world: &World, key: KeyId) -> KeyEntry {
    let wanted = format!("key/{key}");
    match newest(world).await.remove(&wanted).unwrap().state {
        Some(AccessEntry::Key(entry)) => entry,
        other => panic!("{other:?}"),
    }
}

/// The stream read from its start.
async fn newest(world: &World) -> BTreeMap<String, Change<AccessEntry>> {
    let mut applied = 0;
    let mut state = BTreeMap::new();
    loop {
        let follow = Follow { gateway: GatewayId::new(world.clock.now()), applied, after: None, wait_ms: 0 };
        let changes = world.call(FollowAccess { follow }).await.unwrap();
        applied = changes.revision;
        for change in changes.changes {
            state.insert(change.key.clone(), change);
        }
        if !changes.more {
            return state;
        }
    }
}

async fn a_rotation_keeps_the_key_and_admits_the_old_value_for_its_grace_alone(world: World) {
    let owner = world.owner();
    let plan = owner.plan(None, &[(world.api, "prod")]).await;
    let mut content = key_content(&[plan.id]);
    content.expires_at = Some(world.clock.now() + TimeDelta::days(40));
    let made = owner.call(content).await.unwrap();
    let id = made.api_key.id;
    world.advance(TimeDelta::seconds(5));
    let rotated = owner.call(RotateApiKey { id, grace_seconds: 90, value: None }).await.unwrap();
    let (old, new) = (made.value.unwrap(), rotated.value.unwrap());
    let published = entry(&world, id).await;
    let end = world.clock.now() + TimeDelta::seconds(90);
    assert_eq!(published.sha256, sha256_hex(new.as_bytes()));
    assert_eq!(published.previous, Some((sha256_hex(old.as_bytes()), end)));
    assert_eq!((published.usage_plans, published.expires_at), (vec![plan.id], made.api_key.expires_at));
    assert_eq!(owner.call(RevealApiKey { id }).await.unwrap(), new);
    assert_eq!(owner.call(GetApiKey { id }).await.unwrap().previous_until, Some(end));
    world.clock.set(end);
    assert_eq!(owner.call(GetApiKey { id }).await.unwrap().previous_until, None);
    owner.call(RotateApiKey { id, grace_seconds: 0, value: None }).await.unwrap();
    assert_eq!(entry(&world, id).await.previous, None);
}

async fn a_rotation_sent_twice_rotates_once(world: World) {
    let made = world.owner().key(&[]).await;
    let owner = world.owner().with_idempotency_key("once");
    let rotation = RotateApiKey { id: made.api_key.id, grace_seconds: 90, value: None };
    let first = owner.call(rotation.clone()).await.unwrap();
    world.advance(TimeDelta::seconds(1));
    let second = owner.call(rotation).await.unwrap();
    assert_eq!((second.value, second.api_key.previous_until), (first.value, first.api_key.previous_until));
    let previous = entry(&world, made.api_key.id).await.previous.unwrap();
    assert_eq!(previous.0, sha256_hex(made.value.unwrap().as_bytes()), "the value in use keeps its grace");
}

async fn a_revoked_key_stays_revoked(world: World) {
    let owner = world.owner();
    let id = owner.key(&[]).await.api_key.id;
    let revoked = owner.call(RevokeApiKey { id }).await.unwrap().api_key;
    assert_eq!((revoked.enabled, revoked.revoked_at), (false, Some(world.clock.now())));
    assert!(!entry(&world, id).await.enabled);
    world.advance(TimeDelta::seconds(1));
    assert_eq!(owner.call(RevokeApiKey { id }).await.unwrap().api_key.revoked_at, revoked.revoked_at);
    let enable = UpdateApiKey {
        id,
        name: None,
        enabled: Some(true),
        usage_plans: None,
        used_units: UsedUnits::Reset,
        plan: None,
    };
    assert_eq!(reason(owner.call(enable).await), "api_key_revoked");
    assert_eq!(
        reason(owner.call(RotateApiKey { id, grace_seconds: 0, value: None }).await),
        "api_key_revoked"
    );
    owner.call(DeleteApiKey { id }).await.unwrap();
    assert_eq!(newest(&world).await[&format!("key/{id}")].state, None);
}

async fn a_value_shown_once_is_not_kept(world: World) {
    let owner = world.owner();
    let mut content = key_content(&[]);
    content.shown_once = true;
    content.id = Some(KeyId::new(world.clock.now()));
    assert!(owner.call(content.clone()).await.unwrap().value.is_some());
    assert_eq!(owner.call(content.clone()).await.unwrap().value, None);
    let id = content.id.unwrap();
    assert_eq!(reason(owner.call(RevealApiKey { id }).await), "api_key_shown_once");
}

async fn foreign_ids_are_not_found(world: World) {
    let (owner, stranger) = (world.owner(), world.stranger());
    let plan = owner.plan(Some(QUOTA), &[]).await;
    let id = owner.key(&[plan.id]).await.api_key.id;
    for id in [id, unknown_key(&world)] {
        let update = UpdateApiKey {
            id,
            name: Some("x".into()),
            enabled: None,
            usage_plans: None,
            used_units: UsedUnits::Reset,
            plan: None,
        };
        assert_eq!(reason(stranger.call(GetApiKey { id }).await), "api_key_not_found");
        assert_eq!(reason(stranger.call(update).await), "api_key_not_found");
        assert_eq!(
            reason(stranger.call(RotateApiKey { id, grace_seconds: 0, value: None }).await),
            "api_key_not_found"
        );
        assert_eq!(reason(stranger.call(RevokeApiKey { id }).await), "api_key_not_found");
        assert_eq!(reason(stranger.call(DeleteApiKey { id }).await), "api_key_not_found");
        assert_eq!(reason(stranger.call(RevealApiKey { id }).await), "api_key_not_found");
        assert_eq!(reason(stranger.call(GetQuotaStatus { id }).await), "api_key_not_found");
    }
    let id = plan.id;
    assert_eq!(reason(stranger.call(GetUsagePlan { id }).await), "usage_plan_not_found");
    let content = plan_content(None, &[]);
    assert_eq!(reason(stranger.call(replace(id, content)).await), "usage_plan_not_found");
    assert_eq!(reason(stranger.call(DeleteUsagePlan { id }).await), "usage_plan_not_found");
    assert_eq!(reason(stranger.call(key_content(&[id])).await), "usage_plan_not_found");
    let page = PageArgs::default();
    assert_eq!(stranger.call(ListUsagePlans { page: page.clone() }).await.unwrap().items, []);
    let list = ListApiKeys { page, usage_plan: Some(id), subscription: None };
    assert_eq!(stranger.call(list).await.unwrap().items, []);
}

async fn lists_page_through_everything_newest_first(world: World) {
    let owner = world.owner();
    let plan = owner.plan(None, &[]).await;
    let mut made = Vec::new();
    for at in 0..5 {
        world.advance(TimeDelta::milliseconds(2));
        let plans = if at % 2 == 0 { vec![plan.id] } else { vec![] };
        made.push(owner.key(&plans).await.api_key.id);
    }
    made.reverse();
    let mut seen = Vec::new();
    let mut page = PageArgs { first: Some(2), after: None };
    loop {
        let list = ListApiKeys { page: page.clone(), usage_plan: None, subscription: None };
        let answer = owner.call(list).await.unwrap();
        seen.extend(answer.items.iter().map(|key| key.id));
        let Some(next) = answer.next else { break };
        page.after = Some(next);
    }
    assert_eq!(seen, made);
    let of_plan = ListApiKeys { page: PageArgs::default(), usage_plan: Some(plan.id), subscription: None };
    assert_eq!(owner.call(of_plan).await.unwrap().items.len(), 3);
}

async fn a_change_is_noted_with_who_made_it(world: World) {
    let owner = world.owner();
    let key = owner.key(&[]).await.api_key.id;
    owner.call(RevokeApiKey { id: key }).await.unwrap();
    world.stranger().call(RevokeApiKey { id: key }).await.unwrap_err();
    let select = "SELECT tenant_id, actor, action FROM audit_entries WHERE object = $1 ORDER BY action";
    let select = Statement::from_sql_and_values(world.database.backend(), select, [key.to_string().into()]);
    let tx = world.database.system_read("a test").await.unwrap();
    let rows = tx.conn().query_all_raw(select).await.unwrap();
    let text = |row: &QueryResult, column: &str| row.try_get::<String>("", column).unwrap();
    let noted: Vec<_> = rows.iter().map(|row| (text(row, "actor"), text(row, "action"))).collect();
    let by_admin = |action: &str| ("role:admin".to_owned(), action.to_owned());
    assert_eq!(noted, [by_admin("api_key.create"), by_admin("api_key.revoke")]);
    assert!(rows.iter().all(|row| text(row, "tenant_id") == owner.tenant().to_string()));
}

async fn followers_end_with_the_owners_state(world: World) {
    let owner = world.owner();
    let plan = owner.plan(Some(QUOTA), &[(world.api, "prod")]).await;
    let key = owner.key(&[plan.id]).await;
    let state = newest(&world).await;
    let Some(AccessEntry::UsagePlan(published)) = &state[&format!("usage_plan/{}", plan.id)].state else {
        panic!("{state:?}")
    };
    assert_eq!((&*published.terms.quotas, published.tenant), (&[QUOTA][..], owner.tenant()));
    let published = entry(&world, key.api_key.id).await;
    assert_eq!(published.sha256, sha256_hex(key.value.unwrap().as_bytes()));
    assert_eq!(published.tenant, owner.tenant());
    let text = serde_json::to_string(&state).unwrap();
    assert!(!text.contains("tg_live_"), "a value is in the stream");
}

async fn a_change_waits_for_live_gateways_and_says_when_they_lag(world: World) {
    let owner = world.owner();
    let gateway = GatewayId::new(world.clock.now());
    let follow =
        |applied, wait_ms| FollowAccess { follow: Follow { gateway, applied, after: None, wait_ms } };
    let before = world.call(follow(0, 0)).await.unwrap().revision;
    assert_eq!(owner.call(plan_content(None, &[])).await.unwrap().liveness, Liveness::Pending);
    let following = async {
        let mut applied = before;
        loop {
            applied = world.call(follow(applied, 5_000)).await.unwrap().revision;
        }
    };
    let saved = tokio::select! {
        saved = owner.call(plan_content(None, &[])) => saved.unwrap(),
        () = following => unreachable!(),
    };
    assert_eq!(saved.liveness, Liveness::Live);
}

async fn limits_hold_when_everything_is_made_at_once(world: World) {
    let limits = Limits { usage_plans: 2, stages_per_usage_plan: 1, api_keys: 3 };
    let world = world.limited(limits).await;
    let owner = world.owner();
    let two = plan_content(None, &[(world.api, "prod"), (world.api, "dev")]);
    let refused = owner.call(two).await.unwrap_err();
    assert_eq!(refused.message, "the limit stages_per_usage_plan is reached: at most 1");
    let plans = (0..5).map(|_| owner.call(plan_content(None, &[(world.api, "prod")])));
    let plans: Vec<_> = join_all(plans).await;
    let keys: Vec<_> = join_all((0..6).map(|_| owner.call(key_content(&[])))).await;
    assert_eq!(plans.iter().filter(|made| made.is_ok()).count(), 2);
    assert_eq!(keys.iter().filter(|made| made.is_ok()).count(), 3);
    for refused in plans.into_iter().filter_map(Result::err).chain(keys.into_iter().filter_map(Result::err)) {
        assert_eq!((refused.code, refused.reason.as_ref()), (Code::LimitExceeded, "limit_exceeded"));
    }
    // A subscription that was made gets its key; another organization has its own count.
    let mut sold = key_content(&[]);
    sold.subscription = Some(SubscriptionId::new(world.clock.now()));
    owner.call(sold).await.unwrap();
    world.stranger().call(key_content(&[])).await.unwrap();
}
