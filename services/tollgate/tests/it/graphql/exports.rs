//! Files of usage and of single calls: only with the permission, only of one's own organization.

use actix_web::http::StatusCode;
use contracts::Permission::{self, RequestLogRead, UsageRead};

use super::edge::Edge;
use super::organization::Organization;

const CALLS: &str = "/api/export/requests";
const USAGE: &str = "/api/export/usage?group_by=key";

async fn status(edge: &Edge, token: Option<&str>, path: &str) -> StatusCode {
    edge.file(token, path).await.0
}

#[actix_web::test]
async fn a_file_needs_the_permission_of_what_it_holds() {
    let edge = Edge::start().await;
    let acme = Organization::found(&edge, "acme").await;
    for (path, needed) in [(CALLS, RequestLogRead), (USAGE, UsageRead)] {
        assert_eq!(status(&edge, None, path).await, StatusCode::UNAUTHORIZED, "{path}");
        assert_eq!(status(&edge, Some("tgt_unknown"), path).await, StatusCode::UNAUTHORIZED, "{path}");
        let others: Vec<_> = Permission::ALL.iter().copied().filter(|other| *other != needed).collect();
        let weak = acme.owner.token(&others).await;
        assert_eq!(status(&edge, Some(&weak), path).await, StatusCode::FORBIDDEN, "{path}");
        let enough = acme.owner.token(&[needed]).await;
        assert_eq!(status(&edge, Some(&enough), path).await, StatusCode::OK, "{path}");
    }
}

#[actix_web::test]
async fn a_file_holds_the_callers_organization_alone() {
    let edge = Edge::start().await;
    let [acme, other] = [Organization::found(&edge, "acme").await, Organization::found(&edge, "other").await];
    let token = other.owner.token(&[RequestLogRead, UsageRead]).await;
    for path in [CALLS, USAGE] {
        let foreign = format!("{path}{}key={}", if path.contains('?') { '&' } else { '?' }, acme.id("key"));
        let (_, file) = edge.file(Some(&token), &foreign).await;
        assert_eq!(file.lines().count(), 1, "a head alone: {file}");
        let (_, file) = edge.file(Some(&token), path).await;
        assert!(file.contains(other.id("key")) && !file.contains(acme.id("key")), "{file}");
    }
}

#[actix_web::test]
async fn every_format_holds_the_call() {
    let edge = Edge::start().await;
    let acme = Organization::found(&edge, "acme").await;
    let token = acme.owner.token(&[RequestLogRead]).await;
    let request = acme.id("request");
    for format in ["csv", "jsonl", "parquet"] {
        let (status, file) = edge.file(Some(&token), &format!("{CALLS}?format={format}")).await;
        assert_eq!(status, StatusCode::OK);
        assert!(file.contains(request), "{format}: {file}");
    }
    let path = format!("{CALLS}?status=500&format=jsonl");
    assert_eq!(edge.file(Some(&token), &path).await.1, "");
    for wrong in ["format=xls", "colour=red", "from=yesterday", "status=ok"] {
        let (status, _) = edge.file(Some(&token), &format!("{CALLS}?{wrong}")).await;
        assert_eq!(status.as_u16() / 100, 4, "{wrong}");
    }
}
