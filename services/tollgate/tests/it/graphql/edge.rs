//! The provider's edge with the roles `tenants` and `apis` behind it, in this process, on the embedded store.

use std::path::Path;
use std::sync::Arc;

use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, COOKIE, SET_COOKIE};
use actix_web::test::{TestRequest, call_service, init_service, read_body_json};
use actix_web::{App, web};
use common::Clock;
use common::mail::Mailer;
use common::vault::Vault;
use contracts::{Client, Permission};
use database::Database;
use migrations::Schema;
use serde_json::{Value, json};
use testkit::scratch_dir;

/// The edge. Its clock stands still.
pub(super) struct Edge {
    state: Arc<admin::State>,
}

impl Edge {
    pub(super) async fn start() -> Self {
        let clock = Clock::manual(chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap());
        let dir = scratch_dir("graphql").unwrap();
        let vault = Vault::from_keys(&[Vault::generate_key("test").into()]).unwrap();
        let tenants = tenants::Deps {
            database: database(&dir, Schema::Tenants).await,
            clock: clock.clone(),
            vault: vault.clone(),
            mailer: Mailer::files(&dir.join("mail"), "tollgate@example.com").unwrap(),
        };
        let tenants = tenants::build(tenants::Config::default(), tenants).await.unwrap();
        let apis = apis::Deps { database: database(&dir, Schema::Apis).await, clock: clock.clone(), vault };
        let apis = apis::build(apis::Config::default(), apis).await.unwrap();
        let runtime = tokio::runtime::Handle::current();
        let client = Client::builder()
            .local(Arc::new(tenants::endpoints(&tenants)), runtime.clone())
            .local(Arc::new(apis::endpoints(&apis)), runtime)
            .build();
        Self { state: admin::State::build(admin::Config::default(), client, clock) }
    }

    /// Runs one operation with a bearer token or without credentials.
    pub(super) async fn run(&self, token: Option<&str>, operation: &str) -> Value {
        let mut request = TestRequest::post().uri("/graphql").set_json(json!({ "query": operation }));
        if let Some(token) = token {
            request = request.insert_header((AUTHORIZATION, format!("Bearer {token}")));
        }
        read_body_json(self.send(request).await).await
    }

    /// Makes an organization and signs its owner in.
    pub(super) async fn sign_up(&self, name: &str) -> Owner<'_> {
        let email = format!("owner@{name}.example");
        let body = json!({ "organization": name, "email": email, "password": "correct horse battery" });
        let response = self.send(TestRequest::post().uri("/api/signup").set_json(body)).await;
        assert_eq!(response.status(), StatusCode::OK);
        let cookie = response.headers().get(SET_COOKIE).unwrap().to_str().unwrap();
        for attribute in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let shown: Value = read_body_json(response).await;
        assert_eq!(shown["user"]["email"], email, "{shown}");
        Owner { edge: self, cookie }
    }

    async fn send(&self, request: TestRequest) -> ServiceResponse {
        let configure = |config: &mut web::ServiceConfig| admin::configure(config, &self.state);
        let app = init_service(App::new().configure(configure)).await;
        call_service(&app, request.to_request()).await
    }
}

async fn database(dir: &Path, schema: Schema) -> Database {
    let url = format!("sqlite://{}?mode=rwc", dir.join(schema.as_str()).display());
    let database = Database::open(&url, schema.as_str(), 4).await.unwrap();
    migrations::run(schema, database.connection(), None).await.unwrap();
    database
}

/// The signed-in owner of an organization.
pub(super) struct Owner<'a> {
    edge: &'a Edge,
    cookie: String,
}

impl Owner<'_> {
    /// Runs one operation in the session.
    pub(super) async fn run(&self, operation: &str) -> Value {
        let request = self.request(TestRequest::post().uri("/graphql"));
        read_body_json(self.edge.send(request.set_json(json!({ "query": operation }))).await).await
    }

    /// A token with these permissions.
    pub(super) async fn token(&self, permissions: &[Permission]) -> String {
        let permissions = serde_json::to_string(permissions).unwrap();
        let operation = format!(
            r#"mutation {{ tokenCreate(input: {{name: "t", permissions: {permissions}}}) {{ secret userErrors }} }}"#
        );
        let answer = self.run(&operation).await;
        let secret = answer["data"]["tokenCreate"]["secret"].as_str();
        secret.unwrap_or_else(|| panic!("no token: {answer}")).to_owned()
    }

    pub(super) async fn sign_out(&self) {
        let response = self.edge.send(self.request(TestRequest::delete().uri("/api/session"))).await;
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
    }

    fn request(&self, request: TestRequest) -> TestRequest {
        request.insert_header((COOKIE, self.cookie.clone())).insert_header(("x-tollgate-csrf", "1"))
    }
}
