//! The dashboard beside the interfaces, and its queries against the limits.

use std::path::Path;

use actix_web::App;
use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use actix_web::test::{TestRequest, call_service, init_service};
use serde_json::json;

use crate::edge::send;

#[actix_web::test]
async fn every_address_that_is_no_interface_opens_the_dashboard() {
    let app = init_service(App::new().configure(admin::web::configure)).await;
    for path in ["/", "/apis/abcdefghij?tab=deployments", "/graphiql", "/sign-in"] {
        let response = call_service(&app, TestRequest::get().uri(path).to_request()).await;
        assert_eq!(response.status(), StatusCode::OK, "{path}");
        assert_eq!(response.headers().get(CONTENT_TYPE).unwrap(), "text/html; charset=utf-8", "{path}");
        assert!(response.headers().contains_key(CONTENT_SECURITY_POLICY), "{path}");
    }
    for path in ["/api/nothing", "/graphql/nothing", "/livez", "/_test/clock", "/assets/missing.js"] {
        let response = call_service(&app, TestRequest::get().uri(path).to_request()).await;
        assert_eq!(response.status(), StatusCode::NOT_FOUND, "{path}");
    }
}

/// The texts in graphql(`...`) of the dashboard's sources.
fn queries_below(directory: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            queries_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "ts" || extension == "tsx") {
            let text = std::fs::read_to_string(&path).unwrap();
            let documents = text.split("graphql(`").skip(1).filter_map(|rest| rest.split('`').next());
            found.extend(documents.filter(|text| text.trim_start().starts_with("query")).map(str::to_owned));
        }
    }
}

#[actix_web::test]
async fn the_dashboards_queries_are_valid_and_within_the_limits() {
    let mut queries = Vec::new();
    queries_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/apps/dashboard/src"), &mut queries);
    assert!(queries.len() >= 5, "{queries:?}");
    // Of all these, each query takes what it declares.
    let variables = json!({
        "id": "abcdefghij", "first": 100, "after": null, "search": null, "step": "HOUR", "by": ["API"],
        "previous": "2026-11-01T00:00:00Z", "previousTo": "2026-11-02T00:00:00Z",
        "from": "2026-11-02T00:00:00Z", "to": "2026-11-03T00:00:00Z",
    });
    for query in queries {
        let body = json!({ "query": query, "variables": variables });
        let (_, _, body) = send(TestRequest::post().uri("/graphql").set_json(body)).await;
        // Without credentials a valid query gets as far as being refused for that.
        assert_eq!(body["errors"][0]["extensions"]["code"], "unauthenticated", "{query}\n{body}");
    }
}
