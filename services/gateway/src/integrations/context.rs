//! What mappings and templates may read of a call.

use apidef::input::RequestInput;
use apidef::template::TemplateInput;

use crate::phases::{Cx, Route};

/// Calls `read` with the call as mappings see it; `body` is that of the message being mapped.
pub(super) fn with_input<T>(
    cx: &Cx<'_>,
    route: &Route<'_>,
    body: &[u8],
    read: impl FnOnce(TemplateInput<'_>) -> T,
) -> T {
    let path_param = |name: &str| route.found.param(name);
    let header = |name: &str| {
        let values = cx.request.head().headers.get_all(name);
        values.filter_map(|value| std::str::from_utf8(value.as_bytes()).ok()).collect()
    };
    let context = |name: &str| variable(cx, route, name);
    let body = String::from_utf8_lossy(body);
    let request = RequestInput {
        path_param: &path_param,
        query: cx.query(),
        header: &header,
        context: &context,
        stage_variables: &route.stage.variables,
    };
    read(TemplateInput { body: &body, request })
}

/// A `$context` variable (api-gateway-mapping-template-reference.md of the API Gateway guide).
pub(super) fn variable(cx: &Cx<'_>, route: &Route<'_>, name: &str) -> Option<String> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Some(match name {
        "requestId" | "extendedRequestId" => cx.id.to_string(),
        "apiId" => route.stage.api.to_string(),
        "stage" => route.stage.name.clone(),
        "deploymentId" => route.stage.deployment.to_string(),
        "httpMethod" => cx.method().to_owned(),
        "path" => cx.path().to_owned(),
        "resourcePath" => route.method.route.clone(),
        "protocol" => {
            if cx.request.version() >= actix_http::Version::HTTP_11 { "HTTP/1.1" } else { "HTTP/1.0" }
                .to_owned()
        }
        "domainName" => cx.host().to_owned(),
        "domainPrefix" => cx.host().split('.').next().unwrap_or_default().to_owned(),
        "requestTimeEpoch" => (cx.started_at / 1_000).to_string(),
        "requestTime" => chrono::DateTime::from_timestamp_micros(cx.started_at)?
            .format("%d/%b/%Y:%H:%M:%S +0000")
            .to_string(),
        "identity.sourceIp" => cx.peer.text().to_owned(),
        "identity.userAgent" => text(cx.header("user-agent")?),
        _ => return None,
    })
}
