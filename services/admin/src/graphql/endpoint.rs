//! `POST /graphql`: JSON in, JSON out.

use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CACHE_CONTROL, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use async_graphql::parser::parse_query;
use async_graphql::{Request, Response, ServerError};
use common::body::read_json;
use common::problem::REQUEST_ID_HEADER;
use common::{Code, Error};
use contracts::Ctx;

use super::call::Caller;
use super::references::References;
use super::refusal::complete;
use super::{AdminSchema, leaves, limits};
use crate::State;
use crate::auth::{self, Authenticated};

/// Largest body: an OpenAPI document of 6 MB as a JSON text.
const MAX_BODY: usize = 8 << 20;
/// Most bytes of the text of an operation; documents travel in variables.
const MAX_QUERY: usize = 256 << 10;
/// Largest body of a caller without credentials, who can do no more than read the schema.
const MAX_ANONYMOUS_BODY: usize = 32 << 10;

/// Answers one operation. Refusals before the operation runs have the status of their kind; an operation that ran
/// answers 200, with its errors in the body.
pub(crate) async fn answer(
    state: web::Data<State>,
    request: HttpRequest,
    body: web::Payload,
) -> HttpResponse {
    let ctx = state.request_ctx(&request);
    let outcome = async {
        let authenticated = auth::authenticate(&state, &ctx, &request).await?;
        let limit = if authenticated.identity.is_some() { MAX_BODY } else { MAX_ANONYMOUS_BODY };
        let operation: Request = read_json(&request, body, limit).await?;
        if operation.query.len() > MAX_QUERY {
            let message = format!("the query has more than {} KB: send texts as variables", MAX_QUERY >> 10);
            return Err(Error::new(Code::PayloadTooLarge, "query_too_large", message));
        }
        Ok((operation, authenticated))
    };
    match outcome.await {
        Ok((operation, authenticated)) => {
            let response = execute(&state, &authenticated, operation).await;
            reply(&authenticated.ctx, StatusCode::OK, &response)
        }
        Err(error) => refuse(&ctx, error),
    }
}

/// Every other verb: an operation changes things, and a link must not.
pub(crate) async fn method_not_allowed(state: web::Data<State>, request: HttpRequest) -> HttpResponse {
    let ctx = state.request_ctx(&request);
    let error = Error::new(Code::Invalid, "method_not_allowed", "send operations as POST with a JSON body");
    let mut response = refuse(&ctx, error);
    *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
    response.headers_mut().insert(ALLOW, HeaderValue::from_static("POST"));
    response
}

/// Runs the operation on the caller's behalf.
async fn execute(state: &State, authenticated: &Authenticated, operation: Request) -> Response {
    let caller = Caller {
        ctx: authenticated.ctx.clone(),
        identity: authenticated.identity.clone(),
        client: state.client.clone(),
        documents: state.documents.clone(),
    };
    let mut response = match prepare(operation) {
        Ok(operation) => {
            let references = References::new(caller.clone());
            run(&state.schema, operation.data(caller).data(references)).await
        }
        Err(error) => Response::from_errors(vec![error]),
    };
    for error in &mut response.errors {
        complete(error, authenticated.ctx.request_id);
    }
    response
}

async fn run(schema: &AdminSchema, operation: Request) -> Response {
    // The tree of resolvers is a large future; actix keeps one per connection.
    Box::pin(schema.execute(operation)).await
}

/// Parses the document once and checks its size before anything else walks it.
fn prepare(mut operation: Request) -> Result<Request, ServerError> {
    let mut document = parse_query(&operation.query)?;
    limits::check(&document)?;
    leaves::drop_selections(&mut document);
    operation.set_parsed_query(document);
    Ok(operation)
}

fn refuse(ctx: &Ctx, error: Error) -> HttpResponse {
    let status = StatusCode::from_u16(error.code.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let error: async_graphql::Error = error.into();
    let mut error = error.into_server_error(async_graphql::Pos::default());
    error.locations.clear();
    complete(&mut error, ctx.request_id);
    reply(ctx, status, &Response::from_errors(vec![error]))
}

fn reply(ctx: &Ctx, status: StatusCode, response: &Response) -> HttpResponse {
    let mut reply = HttpResponse::build(status).json(response);
    let headers = reply.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(&ctx.request_id.to_string()) {
        headers.insert(HeaderName::from_static(REQUEST_ID_HEADER), id);
    }
    reply
}
