//! Reaching a role: in this process, or over HTTP with a service token.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use common::{Code, Error, Result};
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use tokio::runtime::Handle;

use crate::access::Ctx;
use crate::call::{Call, Role};
use crate::endpoints::Endpoints;

/// Header with the call's [`Ctx`] as JSON.
pub const CONTEXT_HEADER: &str = "x-tollgate-context";
/// Longest a call may take unless its own wait is longer.
const DEADLINE: Duration = Duration::from_secs(30);
/// Longest wait for a sign of life.
const REACHED_WITHIN: Duration = Duration::from_secs(2);
/// Largest answer read.
const MAX_ANSWER: usize = 64 << 20;

type Http = hyper_util::client::legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>;

/// Calls roles, wherever they run. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Client {
    routes: Arc<OnceLock<BTreeMap<Role, Route>>>,
    caller: Option<Role>,
}

#[derive(Debug)]
enum Route {
    Local(Arc<Endpoints>, Handle),
    Http(Box<Remote>),
}

#[derive(Debug)]
struct Remote {
    base: String,
    token: String,
    http: Http,
}

/// Collects where each role is.
#[derive(Debug, Default)]
pub struct ClientBuilder {
    routes: BTreeMap<Role, Route>,
}

impl ClientBuilder {
    /// The role runs in this process. Its use cases run on `runtime`, where its pools live, and to their end even when
    /// the caller goes away.
    #[must_use]
    pub fn local(mut self, endpoints: Arc<Endpoints>, runtime: Handle) -> Self {
        self.routes.insert(endpoints.role(), Route::Local(endpoints, runtime));
        self
    }

    /// The role answers at `base`, for example `http://metering.internal:8090`.
    pub fn http(mut self, role: Role, base: &str, token: &str) -> Result<Self> {
        let connector = HttpsConnectorBuilder::new()
            .with_native_roots()
            .map_err(Error::internal)?
            .https_or_http()
            .enable_http1()
            .build();
        let http = hyper_util::client::legacy::Client::builder(TokioExecutor::new()).build(connector);
        let base = base.trim_end_matches('/').to_owned();
        self.routes.insert(role, Route::Http(Box::new(Remote { base, token: token.to_owned(), http })));
        Ok(self)
    }

    /// The client.
    pub fn build(self) -> Client {
        let client = Client::unconnected();
        client.connect(self);
        client
    }
}

impl Client {
    /// Starts collecting routes.
    pub fn builder() -> ClientBuilder {
        ClientBuilder::default()
    }

    /// A client whose routes are known later: roles in one process call each other, so each is built with a client
    /// before the others exist. Calls fail until [`Client::connect`].
    pub fn unconnected() -> Self {
        Self { routes: Arc::default(), caller: None }
    }

    /// The client of one role: in this process it is answered as that role alone. Over HTTP its service token says so.
    #[must_use]
    pub fn of(&self, role: Role) -> Self {
        Self { routes: Arc::clone(&self.routes), caller: Some(role) }
    }

    /// Sets the routes, once; later attempts change nothing.
    pub fn connect(&self, builder: ClientBuilder) {
        let _ = self.routes.set(builder.routes);
    }

    /// Makes the call. Fails with `unavailable` when its role does not answer, `timeout` after 30 seconds.
    pub async fn call<C: Call>(&self, ctx: &Ctx, request: C) -> Result<C::Output> {
        let Some(route) = self.routes.get().and_then(|routes| routes.get(&C::ROLE)) else {
            return Err(Error::internal(format!("no route to role {}", C::ROLE)));
        };
        let body = serde_json::to_vec(&request).map_err(Error::internal)?;
        let answer = match route {
            Route::Local(endpoints, runtime) => {
                let (endpoints, caller, ctx) = (Arc::clone(endpoints), self.caller, ctx.clone());
                let answer = runtime.spawn(async move { endpoints.answer(C::NAME, caller, ctx, body).await });
                answer.await.map_err(Error::internal)??
            }
            Route::Http(remote) => remote.post::<C>(ctx, body).await?,
        };
        serde_json::from_slice(&answer).map_err(Error::internal)
    }
}

impl Client {
    /// Whether the role answers at all, for readiness: within 2 seconds.
    pub async fn reach(&self, role: Role) -> Result<()> {
        match self.routes.get().and_then(|routes| routes.get(&role)) {
            None => Err(Error::internal(format!("no route to role {role}"))),
            Some(Route::Local(..)) => Ok(()),
            Some(Route::Http(remote)) => remote.reach(role).await,
        }
    }
}

impl Remote {
    async fn reach(&self, role: Role) -> Result<()> {
        let unavailable = |cause: String| Error::unavailable(&format!("the role {role}"), cause);
        let request = Request::get(format!("{}/livez", self.base)).body(Full::default());
        let request = request.map_err(Error::internal)?;
        let response = tokio::time::timeout(REACHED_WITHIN, self.http.request(request)).await;
        let response = response.map_err(|_| unavailable("no answer in time".to_owned()))?;
        match response.map_err(|error| unavailable(error.to_string()))?.status() {
            StatusCode::OK => Ok(()),
            status => Err(unavailable(format!("status {status} from {}", self.base))),
        }
    }

    async fn post<C: Call>(&self, ctx: &Ctx, body: Vec<u8>) -> Result<Vec<u8>> {
        let request = Request::builder()
            .method(Method::POST)
            .uri(format!("{}/internal/{}/{}", self.base, C::ROLE, C::NAME))
            .header(header::AUTHORIZATION, format!("Bearer {}", self.token))
            .header(header::CONTENT_TYPE, "application/json")
            .header(CONTEXT_HEADER, serde_json::to_string(ctx).map_err(Error::internal)?)
            .body(Full::new(Bytes::from(body)))
            .map_err(Error::internal)?;
        let unavailable = |cause: String| Error::unavailable(&format!("the role {}", C::ROLE), cause);
        let exchange = async {
            let response =
                self.http.request(request).await.map_err(|error| unavailable(error.to_string()))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_ANSWER).collect().await;
            let body = body.map_err(|error| unavailable(error.to_string()))?.to_bytes();
            Ok::<_, Error>((status, body))
        };
        let (status, body) = tokio::time::timeout(DEADLINE, exchange).await.map_err(|_| {
            Error::new(
                Code::Timeout,
                "deadline_exceeded",
                format!("the role {} did not answer in time", C::ROLE),
            )
        })??;
        if status == StatusCode::OK {
            return Ok(body.into());
        }
        // The other side answers its errors as JSON; anything else comes from something in between.
        let error = serde_json::from_slice::<Error>(&body);
        Err(error.unwrap_or_else(|_| unavailable(format!("status {status} from {}", self.base))))
    }
}
