//! Serving a web app whose files are embedded in the executable.
//!
//! Owns caching, compression, the fallback for deep links and the security headers. Does not know which app it serves:
//! the table of files is made by `build/web_app.rs` in the crate that serves it.

use actix_web::http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderMap,
    HeaderName, IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};

/// Where the bundler puts files whose names carry a hash of their content.
const HASHED: &str = "/assets/";

/// The page that every deep link opens.
const INDEX: &str = "/index.html";

/// Everything from our own origin and no inline script. Inline styles are allowed: the components set them.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
img-src 'self' data:; font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

/// One embedded file.
#[derive(Clone, Copy)]
pub struct File {
    /// Path of its address, with a leading slash.
    pub path: &'static str,
    /// Media type.
    pub content_type: &'static str,
    /// Strong entity tag, quotes included.
    pub etag: &'static str,
    /// The file as it is.
    pub content: &'static [u8],
    /// The same in Brotli, where that is smaller.
    pub brotli: Option<&'static [u8]>,
    /// The same in gzip, where that is smaller.
    pub gzip: Option<&'static [u8]>,
}

impl std::fmt::Debug for File {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("File")
            .field("path", &self.path)
            .field("bytes", &self.content.len())
            .finish_non_exhaustive()
    }
}

/// A web app: its files and the addresses that are not its own.
#[derive(Debug, Clone, Copy)]
pub struct WebApp {
    /// All files; `/index.html` is among them.
    pub files: &'static [File],
    /// Path prefixes of the server's interfaces: an unknown address below them is answered 404, not with the app.
    pub reserved: &'static [&'static str],
}

impl WebApp {
    /// Serves the app wherever no other service answers.
    pub fn configure(self, config: &mut web::ServiceConfig) {
        config.default_service(web::to(move |request: HttpRequest| async move { self.answer(&request) }));
    }

    fn answer(&self, request: &HttpRequest) -> HttpResponse {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return HttpResponse::NotFound().finish();
        }
        match self.find(request.path()) {
            Some(file) => file.answer(request.headers()),
            None => HttpResponse::NotFound().finish(),
        }
    }

    /// The file at a path, or the index page for an address that only the app in the browser knows.
    fn find(&self, path: &str) -> Option<&File> {
        let at = |wanted: &str| self.files.iter().find(|file| file.path == wanted);
        if let Some(file) = at(path) {
            return Some(file);
        }
        let reserved = self.reserved.iter().any(|prefix| path.starts_with(prefix));
        if reserved || path.starts_with(HASHED) {
            return None;
        }
        at(INDEX)
    }
}

impl File {
    fn answer(&self, headers: &HeaderMap) -> HttpResponse {
        let unchanged = headers.get_all(IF_NONE_MATCH).any(|tags| names_tag(tags.as_bytes(), self.etag));
        let status = if unchanged { StatusCode::NOT_MODIFIED } else { StatusCode::OK };
        let mut response = HttpResponse::build(status);
        response
            .insert_header((CACHE_CONTROL, self.cache_control()))
            .insert_header((ETAG, self.etag))
            .insert_header((VARY, "accept-encoding"))
            .insert_header((CONTENT_SECURITY_POLICY, POLICY))
            .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .insert_header((REFERRER_POLICY, "same-origin"))
            .insert_header((HeaderName::from_static("cross-origin-opener-policy"), "same-origin"));
        if unchanged {
            return response.finish();
        }
        let (encoding, content) = self.encoded(headers);
        if let Some(encoding) = encoding {
            response.insert_header((CONTENT_ENCODING, encoding));
        }
        response.insert_header((CONTENT_TYPE, self.content_type)).body(content)
    }

    fn cache_control(&self) -> &'static str {
        if self.path.starts_with(HASHED) { "public, max-age=31536000, immutable" } else { "no-cache" }
    }

    /// The smallest form that the client takes.
    fn encoded(&self, headers: &HeaderMap) -> (Option<&'static str>, &'static [u8]) {
        let takes = |coding: &str| {
            headers
                .get_all(ACCEPT_ENCODING)
                .any(|value| value.to_str().is_ok_and(|list| accepts(list, coding)))
        };
        match (self.brotli, self.gzip) {
            (Some(content), _) if takes("br") => (Some("br"), content),
            (_, Some(content)) if takes("gzip") => (Some("gzip"), content),
            _ => (None, self.content),
        }
    }
}

/// Whether an `Accept-Encoding` list names a coding without refusing it by a weight of 0 (RFC 9110, 12.5.3).
fn accepts(list: &str, coding: &str) -> bool {
    list.split(',').any(|item| {
        let mut parts = item.split(';').map(str::trim);
        let named = parts.next().is_some_and(|name| name.eq_ignore_ascii_case(coding));
        let weight = parts.find_map(|part| part.strip_prefix("q="));
        named && weight.and_then(|weight| weight.parse::<f32>().ok()).is_none_or(|weight| weight > 0.0)
    })
}

/// Whether an `If-None-Match` list names a tag; weak ones count (RFC 9110, 13.1.2).
fn names_tag(list: &[u8], etag: &str) -> bool {
    let Ok(list) = std::str::from_utf8(list) else { return false };
    list.split(',').map(str::trim).any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

#[cfg(test)]
mod tests {
    use actix_web::dev::ServiceResponse;
    use actix_web::test::{TestRequest, call_service, init_service, read_body};
    use actix_web::{App, web};

    use super::*;

    const APP: WebApp = WebApp {
        files: &[
            File {
                path: "/assets/main-4f2a.js",
                content_type: "text/javascript; charset=utf-8",
                etag: "\"aa\"",
                content: b"script",
                brotli: Some(b"br"),
                gzip: Some(b"gz"),
            },
            File {
                path: "/index.html",
                content_type: "text/html; charset=utf-8",
                etag: "\"bb\"",
                content: b"page",
                brotli: None,
                gzip: None,
            },
        ],
        reserved: &["/api/"],
    };

    async fn answer(request: TestRequest) -> ServiceResponse {
        let own = web::resource("/api/session").to(|| async { "session" });
        let app = App::new().service(own).configure(|config| APP.configure(config));
        call_service(&init_service(app).await, request.to_request()).await
    }

    fn header(response: &ServiceResponse, name: HeaderName) -> &str {
        response.headers().get(name).map_or("", |value| value.to_str().unwrap())
    }

    #[actix_web::test]
    async fn deep_links_open_the_index_page_which_is_always_asked_for_anew() {
        for path in ["/", "/apis", "/apis/a1b2c3d4e5?tab=deployments", "/index.html"] {
            let response = answer(TestRequest::get().uri(path)).await;
            assert_eq!(header(&response, CACHE_CONTROL), "no-cache", "{path}");
            assert_eq!(read_body(response).await, "page", "{path}");
        }
    }

    #[actix_web::test]
    async fn hashed_files_are_kept_forever_and_missing_ones_are_no_page() {
        let response = answer(TestRequest::get().uri("/assets/main-4f2a.js")).await;
        assert_eq!(header(&response, CACHE_CONTROL), "public, max-age=31536000, immutable");
        assert_eq!(header(&response, CONTENT_TYPE), "text/javascript; charset=utf-8");
        assert_eq!(read_body(response).await, "script");
        let gone = answer(TestRequest::get().uri("/assets/main-0000.js")).await;
        assert_eq!(gone.status(), StatusCode::NOT_FOUND);
    }

    #[actix_web::test]
    async fn addresses_of_interfaces_stay_theirs() {
        assert_eq!(read_body(answer(TestRequest::get().uri("/api/session")).await).await, "session");
        assert_eq!(answer(TestRequest::get().uri("/api/nothing")).await.status(), StatusCode::NOT_FOUND);
        assert_eq!(answer(TestRequest::post().uri("/apis")).await.status(), StatusCode::NOT_FOUND);
    }

    #[actix_web::test]
    async fn the_client_gets_the_smallest_form_it_takes() {
        let cases = [
            ("gzip, deflate, br, zstd", "br", "br"),
            ("gzip", "gzip", "gz"),
            ("br;q=0, gzip;q=0.5", "gzip", "gz"),
            ("identity", "", "script"),
        ];
        for (accepted, encoding, body) in cases {
            let request =
                TestRequest::get().uri("/assets/main-4f2a.js").insert_header((ACCEPT_ENCODING, accepted));
            let response = answer(request).await;
            assert_eq!(header(&response, CONTENT_ENCODING), encoding, "{accepted}");
            assert_eq!(read_body(response).await, body, "{accepted}");
        }
    }

    #[actix_web::test]
    async fn what_the_client_has_is_not_sent_again() {
        for tags in ["\"bb\"", "\"x\", W/\"bb\"", "*"] {
            let response = answer(TestRequest::get().uri("/apis").insert_header((IF_NONE_MATCH, tags))).await;
            assert_eq!(response.status(), StatusCode::NOT_MODIFIED, "{tags}");
            assert_eq!(read_body(response).await, "", "{tags}");
        }
        let other = answer(TestRequest::get().uri("/apis").insert_header((IF_NONE_MATCH, "\"aa\""))).await;
        assert_eq!(other.status(), StatusCode::OK);
    }

    #[actix_web::test]
    async fn nothing_foreign_and_nothing_inline_may_run() {
        let response = answer(TestRequest::get().uri("/")).await;
        let policy = header(&response, CONTENT_SECURITY_POLICY);
        assert!(
            policy.contains("script-src 'self';") && policy.contains("frame-ancestors 'none'"),
            "{policy}"
        );
        assert_eq!(header(&response, X_CONTENT_TYPE_OPTIONS), "nosniff");
    }
}
