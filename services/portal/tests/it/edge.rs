//! The HTTP interface.

use actix_web::body::to_bytes;
use actix_web::cookie::Cookie;
use actix_web::dev::ServiceResponse;
use actix_web::http::{Method, StatusCode};
use actix_web::{App, test};
use contracts::Ctx;
use serde_json::{Value, json};
use testkit::{Store, on_both_stores};

use crate::role::{PASSWORD, Role};

on_both_stores!(
    the_catalogue_shows_published_products_to_everybody,
    signing_up_subscribing_and_rotating_gives_a_working_key,
    a_developer_sees_own_subscriptions_alone,
    the_host_says_whose_portal_it_is,
    nobody_takes_over_a_portal_by_its_first_label,
    the_session_cookie_is_out_of_reach_of_scripts_and_other_sites,
    changes_need_the_header_that_other_sites_cannot_send,
    every_failure_is_a_problem_document,
    signing_out_ends_the_session,
    every_address_of_a_developer_needs_a_session,
);

/// An answer with its JSON; null when it has none.
struct Answer {
    status: StatusCode,
    json: Value,
    response: Option<String>,
    cookie: Option<Cookie<'static>>,
}

/// A browser at one host.
struct Browser<'a> {
    role: &'a Role,
    host: &'a str,
    cookie: Option<Cookie<'static>>,
}

impl<'a> Browser<'a> {
    fn at(role: &'a Role, host: &'a str) -> Self {
        Self { role, host, cookie: None }
    }

    async fn send(&self, method: Method, path: &str, body: Option<Value>, csrf: bool) -> Answer {
        let app = App::new().configure(|config| portal::configure(config, &self.role.state));
        let app = test::init_service(app).await;
        let mut request =
            test::TestRequest::default().method(method).uri(path).insert_header(("host", self.host));
        if csrf {
            request = request.insert_header(("x-tollgate-csrf", "1"));
        }
        if let Some(cookie) = &self.cookie {
            request = request.cookie(cookie.clone());
        }
        if let Some(body) = body {
            request = request.set_json(body);
        }
        read(test::call_service(&app, request.to_request()).await).await
    }

    async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None, false).await
    }

    async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body), true).await
    }

    async fn sign_up(&mut self, email: &str) {
        let body = json!({ "email": email, "password": PASSWORD, "name": "Ann" });
        let answer = self.post("/api/signup", body).await;
        assert_eq!(answer.status, StatusCode::OK, "{}", answer.json);
        self.cookie = answer.cookie;
    }
}

async fn read(response: ServiceResponse) -> Answer {
    let status = response.status();
    let cookie = response.response().cookies().next().map(Cookie::into_owned);
    let content_type = response.headers().get("content-type");
    let content_type = content_type.map(|value| value.to_str().unwrap().to_owned());
    assert!(response.headers().contains_key("x-request-id"), "{status}");
    let body = to_bytes(response.into_body()).await.unwrap();
    Answer { status, json: serde_json::from_slice(&body).unwrap_or_default(), response: content_type, cookie }
}

async fn start(store: Store) -> (Role, Ctx) {
    let role = Role::start(store).await;
    let acme = role.provider("acme");
    (role, acme)
}

async fn the_catalogue_shows_published_products_to_everybody(store: Store) {
    let (role, acme) = start(store).await;
    let plan = role.peers.product(&acme, true);
    role.peers.product(&acme, false);
    role.peers.product(&role.provider("other"), true);
    let catalog = Browser::at(&role, "localhost").get("/api/catalog").await.json;
    assert_eq!(catalog["tenant"]["name"], "ACME");
    assert_eq!(catalog["products"].as_array().unwrap().len(), 1);
    let product = &catalog["products"][0];
    assert_eq!(product["plans"][0]["id"], plan.to_string());
    assert_eq!(product["plans"][0]["price"], json!({ "micros": 0, "currency": "EUR" }));
    assert_eq!(product["plans"][0]["throttle"], json!({ "rateLimit": 5.0, "burstLimit": 10 }));
    let plan = &product["plans"][0];
    let quota = json!({ "limit": 1000, "period": "MONTH", "offset": 0, "timeZone": "UTC" });
    assert_eq!((&plan["quotas"], &plan["unitPriceMicros"]), (&json!([quota]), &json!(2_500)));
    assert_eq!(plan["counting"]["billable"], json!([{ "from": 100, "to": 399 }]));
    let cost = json!({ "method": "/pets/POST", "units": 5, "atMost": null });
    assert_eq!(plan["costs"], json!([cost]));
    assert!(product["apis"][0]["invokeUrls"][0].as_str().unwrap().ends_with("/v1"));
}

async fn signing_up_subscribing_and_rotating_gives_a_working_key(store: Store) {
    let (role, acme) = start(store).await;
    let plan = role.peers.product(&acme, true);
    let mut ann = Browser::at(&role, "localhost");
    ann.sign_up("ann@example.com").await;
    let session = ann.get("/api/session").await.json;
    assert_eq!(session["user"]["email"], "ann@example.com");
    assert_eq!(session["tenant"]["slug"], "acme");

    let made = ann.post("/api/subscriptions", json!({ "planId": plan, "appName": "My app" })).await;
    assert_eq!(made.status, StatusCode::CREATED, "{}", made.json);
    let made = made.json;
    assert_eq!((&made["status"], &made["app"]["name"]), (&json!("active"), &json!("My app")));
    assert_eq!((&made["product"]["name"], &made["plan"]["name"]), (&json!("Pets"), &json!("Free")));
    let value = made["keys"][0]["value"].as_str().unwrap();
    let curl = made["curl"].as_str().unwrap();
    assert!(curl.contains(value) && curl.ends_with("/v1/pets'"), "{curl}");

    let id = made["id"].as_str().unwrap();
    let listed = ann.get("/api/subscriptions").await.json;
    assert_eq!(listed["subscriptions"], json!([made]));
    let key = ann.get(&format!("/api/subscriptions/{id}/key")).await.json;
    assert_eq!(key, made["keys"][0]);
    let rotate = json!({ "graceSeconds": 60 });
    let rotated = ann.post(&format!("/api/subscriptions/{id}/rotate"), rotate.clone()).await.json;
    assert!(rotated["value"] != key["value"] && rotated["previousUntil"].is_string(), "{rotated}");
    let by_key = format!("/api/subscriptions/{id}/keys/{}/rotate", key["id"].as_str().unwrap());
    assert_eq!(ann.post(&by_key, rotate.clone()).await.status, StatusCode::OK);
    let other_key = by_key.replace("keys/key_0", "keys/key_1");
    assert_eq!(ann.post(&other_key, rotate.clone()).await.status, StatusCode::NOT_FOUND);

    let usage = ann.get(&format!("/api/subscriptions/{id}/usage?step=hour")).await.json;
    assert_eq!((&usage["rows"][0]["requests"], &usage["complete"]), (&json!(7), &json!(true)));
    assert_eq!(
        (&usage["quotas"][0]["limit"], &usage["quotas"][0]["period"]),
        (&json!(1000), &json!("MONTH"))
    );
    assert_eq!(usage["spending"]["spentMicros"], 15_000);

    let limit = json!({ "limit": { "micros": 5_000_000, "currency": "EUR" }, "hardStop": true });
    let limited = ann.post(&format!("/api/subscriptions/{id}/spending-limit"), limit).await;
    assert_eq!((limited.status, &limited.json["status"]), (StatusCode::OK, &json!("live")));
    let no_limit = json!({ "limit": null });
    ann.post(&format!("/api/subscriptions/{id}/spending-limit"), no_limit).await;
    let caps: Vec<_> = role.peers.caps.lock().iter().map(|set| set.cap.clone()).collect();
    assert!(caps[0].as_ref().is_some_and(|cap| cap.hard_stop && cap.limit.micros == 5_000_000), "{caps:?}");
    assert_eq!((caps.len(), &caps[1]), (2, &None));

    let cancelled = ann.post(&format!("/api/subscriptions/{id}/cancel"), json!({})).await.json;
    assert_eq!((&cancelled["status"], &cancelled["keys"]), (&json!("cancelled"), &json!([])));
    let refused = ann.post(&format!("/api/subscriptions/{id}/rotate"), rotate).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
}

async fn a_developer_sees_own_subscriptions_alone(store: Store) {
    let (role, acme) = start(store).await;
    let plan = role.peers.product(&acme, true);
    let hidden = role.peers.product(&acme, false);
    let (mut ann, mut bob) = (Browser::at(&role, "localhost"), Browser::at(&role, "localhost"));
    ann.sign_up("ann@example.com").await;
    bob.sign_up("bob@example.com").await;
    let made = ann.post("/api/subscriptions", json!({ "planId": plan, "appName": "App" })).await.json;
    let id = made["id"].as_str().unwrap();
    assert_eq!(bob.get("/api/subscriptions").await.json, json!({ "subscriptions": [] }));
    for path in ["key", "usage"] {
        let answer = bob.get(&format!("/api/subscriptions/{id}/{path}")).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
    for (path, body) in [
        ("rotate", json!({ "graceSeconds": 0 })),
        ("spending-limit", json!({ "limit": null })),
        ("cancel", json!({})),
    ] {
        let answer = bob.post(&format!("/api/subscriptions/{id}/{path}"), body).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
    let refused = bob.post("/api/subscriptions", json!({ "planId": hidden, "appName": "App" })).await;
    assert_eq!((refused.status, &refused.json["code"]), (StatusCode::NOT_FOUND, &json!("plan_not_found")));
}

async fn the_host_says_whose_portal_it_is(store: Store) {
    let (role, _) = start(store).await;
    role.provider("other");
    let mut ann = Browser::at(&role, "other.localhost:8082");
    ann.sign_up("ann@example.com").await;
    assert_eq!(ann.get("/api/session").await.json["tenant"]["slug"], "other");
    let elsewhere = Browser { host: "127.0.0.1:8082", ..ann };
    assert_eq!(elsewhere.get("/api/session").await.status, StatusCode::UNAUTHORIZED);
    for host in ["acme.example.com", "other.example.com", "localhost"] {
        let catalog = Browser::at(&role, host).get("/api/catalog").await.json;
        assert_eq!(catalog["tenant"]["slug"], "acme", "{host}");
    }
    let nobody = Browser::at(&role, "unknown.localhost").get("/api/catalog").await;
    assert_eq!((nobody.status, &nobody.json["code"]), (StatusCode::NOT_FOUND, &json!("portal_not_found")));
}

async fn nobody_takes_over_a_portal_by_its_first_label(store: Store) {
    let (role, _) = start(store).await;
    role.provider("developers");
    let browser = Browser::at(&role, "developers.acme.com");
    assert_eq!(browser.get("/api/catalog").await.json["tenant"]["slug"], "acme");
    let app = App::new().configure(|config| portal::configure(config, &role.state));
    let app = test::init_service(app).await;
    let claim = test::TestRequest::get().uri("/api/catalog").insert_header(("host", "localhost"));
    let claim = claim.insert_header(("x-forwarded-host", "developers.localhost"));
    let answer = read(test::call_service(&app, claim.to_request()).await).await;
    assert_eq!(answer.json["tenant"]["slug"], "acme");
}

async fn the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(store: Store) {
    let (role, _) = start(store).await;
    let mut ann = Browser::at(&role, "localhost");
    ann.sign_up("ann@example.com").await;
    let cookie = ann.cookie.unwrap().to_string();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=2592000"] {
        assert!(cookie.contains(part), "{cookie}");
    }
}

async fn changes_need_the_header_that_other_sites_cannot_send(store: Store) {
    let (role, _) = start(store).await;
    let mut ann = Browser::at(&role, "localhost");
    ann.sign_up("ann@example.com").await;
    for (method, path) in [
        (Method::POST, "/api/session"),
        (Method::POST, "/api/signup"),
        (Method::POST, "/api/subscriptions"),
        (Method::DELETE, "/api/session"),
    ] {
        let answer = ann.send(method, path, Some(json!({})), false).await;
        assert_eq!(answer.json["code"], "csrf_header_missing", "{path}");
    }
    assert_eq!(ann.get("/api/session").await.status, StatusCode::OK);
    let no_json = ann.send(Method::POST, "/api/session", None, true).await;
    assert_eq!(no_json.json["code"], "content_type");
}

async fn every_failure_is_a_problem_document(store: Store) {
    let (role, _) = start(store).await;
    let browser = Browser::at(&role, "localhost");
    let broken = json!({ "email": "nobody", "password": "short", "name": "Ann" });
    let wrong = json!({ "email": "nobody@example.com", "password": PASSWORD });
    for (answer, status) in [
        (browser.post("/api/signup", broken).await, StatusCode::BAD_REQUEST),
        (browser.post("/api/signup", json!({ "unknown": 1 })).await, StatusCode::BAD_REQUEST),
        (browser.post("/api/session", wrong).await, StatusCode::UNAUTHORIZED),
        (browser.get("/api/nothing").await, StatusCode::NOT_FOUND),
        (browser.post("/api/signup", json!("a".repeat(20_000))).await, StatusCode::PAYLOAD_TOO_LARGE),
    ] {
        assert_eq!(answer.status, status, "{}", answer.json);
        assert_eq!(answer.response.as_deref(), Some("application/problem+json"));
        assert!(answer.json["request_id"].as_str().unwrap().starts_with("req_"), "{}", answer.json);
    }
    let broken = json!({ "email": "nobody", "password": "short", "name": "Ann" });
    let errors = browser.post("/api/signup", broken).await.json["errors"].clone();
    assert_eq!(errors.as_array().unwrap().len(), 2);
}

async fn signing_out_ends_the_session(store: Store) {
    let (role, _) = start(store).await;
    let mut ann = Browser::at(&role, "localhost");
    ann.sign_up("ann@example.com").await;
    let out = ann.send(Method::DELETE, "/api/session", None, true).await;
    assert_eq!((out.status, out.cookie.unwrap().value()), (StatusCode::NO_CONTENT, ""));
    assert_eq!(ann.get("/api/session").await.status, StatusCode::UNAUTHORIZED);
    let again = ann.send(Method::DELETE, "/api/session", None, true).await;
    assert_eq!(again.status, StatusCode::NO_CONTENT);
}

async fn every_address_of_a_developer_needs_a_session(store: Store) {
    let (role, _) = start(store).await;
    let browser = Browser::at(&role, "localhost");
    let subscription = "sub_0198c0de4f5e7a40b1c2d3e4f5a6b7c8";
    for path in ["", &format!("/{subscription}/key"), &format!("/{subscription}/usage")] {
        let answer = browser.get(&format!("/api/subscriptions{path}")).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
    }
    for path in ["", &format!("/{subscription}/rotate"), &format!("/{subscription}/cancel")] {
        let answer = browser.post(&format!("/api/subscriptions{path}"), json!({})).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{path}");
    }
}
