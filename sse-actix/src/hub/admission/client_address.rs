//! Finds the address of the client that has sent a request.

use std::{
    iter,
    net::{IpAddr, Ipv6Addr},
};

use actix_web::{
    HttpRequest,
    http::header::{self, HeaderName, HeaderValue},
};
use ipnet::IpNet;

use crate::extract::header_text::{split_pair, trim_blanks};

/// The address that limits count by: a whole /64 of IPv6, because one customer has that many addresses. `None` if the
/// client came over a unix socket, and unix sockets are not trusted.
pub(in crate::hub) fn address_of(request: &HttpRequest, proxies: &TrustedProxies) -> Option<IpAddr> {
    let mut address = match request.peer_addr() {
        Some(peer) => peer.ip().to_canonical(),
        None if proxies.unix_sockets => THE_UNIX_SOCKET,
        None => return None,
    };
    if address == THE_UNIX_SOCKET || proxies.contain(address) {
        // Each proxy appends the address of its client. So the last address that is not a trusted proxy is the
        // client's. The client itself may have written the addresses before it.
        for hop in hops(request, &proxies.header).into_iter().rev() {
            let Some(hop) = hop else { break };
            address = hop;
            if !proxies.contain(address) {
                break;
            }
        }
    }
    Some(to_counted_network(address))
}

/// The text by which [`HubBuilder::trusted_proxy`](crate::HubBuilder::trusted_proxy) means all peers of a unix socket.
pub(in crate::hub) const UNIX_SOCKETS: &str = "unix:";

/// Stands for a proxy behind a unix socket, which has no address. No client has this one.
const THE_UNIX_SOCKET: IpAddr = IpAddr::V6(Ipv6Addr::UNSPECIFIED);

/// The trusted proxies, and the header in which they write the client's address.
pub(in crate::hub) struct TrustedProxies {
    pub(in crate::hub) networks: Vec<IpNet>,
    /// True if all peers of a unix socket are trusted.
    pub(in crate::hub) unix_sockets: bool,
    pub(in crate::hub) header: HeaderName,
}

impl TrustedProxies {
    fn contain(&self, address: IpAddr) -> bool {
        self.networks.iter().any(|network| network.contains(&address))
    }
}

/// The addresses in the header that the proxies set. Other headers are ignored, because a proxy passes on what a client
/// has written there. `None` for a hop that is not an address.
fn hops(request: &HttpRequest, name: &HeaderName) -> Vec<Option<IpAddr>> {
    let values = request.headers().get_all(name);
    // As bytes: the client may have begun the line with bytes that are not text, and the proxy's own entry still ends
    // it.
    let values = values.map(HeaderValue::as_bytes);
    if *name != header::FORWARDED {
        return values
            .flat_map(|value| value.split(|byte| *byte == b','))
            .map(parse)
            .collect();
    }
    let hops = values.flat_map(|value| {
        let mut hops: Vec<_> = rsplit_unquoted(value, b',').collect();
        hops.reverse();
        hops
    });
    hops.map(forwarded_for).collect()
}

/// The parts of a text, beginning with the last. A separator within quotes does not separate. The proxy has written
/// only the end of a line, so quotes are counted from there: the client may have left a quote open before it.
fn rsplit_unquoted(text: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    iter::from_fn(move || {
        let text = rest.take()?;
        let Some(at) = last_unquoted(text, separator) else {
            return Some(text);
        };
        rest = text.get(..at);
        text.get(at + 1..)
    })
}

fn last_unquoted(text: &[u8], separator: u8) -> Option<usize> {
    let mut is_quoted = false;
    for (at, byte) in text.iter().enumerate().rev() {
        let is_escaped = || {
            let before = text.get(..at).unwrap_or_default();
            before.iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
        };
        if *byte == b'"' && !(is_quoted && is_escaped()) {
            is_quoted = !is_quoted;
        } else if *byte == separator && !is_quoted {
            return Some(at);
        }
    }
    None
}

/// The `for` of one hop of a `Forwarded` header ([RFC 7239, 4](https://www.rfc-editor.org/rfc/rfc7239#section-4)).
fn forwarded_for(hop: &[u8]) -> Option<IpAddr> {
    let mut pairs = rsplit_unquoted(hop, b';').filter_map(split_pair);
    let (_, value) = pairs.find(|(name, _)| name.eq_ignore_ascii_case(b"for"))?;
    let unquoted = value
        .strip_prefix(b"\"")
        .and_then(|value| value.strip_suffix(b"\""));
    parse(unquoted.unwrap_or(value))
}

/// An address, with or without a port, an IPv6 address in brackets or not. IPv4 in the form of IPv6 becomes IPv4.
fn parse(text: &[u8]) -> Option<IpAddr> {
    let text = str::from_utf8(trim_blanks(text)).ok()?;
    let bracketed = || text.strip_prefix('[')?.split(']').next()?.parse().ok();
    let with_port = || text.rsplit_once(':')?.0.parse().ok();
    text.parse()
        .ok()
        .or_else(bracketed)
        .or_else(with_port)
        .map(|address: IpAddr| address.to_canonical())
}

/// The network that counts as one client: the address itself, or the /64 of an IPv6 address.
fn to_counted_network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn of_header(name: HeaderName, peer: &str, headers: &[(&str, &[u8])]) -> String {
        let proxies = TrustedProxies {
            networks: vec!["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()],
            unix_sockets: false,
            header: name,
        };
        let mut request = TestRequest::get().peer_addr(peer.parse().unwrap());
        for (name, value) in headers {
            request = request.append_header((*name, HeaderValue::from_bytes(value).unwrap()));
        }
        address_of(&request.to_http_request(), &proxies)
            .unwrap()
            .to_string()
    }

    fn of(peer: &str, xff: Option<&[u8]>) -> String {
        let headers: Vec<_> = xff.into_iter().map(|value| ("x-forwarded-for", value)).collect();
        of_header(header::X_FORWARDED_FOR, peer, &headers)
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        assert_eq!(of("192.0.2.1:1", Some(b"198.51.100.7")), "192.0.2.1");
        assert_eq!(of("10.1.1.1:1", Some(b"198.51.100.7")), "198.51.100.7");
        assert_eq!(of("10.1.1.1:1", None), "10.1.1.1");
        // What the client itself has written comes first, and is ignored.
        assert_eq!(
            of("10.1.1.1:1", Some(b"1.1.1.1, 198.51.100.7, 10.2.2.2")),
            "198.51.100.7"
        );
        assert_eq!(of("10.1.1.1:1", Some(b"\xff, 198.51.100.7")), "198.51.100.7");
        assert_eq!(of("10.1.1.1:1", Some(b"1.1.1.1, nonsense")), "10.1.1.1");
        assert_eq!(of("10.1.1.1:1", Some(b"198.51.100.7:4711")), "198.51.100.7");
    }

    #[test]
    fn only_the_header_that_was_named_is_believed() {
        let forwarded = br#"for=1.1.1.1, FOR="[2001:db8:1:2:3::4]:80";proto=https;by=10.0.0.1"#;
        let both: [(&str, &[u8]); 3] = [
            ("forwarded", forwarded),
            ("x-forwarded-for", b"198.51.100.7"),
            ("cf-connecting-ip", b"198.51.100.8"),
        ];
        let of = |name| of_header(name, "10.1.1.1:1", &both);
        assert_eq!(of(header::FORWARDED), "2001:db8:1:2::");
        assert_eq!(of(header::X_FORWARDED_FOR), "198.51.100.7");
        assert_eq!(of(HeaderName::from_static("cf-connecting-ip")), "198.51.100.8");
        assert_eq!(of(HeaderName::from_static("x-real-ip")), "10.1.1.1");
    }

    #[test]
    fn behind_a_unix_socket_only_a_trusted_header_tells() {
        let of = |unix_sockets, headers: &[(&str, &str)]| {
            let proxies = TrustedProxies {
                networks: vec!["10.0.0.0/8".parse().unwrap()],
                unix_sockets,
                header: header::X_FORWARDED_FOR,
            };
            let mut request = TestRequest::get();
            for header in headers {
                request = request.append_header(*header);
            }
            address_of(&request.to_http_request(), &proxies).map(|address| address.to_string())
        };
        let behind_two = [("x-forwarded-for", "1.1.1.1, 198.51.100.7, 10.2.2.2")];
        assert_eq!(of(false, &behind_two), None);
        assert_eq!(of(true, &behind_two).unwrap(), "198.51.100.7");
        // A proxy that says nothing is one client.
        assert_eq!(of(true, &[]).unwrap(), "::");
        assert_eq!(of(true, &[("x-forwarded-for", "unix:")]).unwrap(), "::");
    }

    #[test]
    fn what_a_client_writes_into_a_quoted_part_is_no_address() {
        for forwarded in [
            r#"host="a;for=6.6.6.6;x";for=192.0.2.1"#,
            r#"for=192.0.2.1;host="a;for=6.6.6.6;x""#,
            r#"for=192.0.2.1;host="a,for=6.6.6.6;x""#,
            r#"for="6.6.6.6, for=192.0.2.1"#,
            r#"for=6.6.6.6, for="192.0.2.1";host="a\"b""#,
        ] {
            let headers: [(&str, &[u8]); 1] = [("forwarded", forwarded.as_bytes())];
            let address = of_header(header::FORWARDED, "10.1.1.1:1", &headers);
            assert_eq!(address, "192.0.2.1", "{forwarded}");
        }
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        assert_eq!(of("[2001:db8:1:2:3::4]:1", None), "2001:db8:1:2::");
        assert_eq!(of("[::ffff:192.0.2.1]:1", None), "192.0.2.1");
    }
}
