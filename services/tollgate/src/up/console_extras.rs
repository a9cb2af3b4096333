//! What the console serves only under `tollgate up`: the inbox of the file mailer, the manual clock, and the operator's
//! `/livez`, `/readyz` and `/metrics` of all roles together.

use std::path::PathBuf;

use actix_web::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use actix_web::{HttpRequest, HttpResponse, web};
use chrono::{DateTime, Utc};
use common::id::RequestId;
use common::origin::is_local;
use common::problem::Problem;
use common::{Clock, Code, Error};
use serde::Deserialize;

use crate::internal::{Metrics, Readiness};

/// How the inbox begins.
const INBOX_HEAD: &str = "<!doctype html><html lang=en><meta charset=utf-8>\
<meta name=viewport content=\"width=device-width\"><meta name=color-scheme content=\"light dark\"><title>Inbox</title>\
<style>body{font:16px/1.6 system-ui;max-width:46rem;margin:2rem auto;padding:0 1rem}\
pre{white-space:pre-wrap;overflow-wrap:anywhere;font-size:14px}</style><h1>Inbox</h1>";

/// What the extras need.
#[derive(Clone)]
pub(crate) struct Extras {
    /// Every role.
    pub(crate) roles: Vec<(Readiness, Metrics)>,
    /// The installation's clock.
    pub(crate) clock: Clock,
    /// Where the file mailer writes.
    pub(crate) mail_directory: PathBuf,
}

#[derive(Deserialize)]
struct SetClock {
    now: DateTime<Utc>,
}

/// Adds `GET /_inbox`, health and metrics and, with a manual clock, `POST /_test/clock`.
pub(crate) fn configure(extras: &Extras, services: &mut web::ServiceConfig) {
    services
        .app_data(web::Data::new(extras.clone()))
        .route("/_inbox", web::get().to(inbox))
        .route("/livez", web::get().to(HttpResponse::Ok))
        .route("/readyz", web::get().to(readyz))
        .route("/metrics", web::get().to(metrics));
    if matches!(extras.clock, Clock::Manual(_)) {
        services.route("/_test/clock", web::post().to(set_clock));
    }
}

async fn readyz(extras: web::Data<Extras>) -> HttpResponse {
    let mut reasons = Vec::new();
    for (readiness, _) in &extras.roles {
        reasons.extend(readiness().await);
    }
    let mut response =
        if reasons.is_empty() { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    response.json(serde_json::json!({ "ready": reasons.is_empty(), "reasons": reasons }))
}

async fn metrics(extras: web::Data<Extras>) -> HttpResponse {
    let parts = extras.roles.iter().map(|(_, metrics)| metrics());
    let text: String =
        parts.flat_map(|part| part.lines().map(|line| format!("{line}\n")).collect::<Vec<_>>()).collect();
    HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/plain; version=0.0.4"))
        .body(text.replace("# EOF\n", ""))
}

async fn set_clock(
    extras: web::Data<Extras>,
    request: HttpRequest,
    body: web::Json<SetClock>,
) -> Result<HttpResponse, Problem> {
    guard_local(&request).map_err(|error| Problem::new(error, RequestId::new(extras.clock.now())))?;
    extras.clock.set(body.now);
    Ok(HttpResponse::Ok().json(serde_json::json!({ "now": extras.clock.now() })))
}

/// These need no sign-in, so they are for this machine alone.
fn guard_local(request: &HttpRequest) -> common::Result<()> {
    if is_local(request) {
        return Ok(());
    }
    Err(Error::new(Code::Forbidden, "loopback_only", "this answers on the same machine alone"))
}

/// All mails, newest first, as text.
async fn inbox(extras: web::Data<Extras>, request: HttpRequest) -> Result<HttpResponse, Problem> {
    guard_local(&request).map_err(|error| Problem::new(error, RequestId::new(extras.clock.now())))?;
    let directory = extras.mail_directory.clone();
    let mails = web::block(move || read_mails(&directory)).await.unwrap_or_default();
    let mut page = String::from(INBOX_HEAD);
    if mails.is_empty() {
        page.push_str("<p>No mail yet. Mails that Tollgate sends are shown here.</p>");
    }
    for mail in mails {
        page.push_str("<pre>");
        page.push_str(&linked(&mail));
        page.push_str("</pre><hr>");
    }
    Ok(HttpResponse::Ok()
        .insert_header((CONTENT_TYPE, "text/html; charset=utf-8"))
        .insert_header((CONTENT_SECURITY_POLICY, "default-src 'none'; style-src 'unsafe-inline'"))
        .body(page))
}

/// A mail as HTML, in which addresses are links.
fn linked(mail: &str) -> String {
    let escaped = mail.replace('&', "&amp;").replace('<', "&lt;").replace('"', "&quot;");
    let link = |word: &str| {
        let address = word.trim_end();
        if address.starts_with("http://") || address.starts_with("https://") {
            return format!("<a href=\"{address}\">{address}</a>{}", &word[address.len()..]);
        }
        word.to_owned()
    };
    escaped.split_inclusive(char::is_whitespace).map(link).collect()
}

fn read_mails(directory: &std::path::Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut mails: Vec<_> = entries
        .flatten()
        .filter(|entry| entry.path().extension().is_some_and(|extension| extension == "eml"))
        .filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path())))
        .collect();
    mails.sort_by_key(|(modified, _)| std::cmp::Reverse(*modified));
    mails.into_iter().take(200).filter_map(|(_, path)| std::fs::read_to_string(path).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_in_a_mail_are_links_and_nothing_else_is_markup() {
        assert_eq!(
            linked("To: <a@b.example>\r\n\r\nhttp://demo.localhost:1/x?a=1&b=\"\r\nbye"),
            "To: &lt;a@b.example>\r\n\r\n<a href=\"http://demo.localhost:1/x?a=1&amp;b=&quot;\">\
             http://demo.localhost:1/x?a=1&amp;b=&quot;</a>\r\nbye"
        );
    }
}
