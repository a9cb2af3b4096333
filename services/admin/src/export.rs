//! Files of usage and of single calls: `GET /api/export/usage` and `GET /api/export/requests`.
//!
//! Authenticated like GraphQL and within the caller's organization. Calls are read and written part by part, so that an export
//! takes as little memory when it is large; how large it may be, and how many run at once, is bounded.

mod format;
mod parameters;
mod parquet;
mod table;

use std::pin::Pin;
use std::sync::Arc;

use actix_web::http::header::{CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_TYPE, HeaderName};
use actix_web::web::{Bytes, Data};
use actix_web::{HttpRequest, HttpResponse};
use common::problem::{Problem, REQUEST_ID_HEADER};
use common::{Code, Error, Result};
use contracts::metering::{ExportRequestLog, QueryUsage, RequestFilter, SumRequestLog};
use contracts::{Call, Client, Ctx};
use futures_util::Stream;
use futures_util::stream::{once, try_unfold};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::State;
use crate::auth::{authenticate, credentials_required};
use format::{Encoder, Format};
use parameters::Parameters;
use table::{REQUESTS, requests, usage_columns, usage_rows};

/// Most calls of one file.
const MAX_REQUESTS: u64 = 1_000_000;
/// Exports that run at once.
const AT_ONCE: usize = 4;

/// A file as it is sent.
type Parts = Pin<Box<dyn Stream<Item = Result<Bytes>>>>;

/// How many exports may begin now.
#[derive(Debug, Clone)]
pub(crate) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(AT_ONCE)))
    }
}

impl Room {
    fn enter(&self) -> Result<OwnedSemaphorePermit> {
        Arc::clone(&self.0).try_acquire_owned().map_err(|_| {
            let message = "too many exports are running; try again in a minute";
            Error::new(Code::RateLimited, "too_many_exports", message)
        })
    }
}

/// `GET /api/export/usage?from&to&step&groupBy&format` with a value to keep per dimension, for example `api=…`.
pub(crate) async fn usage(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let ctx = state.request_ctx(&request);
    let work = async {
        let ctx = authorized::<QueryUsage>(&state, &ctx, &request).await?;
        let (format, ask) = Parameters::read(request.query_string())?.usage(ctx.now)?;
        let room = state.exports.enter()?;
        let groups = ask.group_by.clone();
        let rows = state.client.call(&ctx, ask).await?.rows;
        let (mut encoder, mut file) = Encoder::begin(format, "usage", usage_columns(&groups))?;
        file.extend(encoder.rows(usage_rows(&groups, &rows))?);
        file.extend(encoder.end()?);
        drop(room);
        let whole = once(std::future::ready(Ok(Bytes::from(file))));
        Ok(answer(&ctx, format, "usage", Box::pin(whole)))
    };
    work.await.map_err(|error| Problem::new(error, ctx.request_id))
}

/// `GET /api/export/requests?from&to&format` with the conditions of the request log.
pub(crate) async fn calls(state: Data<State>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let ctx = state.request_ctx(&request);
    let work = async {
        let ctx = authorized::<ExportRequestLog>(&state, &ctx, &request).await?;
        let (format, filter) = Parameters::read(request.query_string())?.requests(ctx.now)?;
        let room = state.exports.enter()?;
        let sums = state.client.call(&ctx, SumRequestLog { filter: filter.clone() }).await?;
        if sums.requests > MAX_REQUESTS {
            let message = format!(
                "{} calls are more than a file has: at most {MAX_REQUESTS}; ask for a shorter range",
                sums.requests
            );
            return Err(Error::new(Code::LimitExceeded, "export_too_large", message));
        }
        let export = Export { client: state.client.clone(), ctx: ctx.clone(), filter, room };
        Ok(answer(&ctx, format, "requests", export.parts(format)?))
    };
    work.await.map_err(|error| Problem::new(error, ctx.request_id))
}

/// The context of a caller who may make the call.
async fn authorized<C: Call>(state: &State, ctx: &Ctx, request: &HttpRequest) -> Result<Ctx> {
    let authenticated = authenticate(state, ctx, request).await?;
    authenticated.identity.ok_or_else(credentials_required)?;
    authenticated.ctx.authorize(C::ACCESS)?;
    Ok(authenticated.ctx)
}

fn answer(ctx: &Ctx, format: Format, name: &str, parts: Parts) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, format.content_type()))
        .insert_header((
            CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}.{}\"", format.extension()),
        ))
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((HeaderName::from_static(REQUEST_ID_HEADER), ctx.request_id.to_string()))
        .streaming(parts)
}

/// Single calls on their way into a file.
struct Export {
    client: Client,
    ctx: Ctx,
    filter: RequestFilter,
    /// Given back when the file is written or nobody takes it any more.
    room: OwnedSemaphorePermit,
}

/// Where an export stands.
enum Next {
    Begin,
    After(String),
    Nothing,
}

impl Export {
    fn parts(self, format: Format) -> Result<Parts> {
        let (encoder, head) = Encoder::begin(format, "requests", REQUESTS.to_vec())?;
        let begun = (self, encoder, head, Next::Begin);
        let parts = try_unfold(Some(begun), |state| async move {
            let Some((export, mut encoder, mut bytes, next)) = state else { return Ok(None) };
            let after = match next {
                Next::Begin => None,
                Next::After(cursor) => Some(cursor),
                Next::Nothing => {
                    drop(export.room);
                    return Ok(None);
                }
            };
            let ask = ExportRequestLog { filter: export.filter.clone(), after };
            let page = export.client.call(&export.ctx, ask).await?;
            bytes.extend(encoder.rows(requests(&page.items))?);
            let Some(cursor) = page.next else {
                bytes.extend(encoder.end()?);
                let ended = Encoder::ended();
                return Ok(Some((Bytes::from(bytes), Some((export, ended, Vec::new(), Next::Nothing)))));
            };
            Ok(Some((Bytes::from(bytes), Some((export, encoder, Vec::new(), Next::After(cursor))))))
        });
        Ok(Box::pin(parts))
    }
}
