//! A real backend behind the gateway answers as it does directly: httpbin, which Tollgate did not write.

use std::collections::BTreeMap;
use std::io::Read;

use serde_json::{Value, json};
use testkit::HttpBin;
use ureq::Agent;
use ureq::http::{Request, Response};

use crate::installation::{Admin, Installation, agent};

/// Everything is proxied; the paths are httpbin's.
const DOCUMENT: &str = r#"
openapi: 3.0.3
info: { title: httpbin, version: '1' }
paths:
  /{proxy+}:
    parameters: [{ name: proxy, in: path, required: true, schema: { type: string } }]
    x-amazon-apigateway-any-method:
      parameters: [{ name: proxy, in: path, required: true, schema: { type: string } }]
      responses: { default: { description: Whatever httpbin says. } }
"#;

/// Headers that the way through a gateway adds or that change from answer to answer.
const OWN: [&str; 14] = [
    "date",
    "server",
    "via",
    "connection",
    "keep-alive",
    "transfer-encoding",
    "content-length",
    "x-amzn-requestid",
    "ratelimit",
    "ratelimit-policy",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-allow-credentials",
    "vary",
];

struct Through {
    _installation: Installation,
    gateway: String,
    key: String,
    direct: &'static str,
    agent: Agent,
}

impl Through {
    fn new() -> Self {
        let installation = Installation::up(&[]).unwrap();
        let admin = Admin::new(installation.text("/graphql"), installation.text("/token"));
        let direct = HttpBin::shared().unwrap().url();
        let import =
            json!({ "name": "httpbin", "document": DOCUMENT, "upstreamUrl": direct, "stage": "live" });
        let imported = admin.mutate("apiImport", import, "api { id } invokeUrl");
        let plan = json!({ "name": "all", "stages": [{ "apiId": imported["api"]["id"], "stage": "live" }] });
        let plan = admin.mutate("usagePlanCreate", plan, "usagePlan { id }")["usagePlan"]["id"].clone();
        let key = admin.mutate("apiKeyCreate", json!({ "name": "all", "usagePlanIds": [plan] }), "value");
        let agent = Agent::config_builder().http_status_as_error(false).max_redirects(0).build().into();
        Self {
            gateway: imported["invokeUrl"].as_str().unwrap().to_owned(),
            key: key["value"].as_str().unwrap().to_owned(),
            direct,
            agent,
            _installation: installation,
        }
    }

    /// The same request directly and through the gateway.
    fn both(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> [Seen; 2] {
        [self.direct, &self.gateway].map(|base| {
            let mut request = Request::builder().method(method).uri(format!("{base}{path}"));
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            if base != self.direct {
                request = request.header("x-api-key", &self.key);
            }
            Seen::new(self.agent.run(request.body(body.to_vec()).unwrap()).unwrap())
        })
    }
}

#[derive(Debug, PartialEq)]
struct Seen {
    status: u16,
    headers: BTreeMap<String, Vec<String>>,
    body: Vec<u8>,
}

impl Seen {
    fn new(mut answer: Response<ureq::Body>) -> Self {
        let mut headers = BTreeMap::<String, Vec<String>>::new();
        for (name, value) in answer.headers() {
            if !OWN.contains(&name.as_str()) {
                headers
                    .entry(name.to_string())
                    .or_default()
                    .push(String::from_utf8_lossy(value.as_bytes()).into_owned());
            }
        }
        let status = answer.status().as_u16();
        Self { status, headers, body: answer.body_mut().with_config().limit(64 << 20).read_to_vec().unwrap() }
    }

    fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&self.body)))
    }
}

#[test]
fn answers_are_the_same_as_without_the_gateway() {
    let through = Through::new();
    let cases: &[(&str, &str)] = &[
        ("GET", "/status/200"),
        ("GET", "/status/204"),
        ("GET", "/status/404"),
        ("GET", "/status/418"),
        ("GET", "/status/500"),
        ("PUT", "/status/201"),
        ("DELETE", "/status/202"),
        ("HEAD", "/html"),
        ("GET", "/html"),
        ("GET", "/xml"),
        ("GET", "/robots.txt"),
        ("GET", "/encoding/utf8"),
        ("GET", "/image/png"),
        ("GET", "/gzip"),
        ("GET", "/deflate"),
        ("GET", "/bytes/5000?seed=7"),
        ("GET", "/stream-bytes/100000?seed=7&chunk_size=1000"),
        ("GET", "/range/1024"),
        ("GET", "/response-headers?x-one=1&x-one=2&x-two=%C3%BC"),
        ("GET", "/redirect-to?url=https%3A%2F%2Felsewhere.example%2F&status_code=307"),
        ("GET", "/relative-redirect/2"),
        ("GET", "/cookies/set?a=b"),
        ("GET", "/base64/aGVsbG8%3D"),
        ("GET", "/links/3/0"),
    ];
    for (method, path) in cases {
        let [direct, through] = through.both(method, path, &[], b"");
        // gzip stamps the time into its head.
        if *path == "/gzip" || *path == "/deflate" {
            assert_eq!((direct.status, &direct.headers), (through.status, &through.headers), "{path}");
            continue;
        }
        assert_eq!(direct, through, "{method} {path}");
    }
}

#[test]
fn requests_arrive_as_they_were_sent() {
    let through = Through::new();
    let headers =
        [("content-type", "application/json"), ("x-custom", "kept"), ("accept-language", "de, en;q=0.5")];
    let [direct, seen] = through.both("POST", "/anything/a%20b?x=1&x=2&empty=", &headers, br#"{"n":1}"#);
    let (direct, seen) = (direct.json(), seen.json());
    for same in ["/data", "/json", "/method", "/args", "/headers/X-Custom", "/headers/Accept-Language"] {
        assert_eq!(direct.pointer(same), seen.pointer(same), "{same}");
    }
    assert!(seen.pointer("/headers/X-Api-Key").is_none(), "{seen:#}");
    assert!(seen.pointer("/headers/X-Forwarded-Host").is_some(), "{seen:#}");
}

#[test]
fn conditional_and_range_requests_pass() {
    let through = Through::new();
    for (path, header) in [
        ("/etag/abc", ("if-none-match", "abc")),
        ("/cache", ("if-modified-since", "Sun, 22 Nov 2026 00:00:00 GMT")),
        ("/range/1024", ("range", "bytes=100-199")),
        ("/basic-auth/user/passwd", ("authorization", "Basic dXNlcjpwYXNzd2Q=")),
    ] {
        let [direct, seen] = through.both("GET", path, &[header], b"");
        assert_eq!(direct, seen, "{path}");
    }
}

#[test]
fn a_hundred_megabytes_stream_at_bounded_memory() {
    const MEGABYTE: usize = 1 << 20;
    let installation = Installation::up(&[]).unwrap();
    // httpbin builds its bodies in memory; this backend is a socket that never ends before its count.
    let backend = testkit::Upstream::start(|mut wire| {
        wire.read_head()?;
        wire.send(format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", 100 * MEGABYTE))?;
        let block = vec![7; MEGABYTE];
        (0..100).try_for_each(|_| wire.send(&block))
    })
    .unwrap();
    let admin = Admin::new(installation.text("/graphql"), installation.text("/token"));
    let import = json!({
        "name": "big", "document": DOCUMENT, "upstreamUrl": backend.url(), "stage": "live", "requireApiKey": false,
    });
    let url = admin.mutate("apiImport", import, "invokeUrl")["invokeUrl"].as_str().unwrap().to_owned();
    let before = resident_kib(&installation);
    let mut answer = agent().get(format!("{url}/big")).call().unwrap();
    let mut reader = answer.body_mut().with_config().limit(200 * MEGABYTE as u64).reader();
    let (mut total, mut peak, mut block) = (0, 0, vec![0; MEGABYTE]);
    loop {
        let read = reader.read(&mut block).unwrap();
        if read == 0 {
            break;
        }
        assert!(block[..read].iter().all(|byte| *byte == 7));
        total += read;
        peak = peak.max(resident_kib(&installation));
    }
    assert_eq!(total, 100 * MEGABYTE);
    assert!(peak < before + 20 * 1024, "memory grew from {before} to {peak} KiB");
}

fn resident_kib(installation: &Installation) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", installation.line["pid"])).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}
