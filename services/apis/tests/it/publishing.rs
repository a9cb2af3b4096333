//! Deploying, rolling back, stage settings, and what gateways follow.

use apidef::Edit;
use apidef::model::{ApiTexts, Verb};
use apis::{Config, Limits};
use common::id::{ApiId, DeploymentId};
use common::{Code, PageArgs};
use contracts::Ctx;
use contracts::apis::{
    DeleteApi, DeployApi, EditApi, GetApi, ImportApi, ListDeployments, SecretHeader, SetStageDeployment,
    StageSettings, UpdateStage,
};
use contracts::metering::Throttle;
use contracts::stream::Liveness;
use database::Tx;
use sea_orm::{ConnectionTrait, Statement};
use testkit::{Store, on_both_stores};

use crate::role::{Role, pets};

on_both_stores!(
    a_deployment_stays_as_it_was_made_and_can_be_returned_to,
    settings_are_published_and_bounded,
    an_api_has_at_most_ten_stages,
    a_repeated_deploy_makes_one_deployment,
    a_change_is_live_when_the_gateways_have_it,
    what_is_missing_is_named,
    a_stage_that_cannot_be_read_hides_no_other,
    an_organization_has_no_more_apis_than_its_limit,
    the_oldest_deployments_make_room_but_those_that_are_served,
);

async fn rename(role: &Role, ctx: &Ctx, id: ApiId, name: &str) {
    let texts = ApiTexts { name: Some(name.into()), ..ApiTexts::default() };
    let edits = vec![Edit::SetTexts { texts }];
    let edit = EditApi { id, expected_revision: None, edits, secret_headers: None };
    role.call(ctx, edit).await.unwrap();
}

fn deploy(id: ApiId, stage: &str) -> DeployApi {
    DeployApi { id, stage: stage.into(), description: Some("why".into()) }
}

async fn a_deployment_stays_as_it_was_made_and_can_be_returned_to(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    let imported = role.import(&ctx).await;
    let (id, first) = (imported.api.id, imported.deployment.unwrap());
    rename(&role, &ctx, id, "Second").await;
    role.advance();
    let ctx = Ctx { now: role.clock.now(), ..ctx };
    let second = role.call(&ctx, deploy(id, "v1")).await.unwrap();
    assert_eq!((second.deployment.revision, second.stage.undeployed_changes), (2, false));
    let gateway = role.gateway();
    let served = role.follow(gateway, 0).await;
    assert_eq!(served.changes[0].state.as_ref().unwrap().document.name, "Second");

    let back = SetStageDeployment { id, stage: "v1".into(), deployment: first.id };
    let back = role.call(&ctx, back).await.unwrap();
    assert_eq!((back.stage.deployment, &back.deployment), (first.id, &first));
    assert!(back.stage.undeployed_changes);
    let served = role.follow(gateway, served.revision).await;
    let entry = served.changes[0].state.as_ref().unwrap();
    assert_eq!((entry.document.name.as_str(), entry.deployment), ("Pets", first.id));
    assert!(entry.document.method("/pets", Verb::Get).is_some());
    assert_eq!(role.call(&ctx, GetApi { id }).await.unwrap().document.name, "Second");

    let mut page = PageArgs { first: Some(1), after: None };
    let newest = role.call(&ctx, ListDeployments { id, page: page.clone() }).await.unwrap();
    assert_eq!(newest.items, [second.deployment]);
    page.after = newest.next;
    let oldest = role.call(&ctx, ListDeployments { id, page }).await.unwrap();
    assert_eq!((oldest.items.as_slice(), oldest.next), ([first].as_slice(), None));
}

async fn settings_are_published_and_bounded(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    let id = role.import(&ctx).await.api.id;
    let settings = StageSettings {
        payload_limit: Some(1024),
        throttle: Some(Throttle { rate_limit: 5.5, burst_limit: 10 }),
        method_throttles: [("/pets/GET".to_owned(), Throttle { rate_limit: 1.0, burst_limit: 2 })].into(),
        variables: [("color".to_owned(), "blue".to_owned())].into(),
    };
    let update = |settings: &StageSettings| UpdateStage {
        id,
        stage: "v1".into(),
        payload_limit: Some(settings.payload_limit),
        throttle: Some(settings.throttle),
        method_throttles: Some(settings.method_throttles.clone()),
        variables: Some(settings.variables.clone()),
    };
    let updated = role.call(&ctx, update(&settings)).await.unwrap();
    assert_eq!(updated.stage.settings, settings);
    let entry = role.follow(role.gateway(), 0).await.changes.remove(0).state.unwrap();
    assert_eq!(entry.settings, settings);

    let broken = StageSettings { payload_limit: Some(0), ..settings.clone() };
    assert_eq!(role.call(&ctx, update(&broken)).await.unwrap_err().code, Code::Invalid);
    let unknown = [("/planets/GET".to_owned(), Throttle { rate_limit: 1.0, burst_limit: 2 })].into();
    let refused = role.call(&ctx, update(&StageSettings { method_throttles: unknown, ..settings.clone() }));
    assert_eq!(refused.await.unwrap_err().fields[0].field, "settings.methodThrottles[/planets/GET]");
    // Two changes at the same moment both last.
    let nothing = UpdateStage {
        id,
        stage: "v1".into(),
        payload_limit: None,
        method_throttles: None,
        throttle: None,
        variables: None,
    };
    let limit = role.call(&ctx, UpdateStage { payload_limit: Some(Some(2048)), ..nothing.clone() });
    let throttle = role.call(&ctx, UpdateStage { throttle: Some(None), ..nothing });
    let (limit, throttle) = tokio::join!(limit, throttle);
    limit.unwrap();
    throttle.unwrap();
    let settings = StageSettings { payload_limit: Some(2048), throttle: None, ..settings };
    // A new deployment keeps the settings.
    let deployed = role.call(&ctx, deploy(id, "v1")).await.unwrap();
    assert_eq!(deployed.stage.settings, settings);
}

async fn an_api_has_at_most_ten_stages(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    let id = role.import(&ctx).await.api.id;
    for number in 2..=10 {
        role.call(&ctx, deploy(id, &format!("v{number}"))).await.unwrap();
    }
    let refused = role.call(&ctx, deploy(id, "v11")).await.unwrap_err();
    assert_eq!((refused.code, refused.reason.as_ref()), (Code::LimitExceeded, "limit_exceeded"));
    assert_eq!(refused.message, "the limit stages_per_api is reached: at most 10");
    role.call(&ctx, deploy(id, "v10")).await.unwrap();
    let page = PageArgs::default();
    assert_eq!(role.call(&ctx, ListDeployments { id, page }).await.unwrap().items.len(), 11);
}

async fn a_repeated_deploy_makes_one_deployment(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    let id = role.import(&ctx).await.api.id;
    let once = Ctx { idempotency_key: Some("deploy-1".into()), ..ctx.clone() };
    let first = role.call(&once, deploy(id, "v2")).await.unwrap();
    let again = role.call(&once, deploy(id, "v2")).await.unwrap();
    assert_eq!(first.deployment, again.deployment);
    let page = PageArgs::default();
    assert_eq!(role.call(&ctx, ListDeployments { id, page }).await.unwrap().items.len(), 2);
}

async fn a_change_is_live_when_the_gateways_have_it(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    let id = role.import(&ctx).await.api.id;
    let gateway = role.gateway();
    let seen = role.follow(gateway, 0).await.revision;
    role.follow(gateway, seen).await;
    let waiting = {
        let (client, ctx) = (role.client.clone(), ctx.clone());
        tokio::spawn(async move { client.call(&ctx, deploy(id, "v1")).await.unwrap().liveness })
    };
    // The gateway applies the change and reports it with its next question.
    let patience = std::time::Duration::from_secs(10);
    let mut applied = seen;
    let followed = testkit::eventually(patience, async || {
        applied = role.follow(gateway, applied).await.revision;
        applied > seen
    });
    assert!(followed.await);
    role.follow(gateway, applied).await;
    assert_eq!(waiting.await.unwrap(), Liveness::Live);
    // Now it falls silent.
    assert_eq!(role.call(&ctx, deploy(id, "v1")).await.unwrap().liveness, Liveness::Pending);
}

async fn what_is_missing_is_named(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    let imported = role.import(&ctx).await;
    let (id, deployment) = (imported.api.id, imported.deployment.unwrap().id);
    let other = role.import(&ctx).await.deployment.unwrap().id;
    let set = |stage: &str, deployment| SetStageDeployment { id, stage: stage.into(), deployment };
    for (call, reason) in [
        (set("v9", deployment), "stage_not_found"),
        (set("v1", DeploymentId::new(role.clock.now())), "deployment_not_found"),
        (set("v1", other), "deployment_not_found"),
    ] {
        let error = role.call(&ctx, call).await.unwrap_err();
        assert_eq!((error.code, error.reason.as_ref()), (Code::NotFound, reason));
    }
    let stranger = role.tenant();
    assert_eq!(role.call(&stranger, set("v1", deployment)).await.unwrap_err().code, Code::NotFound);
    assert_eq!(role.call(&stranger, deploy(id, "v1")).await.unwrap_err().code, Code::NotFound);
    let list = ListDeployments { id, page: PageArgs::default() };
    assert_eq!(role.call(&stranger, list).await.unwrap_err().code, Code::NotFound);
    let update = UpdateStage {
        id,
        stage: "v1".into(),
        payload_limit: Some(None),
        method_throttles: None,
        throttle: None,
        variables: None,
    };
    assert_eq!(role.call(&stranger, update).await.unwrap_err().code, Code::NotFound);
}

async fn a_stage_that_cannot_be_read_hides_no_other(store: Store) {
    let role = Role::start(store).await;
    let ctx = role.tenant();
    let secret = SecretHeader { name: "x-secret".into(), value: "v".into() };
    let spoiled = [
        ("UPDATE deployments SET document = '{' WHERE api_id = $1", Vec::new()),
        ("UPDATE changes SET state = '{}' WHERE change_key LIKE 'stage/' || $1 || '/%'", Vec::new()),
        (
            "UPDATE changes SET state = replace(state, '\"secret_headers_sealed\":\"', '\"secret_headers_sealed\":\"x') \
             WHERE change_key LIKE 'stage/' || $1 || '/%'",
            vec![secret],
        ),
    ];
    for (sql, secret_headers) in spoiled {
        let import = ImportApi { secret_headers, ..pets() };
        let id = role.call(&ctx, import).await.unwrap().api.id;
        let tx = role.store.database.tenant(&ctx).await.unwrap();
        let values = [id.to_string().into()];
        let statement = Statement::from_sql_and_values(tx.conn().get_database_backend(), sql, values);
        assert_eq!(tx.conn().execute_raw(statement).await.unwrap().rows_affected(), 1, "{sql}");
        tx.commit().await.unwrap();
    }
    let sound = role.import(&ctx).await.api.id;
    let served = role.follow(role.gateway(), 0).await.changes;
    let faults: Vec<_> = served.iter().map(|change| change.fault.is_some()).collect();
    assert_eq!(faults, [true, true, true, false]);
    assert!(served[..3].iter().all(|change| change.state.is_none()));
    assert_eq!(served[3].state.as_ref().unwrap().api, sound);
}

fn limited(apis: u64, deployments_per_api: u64) -> Config {
    Config { limits: Limits { apis, deployments_per_api, ..Limits::default() }, ..Config::default() }
}

async fn an_organization_has_no_more_apis_than_its_limit(store: Store) {
    let role = Role::configured(store, limited(2, 100)).await;
    let ctx = role.tenant();
    let api = role.import(&ctx).await.api.id;
    role.import(&ctx).await;
    let refused = role.call(&ctx, pets()).await.unwrap_err();
    assert_eq!((refused.code, refused.reason.as_ref()), (Code::LimitExceeded, "limit_exceeded"));
    assert_eq!(refused.message, "the limit apis is reached: at most 2");
    role.call(&ctx, ImportApi { api: Some(api), ..pets() }).await.unwrap();
    role.import(&role.tenant()).await;
    role.call(&ctx, DeleteApi { id: api }).await.unwrap();
    role.import(&ctx).await;
}

async fn the_oldest_deployments_make_room_but_those_that_are_served(store: Store) {
    let role = Role::configured(store, limited(10, 3)).await;
    let ctx = role.tenant();
    let imported = role.import(&ctx).await;
    let (id, first) = (imported.api.id, imported.deployment.unwrap().id);
    let mut made = vec![first];
    for _ in 0..5 {
        role.advance();
        let ctx = Ctx { now: role.clock.now(), ..ctx.clone() };
        made.push(role.call(&ctx, deploy(id, "v2")).await.unwrap().deployment.id);
    }
    let page = PageArgs::default();
    let kept = role.call(&ctx, ListDeployments { id, page }).await.unwrap().items;
    let kept: Vec<_> = kept.into_iter().map(|deployment| deployment.id).collect();
    assert_eq!(kept, [made[5], made[4], made[3], first]);
}
