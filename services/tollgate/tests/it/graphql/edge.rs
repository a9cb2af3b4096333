//! The provider's edge with every role behind it, in this process, on the embedded stores.

use std::path::Path;
use std::sync::Arc;

use actix_web::dev::ServiceResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{AUTHORIZATION, COOKIE, SET_COOKIE};
use actix_web::test::{TestRequest, call_service, init_service, read_body, read_body_json};
use actix_web::{App, web};
use common::Clock;
use common::mail::Mailer;
use common::vault::Vault;
use contracts::{Call, Client, Ctx, Permission, Role};
use database::Database;
use migrations::Schema;
use sea_orm::ConnectionTrait;
use serde_json::{Value, json};
use testkit::scratch_dir;

use super::served::Served;

const PASSWORD: &str = "correct horse battery";

/// The edge. Its clock moves only when told.
pub(super) struct Edge {
    state: Arc<admin::State>,
    client: Client,
    /// The time of every role.
    pub(super) clock: Clock,
    tenants: Database,
}

impl Edge {
    pub(super) async fn start() -> Self {
        let clock = Clock::manual(chrono::DateTime::from_timestamp(1_700_000_000, 0).unwrap());
        let dir = scratch_dir("graphql").unwrap();
        let vault = Vault::from_keys(&[Vault::generate_key("test").into()]).unwrap();
        let mailer = || Mailer::files(&dir.join("mail"), "tollgate@example.com").unwrap();
        let client = Client::unconnected();
        let tenants_database = database(&dir, Schema::Tenants).await;
        let tenants = tenants::Deps {
            database: tenants_database.clone(),
            clock: clock.clone(),
            vault: vault.clone(),
            mailer: mailer(),
        };
        let tenants = tenants::build(tenants::Config::default(), tenants).await.unwrap();
        let apis = database(&dir, Schema::Apis).await;
        let apis = apis::Deps { database: apis, clock: clock.clone(), vault: vault.clone() };
        let apis = apis::build(apis::Config::default(), apis).await.unwrap();
        let metering = metering::Dependencies {
            database: database(&dir, Schema::Metering).await,
            vault,
            client: client.clone(),
            clock: clock.clone(),
        };
        let metering = metering::build(metering::Config::default(), metering).unwrap();
        let billing = database(&dir, Schema::Billing).await;
        let billing = billing::Deps { database: billing, clock: clock.clone(), client: client.clone() };
        let billing = billing::build(billing::Config::default(), billing).await.unwrap();
        let portal = portal::Deps {
            database: database(&dir, Schema::Portal).await,
            clock: clock.clone(),
            mailer: mailer(),
            client: client.clone(),
        };
        let portal = portal::build(portal::Config::default(), portal).await.unwrap();
        let runtime = tokio::runtime::Handle::current();
        client.connect(
            Client::builder()
                .local(Arc::new(tenants::endpoints(&tenants)), runtime.clone())
                .local(Arc::new(apis::endpoints(&apis)), runtime.clone())
                .local(Arc::new(metering::endpoints(&metering)), runtime.clone())
                .local(Arc::new(billing::endpoints(&billing)), runtime.clone())
                .local(Arc::new(portal::endpoints(&portal)), runtime),
        );
        let state = admin::State::build(admin::Config::default(), client.clone(), clock.clone());
        Self { state, client, clock, tenants: tenants_database }
    }

    /// Runs one operation with a bearer token or without credentials.
    pub(super) async fn run(&self, token: Option<&str>, operation: &Value) -> Value {
        let mut request = TestRequest::post().uri("/graphql").set_json(operation);
        if let Some(token) = token {
            request = request.insert_header((AUTHORIZATION, format!("Bearer {token}")));
        }
        read_body_json(self.send(request).await).await
    }

    /// Takes a file with a bearer token or without credentials.
    pub(super) async fn file(&self, token: Option<&str>, path: &str) -> (StatusCode, String) {
        let mut request = TestRequest::get().uri(path);
        if let Some(token) = token {
            request = request.insert_header((AUTHORIZATION, format!("Bearer {token}")));
        }
        let response = self.send(request).await;
        let status = response.status();
        (status, String::from_utf8_lossy(&read_body(response).await).into_owned())
    }

    /// Makes an organization and signs its owner in.
    pub(super) async fn sign_up(&self, name: &str) -> Owner<'_> {
        let email = format!("owner@{name}.example");
        let body = json!({ "organization": name, "email": email, "password": PASSWORD });
        self.signed_in("/api/signup", email, &body).await
    }

    /// Signs the member in anew, with the role that the member has now.
    pub(super) async fn sign_in(&self, email: &str) -> Owner<'_> {
        let body = json!({ "email": email, "password": PASSWORD });
        self.signed_in("/api/session", email.to_owned(), &body).await
    }

    async fn signed_in(&self, path: &str, email: String, body: &Value) -> Owner<'_> {
        let response = self.send(TestRequest::post().uri(path).set_json(body)).await;
        assert_eq!(response.status(), StatusCode::OK);
        let cookie = response.headers().get(SET_COOKIE).unwrap().to_str().unwrap();
        for attribute in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age="] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
        let cookie = cookie.split(';').next().unwrap().to_owned();
        let shown: Value = read_body_json(response).await;
        assert_eq!(shown["user"]["email"], email, "{shown}");
        Owner { edge: self, email, cookie }
    }

    /// Makes every member of every organization a viewer.
    pub(super) async fn make_everybody_a_viewer(&self) {
        let update = "UPDATE members SET role = 'viewer'";
        self.tenants.connection().execute_unprepared(update).await.unwrap();
    }

    /// What a gateway says.
    pub(super) async fn as_gateway<C: Call>(&self, request: C) -> C::Output {
        self.client.call(&Ctx::service(Role::Gateway, self.clock.now()), request).await.unwrap()
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

/// A signed-in member of an organization: its owner, unless made something else.
pub(super) struct Owner<'a> {
    pub(super) edge: &'a Edge,
    pub(super) email: String,
    cookie: String,
}

impl Owner<'_> {
    /// Runs one operation in the session.
    pub(super) async fn run(&self, operation: &Value) -> Value {
        let request = self.request(TestRequest::post().uri("/graphql"));
        read_body_json(self.edge.send(request.set_json(operation)).await).await
    }

    /// Asks a field in the session for as much as one request may cost.
    pub(super) async fn ask_all(&self, served: &Served, field: &str, arguments: &Value) -> Value {
        let mut answer = Value::Null;
        for operation in served.ask_all(field, arguments) {
            answer = self.run(&operation).await;
            if answer["errors"][0]["extensions"]["reason"] != "invalid_query" {
                break;
            }
        }
        answer
    }

    /// Runs one operation in the session under an idempotency key.
    pub(super) async fn run_under(&self, key: &str, operation: &Value) -> Value {
        let request =
            self.request(TestRequest::post().uri("/graphql")).insert_header(("idempotency-key", key));
        read_body_json(self.edge.send(request.set_json(operation)).await).await
    }

    /// The payload of a mutation that takes an input and is not refused.
    pub(super) async fn change(&self, field: &str, input: Value, selection: &str) -> Value {
        let mut kind = field.to_owned();
        kind[..1].make_ascii_uppercase();
        let query = format!(
            "mutation($input: {kind}Input!) {{ {field}(input: $input) {{ {selection} userErrors }} }}"
        );
        let mut answer = self.run(&json!({ "query": query, "variables": { "input": input } })).await;
        let payload = answer["data"][field].take();
        assert_eq!(payload["userErrors"], json!([]), "{field}: {answer} {payload}");
        payload
    }

    /// A token with these permissions, which ends after these hours.
    pub(super) async fn token_for(&self, permissions: &[Permission], hours: Option<i64>) -> NewToken {
        let expires = hours.map(|hours| self.edge.clock.now() + chrono::TimeDelta::hours(hours));
        let input = json!({ "name": "t", "permissions": permissions, "expiresAt": expires });
        let made = self.change("tokenCreate", input, "token { id } secret").await;
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        NewToken { id: text(&made["token"]["id"]), secret: text(&made["secret"]) }
    }

    /// The secret of a token with these permissions.
    pub(super) async fn token(&self, permissions: &[Permission]) -> String {
        self.token_for(permissions, None).await.secret
    }

    pub(super) async fn sign_out(&self) {
        let response = self.edge.send(self.request(TestRequest::delete().uri("/api/session"))).await;
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
    }

    fn request(&self, request: TestRequest) -> TestRequest {
        request.insert_header((COOKIE, self.cookie.clone())).insert_header(("x-tollgate-csrf", "1"))
    }
}

/// A bearer token just made.
pub(super) struct NewToken {
    pub(super) id: String,
    pub(super) secret: String,
}
