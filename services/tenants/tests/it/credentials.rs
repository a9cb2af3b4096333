//! Bearer tokens and access keys.

use chrono::TimeDelta;
use common::Code;
use contracts::tenants::{
    Authenticate, CreateAccessKey, CreateToken, ListAccessKeys, ListTokens, RevokeAccessKey, RevokeToken,
};
use contracts::{Ctx, Permission, Principal};
use database::Tx;
use testkit::{Store, on_both_stores};

use crate::role::Role;

on_both_stores!(
    a_token_proves_what_it_was_made_for_until_it_is_revoked,
    nobody_grants_more_than_they_may_do,
    no_credential_outlives_the_token_that_made_it,
    access_keys_are_listed_and_revoked,
    a_token_of_another_organization_does_not_exist,
    a_repeated_create_answers_the_first_token,
    secrets_are_not_stored_in_the_clear,
    access_keys_have_the_shape_aws_clients_expect,
    changes_are_audited_with_actor_and_request,
);

fn token(name: &str, permissions: &[Permission]) -> CreateToken {
    CreateToken { name: name.into(), permissions: permissions.to_vec(), expires_at: None }
}

async fn a_token_proves_what_it_was_made_for_until_it_is_revoked(store: Store) {
    let role = Role::start(store).await;
    let owner = role.owner("Acme").await;
    let end = role.now() + TimeDelta::hours(1);
    let ending = CreateToken { expires_at: Some(end), ..token("ending", &[]) };
    let ending = role.call(&owner, ending).await.unwrap();
    let created = role.call(&owner, token("ci", &[Permission::ApisWrite])).await.unwrap();
    assert!(created.secret.starts_with("tgt_") && created.secret.starts_with(&created.token.prefix));
    let authenticate = |secret: &str| Authenticate::Token { secret: secret.to_owned() };

    let identity = role.call(&role.edge(), authenticate(&created.secret)).await.unwrap();
    let expected = Principal::Token { token: created.token.id, permissions: vec![Permission::ApisWrite] };
    assert_eq!(
        (Some(identity.tenant.id), identity.principal, identity.email),
        (owner.tenant, expected, None)
    );
    let names: Vec<_> =
        role.call(&owner, ListTokens {}).await.unwrap().into_iter().map(|token| token.name).collect();
    assert_eq!(names.len(), 2);

    role.call(&owner, RevokeToken { id: created.token.id }).await.unwrap();
    let revoked = role.call(&role.edge(), authenticate(&created.secret)).await.unwrap_err();
    assert_eq!(revoked.code, Code::Unauthenticated);
    role.call(&role.edge(), authenticate(&ending.secret)).await.unwrap();
    role.advance(TimeDelta::hours(1));
    let ended = role.call(&role.edge(), authenticate(&ending.secret)).await.unwrap_err();
    assert_eq!(ended.code, Code::Unauthenticated);
    let unknown = role.call(&role.edge(), authenticate("tgt_unknown")).await.unwrap_err();
    assert_eq!(unknown.code, Code::Unauthenticated);
}

async fn nobody_grants_more_than_they_may_do(store: Store) {
    let role = Role::start(store).await;
    let owner = role.owner("Acme").await;
    let limited = [Permission::TokensWrite, Permission::ApisRead];
    let created = role.call(&owner, token("limited", &limited)).await.unwrap();
    let principal = Principal::Token { token: created.token.id, permissions: limited.to_vec() };
    let limited = Ctx { principal, ..owner.clone() };

    let more = role.call(&limited, token("more", &[Permission::ApisWrite])).await.unwrap_err();
    assert_eq!(more.code, Code::Forbidden);
    let same = role.call(&limited, token("same", &[])).await.unwrap();
    assert_eq!(same.token.permissions.len(), 2);
    let reader = Ctx {
        principal: Principal::Token { token: created.token.id, permissions: vec![Permission::ApisRead] },
        ..owner
    };
    assert_eq!(role.call(&reader, token("x", &[])).await.unwrap_err().code, Code::Forbidden);
    assert_eq!(role.call(&role.anonymous(), token("x", &[])).await.unwrap_err().code, Code::Unauthenticated);
}

async fn no_credential_outlives_the_token_that_made_it(store: Store) {
    let role = Role::start(store).await;
    let owner = role.owner("Acme").await;
    let end = role.now() + TimeDelta::hours(1);
    let minter = CreateToken { expires_at: Some(end), ..token("minter", &[]) };
    let minter = role.call(&owner, minter).await.unwrap().token;
    let principal = Principal::Token { token: minter.id, permissions: minter.permissions };
    let minter = Ctx { principal, ..owner.clone() };
    let later = Some(end + TimeDelta::days(1));
    let sooner = Some(end - TimeDelta::minutes(1));
    for (wanted, given) in [(None, Some(end)), (later, Some(end)), (sooner, sooner)] {
        let made = CreateToken { expires_at: wanted, ..token("made", &[]) };
        assert_eq!(role.call(&minter, made).await.unwrap().token.expires_at, given);
    }
    let refused = role.call(&minter, CreateAccessKey {}).await.unwrap_err();
    assert_eq!(refused.reason, "credentials_end");
}

async fn access_keys_are_listed_and_revoked(store: Store) {
    let role = Role::start(store).await;
    let (owner, stranger) = (role.owner("Acme").await, role.owner("Other").await);
    let key = role.call(&owner, CreateAccessKey {}).await.unwrap();
    let listed = role.call(&owner, ListAccessKeys {}).await.unwrap();
    assert_eq!((listed.len(), &listed[0].access_key_id), (1, &key.access_key_id));
    assert_eq!(listed[0].permissions.len(), Permission::ALL.len());
    let revoke = RevokeAccessKey { access_key_id: key.access_key_id };
    assert_eq!(role.call(&stranger, revoke.clone()).await.unwrap_err().code, Code::NotFound);
    role.call(&owner, revoke).await.unwrap();
    assert!(role.call(&owner, ListAccessKeys {}).await.unwrap().is_empty());
}

async fn a_token_of_another_organization_does_not_exist(store: Store) {
    let role = Role::start(store).await;
    let (acme, other) = (role.owner("Acme").await, role.owner("Other").await);
    let created = role.call(&acme, token("ci", &[])).await.unwrap();
    let refused = role.call(&other, RevokeToken { id: created.token.id }).await.unwrap_err();
    assert_eq!(refused.code, Code::NotFound);
    assert!(role.call(&other, ListTokens {}).await.unwrap().is_empty());
    role.call(&role.edge(), Authenticate::Token { secret: created.secret }).await.unwrap();
}

async fn a_repeated_create_answers_the_first_token(store: Store) {
    let role = Role::start(store).await;
    let owner = Ctx { idempotency_key: Some("once".into()), ..role.owner("Acme").await };
    let races = (0..6).map(|_| {
        let (client, ctx) = (role.client.clone(), owner.clone());
        tokio::spawn(async move { client.call(&ctx, token("ci", &[])).await.unwrap().secret })
    });
    let mut secrets = Vec::new();
    for race in races.collect::<Vec<_>>() {
        secrets.push(race.await.unwrap());
    }
    secrets.dedup();
    assert_eq!(secrets.len(), 1);
    assert_eq!(role.call(&owner, ListTokens {}).await.unwrap().len(), 1);
    let other = role.call(&owner, token("other", &[])).await.unwrap_err();
    assert_eq!((other.code, other.reason.as_ref()), (Code::Conflict, "idempotency_key_reused"));
}

async fn secrets_are_not_stored_in_the_clear(store: Store) {
    let role = Role::start(store).await;
    let owner = Ctx { idempotency_key: Some("once".into()), ..role.owner("Acme").await };
    let created = role.call(&owner, token("ci", &[])).await.unwrap();
    let key = role.call(&owner, CreateAccessKey {}).await.unwrap();
    let signed_in = role.sign_up("Other").await;
    let texts = stored(&role, "SELECT outcome AS text FROM idempotency_keys").await
        + &stored(&role, "SELECT secret_sealed AS text FROM access_keys").await
        + &stored(&role, "SELECT secret_sha256 AS text FROM tokens").await
        + &stored(&role, "SELECT secret_sha256 AS text FROM sessions").await
        + &stored(&role, "SELECT patch AS text FROM audit_entries").await;
    for secret in [created.secret, key.secret_access_key, signed_in.session_secret] {
        assert!(!texts.contains(&secret));
    }
}

async fn access_keys_have_the_shape_aws_clients_expect(store: Store) {
    let role = Role::start(store).await;
    let owner = role.owner("Acme").await;
    let key = role.call(&owner, CreateAccessKey {}).await.unwrap();
    let id = key.access_key_id;
    assert!(id.len() == 20 && id.starts_with("AKIA"), "{id}");
    assert!(id.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit()), "{id}");
    assert_eq!(key.secret_access_key.len(), 40);
}

async fn changes_are_audited_with_actor_and_request(store: Store) {
    let role = Role::start(store).await;
    let owner = role.owner("Acme").await;
    let created = role.call(&owner, token("ci", &[])).await.unwrap();
    role.call(&owner, RevokeToken { id: created.token.id }).await.unwrap();
    let entries =
        "SELECT action || ' ' || actor || ' ' || request_id AS text FROM audit_entries ORDER BY at, id";
    let entries = stored(&role, entries).await;
    let Principal::Member { user, .. } = owner.principal else { panic!("not a member") };
    assert!(entries.contains("tenant.create anonymous"), "{entries}");
    for action in ["token.create", "token.revoke"] {
        assert!(entries.contains(&format!("{action} {user} {}", owner.request_id)), "{entries}");
    }
}

/// All values of the column `text` of a query across tenants.
async fn stored(role: &Role, query: &str) -> String {
    let tx = role.store.database.system_read("a test looks at what is stored").await.unwrap();
    let backend = role.store.database.backend();
    let statement = sea_orm::Statement::from_string(backend, query);
    let rows = sea_orm::ConnectionTrait::query_all_raw(tx.conn(), statement).await.unwrap();
    assert!(!rows.is_empty(), "{query}");
    rows.iter().map(|row| row.try_get::<String>("", "text").unwrap() + "\n").collect()
}
