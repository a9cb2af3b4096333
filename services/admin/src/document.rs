//! Reading an OpenAPI document from an address the provider names, without becoming a way into our own network.
//!
//! Names are resolved here and only addresses that passed the check are connected to; each redirect is checked anew.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use common::net::{Cidr, forbidden};
use common::{Code, Error, Result};
use futures_util::future::BoxFuture;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::body::{Bytes, Incoming};
use hyper_rustls::HttpsConnectorBuilder;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::connect::dns::Name;
use hyper_util::rt::TokioExecutor;
use tower_service::Service;
use url::{Host, Url};

/// The input's field, for errors.
const FIELD: &str = "documentUrl";
/// Largest document.
const MAX_DOCUMENT: usize = 6 << 20;
/// Longest wait for the whole of it.
const DEADLINE: Duration = Duration::from_secs(10);
/// Redirects followed.
const MAX_REDIRECTS: usize = 5;

/// Reads documents. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct DocumentFetcher {
    allowed: Arc<[Cidr]>,
}

impl DocumentFetcher {
    /// Reads from public addresses and from `allowed` networks.
    pub(crate) fn new(allowed: &[Cidr]) -> Self {
        Self { allowed: allowed.into() }
    }

    /// The text at `address`: at most 6 MB within 10 seconds.
    pub(crate) async fn fetch(&self, address: &str) -> Result<String> {
        let mut url = Url::parse(address).map_err(|error| fault(error.to_string()))?;
        let text = async {
            for _ in 0..=MAX_REDIRECTS {
                match self.get(&url).await? {
                    Answer::Document(text) => return Ok(text),
                    Answer::Redirect(next) => url = next,
                }
            }
            Err(fault(format!("redirects more than {MAX_REDIRECTS} times")))
        };
        tokio::time::timeout(DEADLINE, text)
            .await
            .map_err(|_| fault(format!("did not answer within {} seconds", DEADLINE.as_secs())))?
    }

    async fn get(&self, url: &Url) -> Result<Answer> {
        self.check(url)?;
        let mut connector = HttpConnector::new_with_resolver(Resolver { allowed: Arc::clone(&self.allowed) });
        connector.enforce_http(false);
        let connector = HttpsConnectorBuilder::new()
            .with_native_roots()
            .map_err(Error::internal)?
            .https_or_http()
            .enable_http1()
            .wrap_connector(connector);
        let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(0)
            .build::<_, Empty<Bytes>>(connector);
        let request = Request::get(url.as_str())
            .header(header::ACCEPT, "application/json, application/yaml, text/yaml, */*;q=0.5")
            .header(header::USER_AGENT, concat!("tollgate/", env!("CARGO_PKG_VERSION")))
            .body(Empty::new())
            .map_err(|error| fault(error.to_string()))?;
        let response = client.request(request).await.map_err(|error| fault(cause(&error)))?;
        match response.status() {
            StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT => {
                let location = response.headers().get(header::LOCATION).and_then(|value| value.to_str().ok());
                let location = location.ok_or_else(|| fault("redirects to nowhere".to_owned()))?;
                let next = url.join(location).map_err(|error| fault(error.to_string()))?;
                Ok(Answer::Redirect(next))
            }
            StatusCode::OK => read(response.into_body()).await.map(Answer::Document),
            status => Err(fault(format!("answered with status {}", status.as_u16()))),
        }
    }

    /// Refuses what needs no name to be resolved: other schemes, credentials, forbidden address literals.
    fn check(&self, url: &Url) -> Result<()> {
        if !matches!(url.scheme(), "http" | "https") {
            return Err(fault("must be an http or https address".to_owned()));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(fault("must not hold credentials".to_owned()));
        }
        let literal = match url.host() {
            Some(Host::Ipv4(ip)) => IpAddr::V4(ip),
            Some(Host::Ipv6(ip)) => IpAddr::V6(ip),
            Some(Host::Domain(_)) => return Ok(()),
            None => return Err(fault("has no host".to_owned())),
        };
        if forbidden(literal, &self.allowed) { Err(private()) } else { Ok(()) }
    }
}

enum Answer {
    Document(String),
    Redirect(Url),
}

async fn read(body: Incoming) -> Result<String> {
    let body = Limited::new(body, MAX_DOCUMENT).collect().await.map_err(|error| {
        if error.is::<LengthLimitError>() {
            let message = format!("{FIELD}: the document is larger than {} MB", MAX_DOCUMENT >> 20);
            return Error::new(Code::PayloadTooLarge, "document_too_large", message);
        }
        fault(error.to_string())
    })?;
    String::from_utf8(body.to_bytes().into()).map_err(|_| fault("the document is not UTF-8 text".to_owned()))
}

/// Resolves names to the addresses that may be connected to.
#[derive(Clone)]
struct Resolver {
    allowed: Arc<[Cidr]>,
}

impl Service<Name> for Resolver {
    type Response = std::vec::IntoIter<SocketAddr>;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Self::Response>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let allowed = Arc::clone(&self.allowed);
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await;
            let found = found.map_err(|_| fault("the host name does not resolve".to_owned()))?;
            let usable: Vec<_> = found.filter(|address| !forbidden(address.ip(), &allowed)).collect();
            if usable.is_empty() { Err(private()) } else { Ok(usable.into_iter()) }
        })
    }
}

fn fault(message: String) -> Error {
    Error::invalid(FIELD, message)
}

fn private() -> Error {
    fault("must not be in a private network".to_owned())
}

/// The innermost reason, without the wrappers of the client; our own refusals lose the field they repeat.
fn cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    match innermost.downcast_ref::<Error>().and_then(|error| error.fields.first()) {
        Some(at) => at.message.clone(),
        None => format!("cannot be reached: {innermost}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use testkit::{Upstream, Wire};

    fn serve(answers: &'static [(&'static str, &'static str)]) -> Upstream {
        Upstream::start(move |mut wire: Wire| {
            let head = wire.read_head()?;
            let path = head.start_line().split(' ').nth(1).unwrap_or_default().to_owned();
            let answer = answers.iter().find(|(known, _)| *known == path);
            wire.send(
                answer.map_or("HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n", |(_, answer)| answer),
            )
        })
        .unwrap()
    }

    fn loopback() -> DocumentFetcher {
        DocumentFetcher::new(&["127.0.0.0/8".parse().unwrap()])
    }

    async fn refusal(fetcher: &DocumentFetcher, url: &str) -> String {
        fetcher.fetch(url).await.unwrap_err().to_string()
    }

    #[tokio::test]
    async fn a_document_is_read_through_redirects() {
        let server = serve(&[
            ("/old", "HTTP/1.1 302 Found\r\nlocation: new?v=1\r\ncontent-length: 0\r\n\r\n"),
            ("/new?v=1", "HTTP/1.1 200 OK\r\ncontent-length: 14\r\n\r\nopenapi: 3.1.0"),
        ]);
        let text = loopback().fetch(&format!("{}/old", server.url())).await.unwrap();
        assert_eq!(text, "openapi: 3.1.0");
        assert!(refusal(&loopback(), &format!("{}/none", server.url())).await.contains("status 404"));
    }

    #[tokio::test]
    async fn private_addresses_are_refused_before_anything_is_sent() {
        let server = serve(&[]);
        let port = server.address().port();
        let hosts = [
            "127.0.0.1",
            "localhost",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "2130706433",
            "0x7f.1",
            "169.254.169.254",
        ];
        for host in hosts {
            let refused = refusal(&DocumentFetcher::new(&[]), &format!("http://{host}:{port}/")).await;
            assert!(refused.contains("private network"), "{host}: {refused}");
        }
        assert_eq!(server.connections(), 0);
    }

    #[tokio::test]
    async fn a_redirect_into_a_private_network_is_refused() {
        let server = serve(&[(
            "/",
            "HTTP/1.1 307 Temporary Redirect\r\nlocation: http://169.254.169.254/latest\r\ncontent-length: 0\r\n\r\n",
        )]);
        assert!(refusal(&loopback(), &server.url()).await.contains("private network"));
    }

    #[tokio::test]
    async fn redirects_end() {
        let server = serve(&[("/", "HTTP/1.1 301 Moved\r\nlocation: /\r\ncontent-length: 0\r\n\r\n")]);
        assert!(refusal(&loopback(), &server.url()).await.contains("redirects more than"));
    }

    #[tokio::test]
    async fn a_document_over_the_limit_is_refused_however_it_is_framed() {
        let server = Upstream::start(|mut wire| {
            wire.read_head()?;
            wire.send("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")?;
            let chunk = [b"100000\r\n".as_slice(), &vec![b'x'; 1 << 20], b"\r\n"].concat();
            (0..8).try_for_each(|_| wire.send(&chunk))
        })
        .unwrap();
        let error = loopback().fetch(&server.url()).await.unwrap_err();
        assert_eq!((error.code, error.reason.as_ref()), (Code::PayloadTooLarge, "document_too_large"));
    }

    #[tokio::test]
    async fn only_plain_web_addresses_are_read() {
        for url in ["file:///etc/passwd", "ftp://example.com/", "http://user:pw@example.com/", "openapi.yaml"]
        {
            let error = loopback().fetch(url).await.unwrap_err();
            assert_eq!(error.fields[0].field, FIELD, "{url}");
        }
    }
}
