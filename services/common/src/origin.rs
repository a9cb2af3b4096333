//! Where a request came from and which host it was meant for, as far as that can be believed.
//!
//! Headers that proxies add (`Forwarded`, `X-Forwarded-For`, `X-Forwarded-Host`) count from trusted peers alone: anybody
//! can send them.

use std::net::{IpAddr, SocketAddr};

use actix_web::HttpRequest;
use actix_web::http::header::{FORWARDED, HOST, HeaderName};
use serde::{Deserialize, Serialize};

use crate::net::Cidr;

const FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// The networks whose proxies are believed; by default none.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TrustedProxies(Vec<Cidr>);

impl TrustedProxies {
    /// Believes the proxies in `networks`.
    pub fn new(networks: Vec<Cidr>) -> Self {
        Self(networks)
    }

    /// Address of the client: the peer, or what the last trusted proxy on the way saw.
    ///
    /// When the two headers disagree, one of them came from the client itself and the proxy's own address is answered.
    pub fn client_address(&self, request: &HttpRequest) -> Option<IpAddr> {
        let peer = request.peer_addr()?.ip().to_canonical();
        if !self.trusts(peer) {
            return Some(peer);
        }
        let standard = self.last_untrusted(peer, &forwarded_for(request));
        let usual = self.last_untrusted(peer, &list(request, &FORWARDED_FOR));
        Some(
            match (request.headers().contains_key(FORWARDED), request.headers().contains_key(FORWARDED_FOR)) {
                (true, true) if standard != usual => peer,
                (true, _) => standard,
                (false, _) => usual,
            },
        )
    }

    /// The host with its port that the client asked for.
    pub fn host(&self, request: &HttpRequest) -> Option<String> {
        let trusted = request.peer_addr().is_some_and(|peer| self.trusts(peer.ip().to_canonical()));
        let forwarded = trusted.then(|| list(request, &FORWARDED_HOST).pop()).flatten();
        forwarded.or_else(|| own_host(request))
    }

    fn trusts(&self, address: IpAddr) -> bool {
        self.0.iter().any(|network| network.contains(address))
    }

    /// Walks the hops back from `peer`, for as long as each is trusted to tell of the one before it.
    fn last_untrusted(&self, peer: IpAddr, hops: &[String]) -> IpAddr {
        let mut client = peer;
        for hop in hops.iter().rev() {
            let Some(address) = address(hop) else { return client };
            client = address;
            if !self.trusts(client) {
                break;
            }
        }
        client
    }
}

/// Whether somebody on this machine asked this machine directly.
///
/// That is a loopback peer, no proxy between, and a host that no name server can point here: a page of another site
/// could ask under its own name otherwise.
pub fn is_local(request: &HttpRequest) -> bool {
    let headers = request.headers();
    let proxied = [FORWARDED, FORWARDED_FOR, FORWARDED_HOST].iter().any(|name| headers.contains_key(name));
    let loopback = request.peer_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback());
    let host = own_host(request).unwrap_or_default();
    loopback && !proxied && (name_of(&host).eq_ignore_ascii_case("localhost") || address(&host).is_some())
}

/// The name in a host, without its port.
pub fn name_of(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => name,
        _ => host,
    }
}

/// What the request itself says: its target (HTTP/2), else its `Host`.
fn own_host(request: &HttpRequest) -> Option<String> {
    let target = request.uri().authority().map(|authority| authority.as_str().to_owned());
    target.or_else(|| request.headers().get(HOST)?.to_str().ok().map(str::to_owned))
}

fn list(request: &HttpRequest, name: &HeaderName) -> Vec<String> {
    let values = request.headers().get_all(name).filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).map(|item| item.trim().to_owned()).collect()
}

/// The `for` of each hop (RFC 7239, 4).
fn forwarded_for(request: &HttpRequest) -> Vec<String> {
    let node = |hop: &String| {
        let pairs = hop.split(';').filter_map(|pair| pair.trim().split_once('='));
        let node = pairs.into_iter().find(|(name, _)| name.eq_ignore_ascii_case("for"));
        node.map(|(_, value)| value.trim_matches('"').to_owned()).unwrap_or_default()
    };
    list(request, &FORWARDED).iter().map(node).collect()
}

/// An address with or without a port, IPv6 with or without brackets.
fn address(text: &str) -> Option<IpAddr> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    let address = bare.parse().or_else(|_| text.parse::<SocketAddr>().map(|at| at.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;
    use actix_web::test::TestRequest;

    fn request(peer: &str, headers: &[(&'static str, &str)]) -> HttpRequest {
        let request = TestRequest::default().peer_addr(SocketAddr::new(peer.parse().unwrap(), 1));
        headers.iter().fold(request, |request, header| request.append_header(*header)).to_http_request()
    }

    fn client(peer: &str, headers: &[(&'static str, &str)]) -> String {
        let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()]);
        proxies.client_address(&request(peer, headers)).unwrap().to_string()
    }

    #[test]
    fn only_a_trusted_proxy_tells_the_clients_address() {
        let claim = [("x-forwarded-for", "192.0.2.9")];
        assert_eq!(client("203.0.113.5", &claim), "203.0.113.5");
        assert_eq!(client("10.0.0.1", &claim), "192.0.2.9");
        assert_eq!(client("::ffff:10.0.0.1", &claim), "192.0.2.9");
        assert_eq!(client("10.0.0.1", &[]), "10.0.0.1");
        for forwarded in ["for=192.0.2.9;proto=https", "For=\"192.0.2.9:4711\""] {
            assert_eq!(client("10.0.0.1", &[("forwarded", forwarded)]), "192.0.2.9", "{forwarded}");
        }
        assert_eq!(client("10.0.0.1", &[("forwarded", "for=\"[2001:db8::1]:80\"")]), "2001:db8::1");
    }

    #[test]
    fn what_the_client_claims_of_itself_is_not_believed() {
        assert_eq!(client("10.0.0.1", &[("x-forwarded-for", "1.2.3.4, 192.0.2.9")]), "192.0.2.9");
        assert_eq!(client("10.0.0.1", &[("x-forwarded-for", "1.2.3.4, 192.0.2.9, 10.0.0.2")]), "192.0.2.9");
        let lines = [("x-forwarded-for", "1.2.3.4"), ("x-forwarded-for", "192.0.2.9")];
        assert_eq!(client("10.0.0.1", &lines), "192.0.2.9");
        assert_eq!(client("10.0.0.1", &[("x-forwarded-for", "1.2.3.4, unknown, 10.0.0.2")]), "10.0.0.2");
        // The proxy sets one of them; the other is the client's own.
        let both = [("forwarded", "for=1.2.3.4"), ("x-forwarded-for", "192.0.2.9")];
        assert_eq!(client("10.0.0.1", &both), "10.0.0.1");
    }

    #[test]
    fn only_a_trusted_proxy_tells_the_host() {
        let proxies = TrustedProxies::new(vec!["10.0.0.0/8".parse().unwrap()]);
        let headers = [("host", "a.example"), ("x-forwarded-host", "b.example")];
        assert_eq!(proxies.host(&request("203.0.113.5", &headers)).unwrap(), "a.example");
        assert_eq!(proxies.host(&request("10.0.0.1", &headers)).unwrap(), "b.example");
        assert_eq!(proxies.host(&request("10.0.0.1", &headers[..1])).unwrap(), "a.example");
    }

    #[test]
    fn local_is_a_loopback_peer_under_a_name_that_nobody_else_can_point_here() {
        let local = |peer: &str, host: &str| is_local(&request(peer, &[("host", host)]));
        for host in ["localhost:8081", "LOCALHOST", "127.0.0.1:8081", "[::1]:8081", "[::1]"] {
            assert!(local("127.0.0.1", host), "{host}");
        }
        assert!(local("::1", "localhost"));
        for host in ["evil.example:8081", "127.0.0.1.evil.example", "localhost.evil.example", ""] {
            assert!(!local("127.0.0.1", host), "{host}");
        }
        assert!(!local("192.168.1.9", "127.0.0.1:8081"));
        let proxied = [("host", "127.0.0.1"), ("x-forwarded-for", "192.0.2.9")];
        assert!(!is_local(&request("127.0.0.1", &proxied)));
    }
}
