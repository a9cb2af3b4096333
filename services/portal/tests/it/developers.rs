//! Developers and apps by call.

use chrono::TimeDelta;
use common::id::DeveloperId;
use common::{Code, PageArgs};
use contracts::Ctx;
use contracts::portal::{
    AuthenticateDeveloper, CreateApp, CreateDeveloper, EnsureApp, GetApp, ListApps, ListDevelopers,
    SetDeveloperPassword, SignInDeveloper, SignUpDeveloper,
};
use portal::{Config, Limits};
use testkit::{PATIENCE, Store, eventually, on_both_stores};
use tokio_util::sync::CancellationToken;

use crate::role::{PASSWORD, Role, developer, edge, sign_up};

on_both_stores!(
    a_session_holds_in_its_own_tenant_until_it_ends,
    an_address_is_unique_within_a_tenant,
    every_fault_of_a_sign_up_is_named,
    wrong_address_and_wrong_password_look_alike,
    guessing_a_password_is_slowed_down,
    an_organization_has_no_more_developers_and_apps_than_its_limits,
    an_invited_developer_sets_a_password_once,
    an_invitation_is_mailed_again_until_it_is_out,
    a_developer_who_never_set_a_password_is_invited_again,
    a_developer_added_with_a_password_signs_in,
    apps_belong_to_their_tenant,
    an_app_of_a_name_is_made_once,
    a_repeated_create_makes_one_developer,
);

fn sign_in(email: &str, password: &str) -> SignInDeveloper {
    SignInDeveloper { email: email.into(), password: password.into() }
}

fn create(email: &str, password: Option<&str>) -> CreateDeveloper {
    CreateDeveloper { email: email.into(), name: "Bob".into(), password: password.map(Into::into) }
}

async fn a_session_holds_in_its_own_tenant_until_it_ends(store: Store) {
    let role = Role::start(store).await;
    let (acme, other) = (role.provider("acme"), role.provider("other"));
    let signed_in = role.sign_up(&acme, " Ann@Example.com").await;
    assert_eq!(signed_in.developer.email, "ann@example.com");
    let session = AuthenticateDeveloper { session_secret: signed_in.session_secret.clone() };
    assert_eq!(role.call(&edge(&acme), session.clone()).await.unwrap(), signed_in.developer);
    let foreign = role.call(&edge(&other), session.clone()).await.unwrap_err();
    assert_eq!(foreign.code, Code::Unauthenticated);
    role.advance(TimeDelta::days(30));
    let later = Ctx { now: role.clock.now(), ..edge(&acme) };
    assert_eq!(role.call(&later, session).await.unwrap_err().code, Code::Unauthenticated);
}

async fn an_address_is_unique_within_a_tenant(store: Store) {
    let role = Role::start(store).await;
    let (acme, other) = (role.provider("acme"), role.provider("other"));
    let first = role.sign_up(&acme, "ann@example.com").await;
    let again = role.sign_up(&acme, "ann@example.com").await;
    assert_eq!(first.developer, again.developer);
    let taken = SignUpDeveloper { password: "another password".into(), ..sign_up("ann@example.com") };
    let taken = role.call(&edge(&acme), taken).await.unwrap_err();
    assert_eq!((taken.code, taken.reason.as_ref()), (Code::AlreadyExists, "email_taken"));
    let taken = role.call(&acme, create("ANN@example.com", None)).await.unwrap_err();
    assert_eq!(taken.code, Code::AlreadyExists);
    assert_ne!(role.sign_up(&other, "ann@example.com").await.developer.id, first.developer.id);
    let list = ListDevelopers { page: PageArgs::default() };
    assert_eq!(role.call(&acme, list).await.unwrap().items, [first.developer]);
}

async fn every_fault_of_a_sign_up_is_named(store: Store) {
    let role = Role::start(store).await;
    let acme = role.provider("acme");
    let broken = SignUpDeveloper { email: "nobody".into(), password: "short".into(), name: " ".into() };
    let error = role.call(&edge(&acme), broken).await.unwrap_err();
    let fields: Vec<_> = error.fields.iter().map(|at| at.field.as_str()).collect();
    assert_eq!((error.code, fields), (Code::Invalid, vec!["name", "email", "password"]));
}

async fn wrong_address_and_wrong_password_look_alike(store: Store) {
    let role = Role::start(store).await;
    let acme = role.provider("acme");
    role.sign_up(&acme, "ann@example.com").await;
    // Invited, and without a password yet.
    role.call(&acme, create("bob@example.com", None)).await.unwrap();
    let mut refusals = Vec::new();
    for (email, password) in [
        ("ann@example.com", "wrong password"),
        ("nobody@example.com", PASSWORD),
        ("bob@example.com", ""),
        ("bob@example.com", PASSWORD),
        ("not an address", PASSWORD),
    ] {
        let error = role.call(&edge(&acme), sign_in(email, password)).await.unwrap_err();
        assert_eq!(error.code, Code::Unauthenticated);
        refusals.push((error.reason, error.message));
    }
    refusals.dedup();
    assert_eq!(refusals.len(), 1, "{refusals:?}");
}

async fn guessing_a_password_is_slowed_down(store: Store) {
    let role = Role::configured(store, Config { sign_in_attempts: 2, ..Config::default() }).await;
    let acme = role.provider("acme");
    role.sign_up(&acme, "ann@example.com").await;
    let ctx = edge(&acme);
    for _ in 0..2 {
        role.call(&ctx, sign_in("ann@example.com", "wrong password")).await.unwrap_err();
    }
    let limited = role.call(&ctx, sign_in("ann@example.com", PASSWORD)).await.unwrap_err();
    assert_eq!(limited.code, Code::RateLimited);
    let later = Ctx { now: ctx.now + TimeDelta::minutes(15), ..ctx };
    role.call(&later, sign_in("ann@example.com", PASSWORD)).await.unwrap();
}

async fn an_invited_developer_sets_a_password_once(store: Store) {
    let role = Role::start(store).await;
    let acme = role.provider("acme");
    let invited = role.call(&acme, create("bob@example.com", None)).await.unwrap();
    let token = token(&role.mail());
    let set = |password: &str| SetDeveloperPassword { token: token.clone(), password: password.into() };
    let foreign = role.call(&edge(&role.provider("other")), set(PASSWORD)).await.unwrap_err();
    assert_eq!(foreign.code, Code::NotFound);
    assert_eq!(role.call(&edge(&acme), set("short")).await.unwrap_err().code, Code::Invalid);
    let late = Ctx { now: acme.now + TimeDelta::days(7), ..edge(&acme) };
    assert_eq!(role.call(&late, set(PASSWORD)).await.unwrap_err().code, Code::NotFound);
    let signed_in = role.call(&edge(&acme), set(PASSWORD)).await.unwrap();
    assert_eq!(signed_in.developer, invited);
    assert_eq!(role.call(&edge(&acme), set(PASSWORD)).await.unwrap_err().code, Code::NotFound);
    role.call(&edge(&acme), sign_in("bob@example.com", PASSWORD)).await.unwrap();
}

async fn an_invitation_is_mailed_again_until_it_is_out(store: Store) {
    let role = Role::start(store).await;
    let acme = role.provider("acme");
    // Mail goes into a directory; while a file is in its place none gets out.
    std::fs::remove_dir(role.mails.path()).unwrap();
    std::fs::write(role.mails.path(), "").unwrap();
    role.call(&acme, create("bob@example.com", None)).await.unwrap();
    std::fs::remove_file(role.mails.path()).unwrap();
    let stop = CancellationToken::new();
    let jobs = tokio::spawn(portal::run_jobs(role.state.clone(), stop.clone()));
    let out = eventually(PATIENCE, async || {
        role.advance(TimeDelta::seconds(1));
        role.mails.path().is_dir() && std::fs::read_dir(role.mails.path()).unwrap().count() == 1
    });
    assert!(out.await);
    stop.cancel();
    jobs.await.unwrap();
    let set = SetDeveloperPassword { token: token(&role.mail()), password: PASSWORD.into() };
    let now = Ctx { now: role.clock.now(), ..edge(&acme) };
    role.call(&now, set).await.unwrap();
}

async fn a_developer_who_never_set_a_password_is_invited_again(store: Store) {
    let role = Role::start(store).await;
    let acme = role.provider("acme");
    let mail = || {
        let mail = role.mail();
        let mut files = std::fs::read_dir(role.mails.path()).unwrap();
        std::fs::remove_file(files.next().unwrap().unwrap().path()).unwrap();
        token(&mail)
    };
    let first = role.call(&acme, create("bob@example.com", None)).await.unwrap();
    let old = mail();
    let again = role.call(&acme, create("bob@example.com", None)).await.unwrap();
    let new = mail();
    assert_eq!(again, first);
    let set = |token: String| SetDeveloperPassword { token, password: PASSWORD.into() };
    assert_eq!(role.call(&edge(&acme), set(old)).await.unwrap_err().code, Code::NotFound);
    role.call(&edge(&acme), set(new)).await.unwrap();
    let settled = role.call(&acme, create("bob@example.com", None)).await.unwrap_err();
    assert_eq!(settled.reason, "email_taken");
}

/// The token in an invitation.
fn token(mail: &str) -> String {
    let (_, token) = mail.split_once("/set-password?token=").unwrap();
    token.chars().take_while(char::is_ascii_alphanumeric).collect()
}

async fn a_developer_added_with_a_password_signs_in(store: Store) {
    let role = Role::start(store).await;
    let acme = role.provider("acme");
    let made = role.call(&acme, create("bob@example.com", Some(PASSWORD))).await.unwrap();
    let signed_in = role.call(&edge(&acme), sign_in("bob@example.com", PASSWORD)).await.unwrap();
    assert_eq!(signed_in.developer, made);
    assert_eq!(std::fs::read_dir(role.mails.path()).unwrap().count(), 0);
}

async fn apps_belong_to_their_tenant(store: Store) {
    let role = Role::start(store).await;
    let (acme, other) = (role.provider("acme"), role.provider("other"));
    let ann = role.sign_up(&acme, "ann@example.com").await.developer;
    let app = CreateApp { developer: ann.id, name: "App".into() };
    let made = role.call(&acme, app.clone()).await.unwrap();
    assert_eq!(role.call(&acme, GetApp { id: made.id }).await.unwrap(), made);
    assert_eq!(role.call(&acme, app.clone()).await.unwrap_err().code, Code::AlreadyExists);
    assert_eq!(role.call(&other, GetApp { id: made.id }).await.unwrap_err().code, Code::NotFound);
    let foreign = role.call(&other, app).await.unwrap_err();
    assert_eq!((foreign.code, foreign.reason.as_ref()), (Code::NotFound, "developer_not_found"));
    let list = |developer| ListApps { page: PageArgs::default(), developer };
    assert_eq!(role.call(&acme, list(Some(ann.id))).await.unwrap().items, [made]);
    let nobody = Some(DeveloperId::new(acme.now));
    assert!(role.call(&acme, list(nobody)).await.unwrap().items.is_empty());
    assert!(role.call(&other, list(None)).await.unwrap().items.is_empty());
}

async fn an_app_of_a_name_is_made_once(store: Store) {
    let role = Role::start(store).await;
    let acme = role.provider("acme");
    let ann = developer(&acme, &role.sign_up(&acme, "ann@example.com").await);
    let races = (0..6).map(|_| {
        let (client, ctx) = (role.client.clone(), ann.clone());
        tokio::spawn(async move { client.call(&ctx, EnsureApp { name: " App ".into() }).await.unwrap() })
    });
    let mut apps = Vec::new();
    for race in races.collect::<Vec<_>>() {
        apps.push(race.await.unwrap());
    }
    apps.dedup();
    assert_eq!((apps.len(), apps[0].name.as_str()), (1, "App"));
    let refused = role.call(&acme, EnsureApp { name: "App".into() }).await.unwrap_err();
    assert_eq!(refused.code, Code::Forbidden);
}

async fn a_repeated_create_makes_one_developer(store: Store) {
    let role = Role::start(store).await;
    let acme = Ctx { idempotency_key: Some("once".into()), ..role.provider("acme") };
    let first = role.call(&acme, create("bob@example.com", Some(PASSWORD))).await.unwrap();
    assert_eq!(role.call(&acme, create("bob@example.com", Some(PASSWORD))).await.unwrap(), first);
    let other = role.call(&acme, create("eve@example.com", Some(PASSWORD))).await.unwrap_err();
    assert_eq!(other.code, Code::Conflict);
}

async fn an_organization_has_no_more_developers_and_apps_than_its_limits(store: Store) {
    let limits = Limits { developers: 1, apps_per_developer: 1 };
    let role = Role::configured(store, Config { limits, ..Config::default() }).await;
    let acme = role.provider("acme");
    let ann = role.sign_up(&acme, "ann@example.com").await.developer;
    let app = |name: &str| CreateApp { developer: ann.id, name: name.into() };
    role.call(&acme, app("first")).await.unwrap();
    let refusals = [
        role.call(&edge(&acme), sign_up("bob@example.com")).await.map(drop).unwrap_err(),
        role.call(&acme, create("bob@example.com", None)).await.map(drop).unwrap_err(),
        role.call(&acme, app("second")).await.map(drop).unwrap_err(),
    ];
    for (refused, limit) in refusals.iter().zip(["developers", "developers", "apps_per_developer"]) {
        assert_eq!((refused.code, refused.reason.as_ref()), (Code::LimitExceeded, "limit_exceeded"));
        assert_eq!(refused.message, format!("the limit {limit} is reached: at most 1"));
    }
    // Signing up again signs in, and another organization has its own count.
    assert_eq!(role.sign_up(&acme, "ann@example.com").await.developer, ann);
    role.sign_up(&role.provider("other"), "bob@example.com").await;
}
