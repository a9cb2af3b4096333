//! Signing up, in and out.

use chrono::TimeDelta;
use common::Code;
use contracts::tenants::{Authenticate, FindTenant, GetTenant, SignIn, SignOut, SignUp};
use contracts::{Ctx, Permission, Principal};
use tenants::Config;
use testkit::{Store, on_both_stores};

use crate::role::{PASSWORD, Role, sign_up};

on_both_stores!(
    signing_up_makes_an_organization_with_an_owner,
    names_that_collide_get_short_names_of_their_own,
    sign_ups_at_the_same_moment_all_succeed,
    every_fault_of_a_sign_up_is_named,
    a_repeated_sign_up_makes_one_organization,
    a_session_proves_its_member_until_it_ends,
    wrong_address_and_wrong_password_look_alike,
    guessing_a_password_is_slowed_down,
);

async fn signing_up_makes_an_organization_with_an_owner(store: Store) {
    let role = Role::start(store).await;
    let signed_in = role.sign_up("Acme Widgets").await;
    let tenant = &signed_in.identity.tenant;
    assert_eq!(tenant.slug, "acme-widgets");
    assert!(tenant.account_id.len() == 12 && tenant.account_id.bytes().all(|digit| digit.is_ascii_digit()));
    assert_eq!(signed_in.identity.email.as_deref(), Some("owner@acmewidgets.example"));
    let Principal::Member { permissions, .. } = &signed_in.identity.principal else { panic!("not a member") };
    assert_eq!(permissions.len(), Permission::ALL.len());
    assert_eq!(signed_in.expires_at, role.now() + TimeDelta::days(30));

    let owner = role.context(&signed_in);
    assert_eq!(role.call(&owner, GetTenant {}).await.unwrap(), *tenant);
    let found = role.call(&role.edge(), FindTenant { slug: "acme-widgets".into() }).await.unwrap();
    assert_eq!(found, *tenant);
    let missing = role.call(&role.edge(), FindTenant { slug: "acme".into() }).await.unwrap_err();
    assert_eq!(missing.code, Code::NotFound);
    assert_eq!(std::fs::read_dir(role.mails.path()).unwrap().count(), 1, "one welcome mail");
}

async fn names_that_collide_get_short_names_of_their_own(store: Store) {
    let role = Role::start(store).await;
    let first = role.sign_up("Acme").await;
    let second = SignUp { email: "other@example.com".into(), ..sign_up("Acme") };
    let second = role.call(&role.anonymous(), second).await.unwrap();
    assert_eq!(first.identity.tenant.slug, "acme");
    let slug = second.identity.tenant.slug;
    assert!(slug.starts_with("acme-") && slug.len() == "acme-".len() + 6, "{slug}");
    assert_ne!(first.identity.tenant.account_id, second.identity.tenant.account_id);
}

async fn sign_ups_at_the_same_moment_all_succeed(store: Store) {
    let role = Role::start(store).await;
    let same_name = |number: u32| {
        let input = SignUp { email: format!("a{number}@example.com"), ..sign_up("Same") };
        let (client, ctx) = (role.client.clone(), role.anonymous());
        tokio::spawn(async move { client.call(&ctx, input).await })
    };
    let mut slugs = Vec::new();
    for signed_up in (0..8).map(same_name).collect::<Vec<_>>() {
        slugs.push(signed_up.await.unwrap().unwrap().identity.tenant.slug);
    }
    slugs.sort();
    slugs.dedup();
    assert_eq!(slugs.len(), 8, "{slugs:?}");
}

async fn every_fault_of_a_sign_up_is_named(store: Store) {
    let role = Role::start(store).await;
    let broken = SignUp { organization: " ".into(), email: "nobody".into(), password: "short".into() };
    let error = role.call(&role.anonymous(), broken).await.unwrap_err();
    let fields: Vec<_> = error.fields.iter().map(|at| at.field.as_str()).collect();
    assert_eq!((error.code, fields), (Code::Invalid, vec!["organization", "email", "password"]));
}

async fn a_repeated_sign_up_makes_one_organization(store: Store) {
    let role = Role::start(store).await;
    let first = role.sign_up("Acme").await;
    let again = role.sign_up("Acme").await;
    assert_eq!(first.identity.tenant, again.identity.tenant);
    assert_ne!(first.session_secret, again.session_secret);
    for other in [
        SignUp { organization: "Other".into(), ..sign_up("Acme") },
        SignUp { password: "another password".into(), ..sign_up("Acme") },
    ] {
        let error = role.call(&role.anonymous(), other).await.unwrap_err();
        assert_eq!((error.code, error.reason.as_ref()), (Code::AlreadyExists, "email_taken"));
    }
}

async fn a_session_proves_its_member_until_it_ends(store: Store) {
    let role = Role::start(store).await;
    let signed_up = role.sign_up("Acme").await;
    let credentials = SignIn { email: " OWNER@acme.example".into(), password: PASSWORD.into() };
    let signed_in = role.call(&role.anonymous(), credentials).await.unwrap();
    let authenticate = |secret: &str| Authenticate::Session { secret: secret.to_owned() };

    let identity = role.call(&role.edge(), authenticate(&signed_in.session_secret)).await.unwrap();
    assert_eq!(identity.principal, signed_up.identity.principal);
    assert_eq!(identity.tenant, signed_up.identity.tenant);

    let out = SignOut { session_secret: signed_in.session_secret.clone() };
    role.call(&role.edge(), out.clone()).await.unwrap();
    role.call(&role.edge(), out).await.unwrap();
    let refused = role.call(&role.edge(), authenticate(&signed_in.session_secret)).await.unwrap_err();
    assert_eq!(refused.code, Code::Unauthenticated);

    role.advance(TimeDelta::days(30) - TimeDelta::seconds(1));
    role.call(&role.edge(), authenticate(&signed_up.session_secret)).await.unwrap();
    role.advance(TimeDelta::seconds(1));
    let ended = role.call(&role.edge(), authenticate(&signed_up.session_secret)).await.unwrap_err();
    assert_eq!(ended.code, Code::Unauthenticated);
}

async fn wrong_address_and_wrong_password_look_alike(store: Store) {
    let role = Role::start(store).await;
    role.sign_up("Acme").await;
    let mut refusals = Vec::new();
    for (email, password) in [
        ("owner@acme.example", "wrong password"),
        ("nobody@acme.example", PASSWORD),
        ("not an address", PASSWORD),
        ("owner@acme.example", &"a".repeat(100_000)),
    ] {
        let attempt = SignIn { email: email.into(), password: password.into() };
        let error = role.call(&role.anonymous(), attempt).await.unwrap_err();
        assert_eq!(error.code, Code::Unauthenticated);
        refusals.push((error.reason, error.message));
    }
    refusals.dedup();
    assert_eq!(refusals.len(), 1, "{refusals:?}");
}

async fn guessing_a_password_is_slowed_down(store: Store) {
    let config = Config { sign_in_attempts: 2, ..Config::default() };
    let role = Role::configured(store, config).await;
    role.sign_up("Acme").await;
    let from = |address: &str| Ctx { client_address: Some(address.parse().unwrap()), ..role.anonymous() };
    let attempt = |password: &str| SignIn { email: "owner@acme.example".into(), password: password.into() };
    for _ in 0..2 {
        let wrong = role.call(&from("192.0.2.1"), attempt("wrong password")).await.unwrap_err();
        assert_eq!(wrong.code, Code::Unauthenticated);
    }
    let limited = role.call(&from("192.0.2.1"), attempt(PASSWORD)).await.unwrap_err();
    assert_eq!(limited.code, Code::RateLimited);
    role.call(&from("192.0.2.2"), attempt(PASSWORD)).await.unwrap();
    role.advance(TimeDelta::minutes(15));
    role.call(&from("192.0.2.1"), attempt(PASSWORD)).await.unwrap();
}
