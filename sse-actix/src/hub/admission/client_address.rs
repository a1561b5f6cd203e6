//! Whose request it is, as far as addresses tell.

use std::net::{IpAddr, Ipv6Addr};

use actix_web::{HttpRequest, http::header};
use ipnet::IpNet;

/// The address that limits count by: a whole /64 of IPv6, since one customer has that many.
pub(in crate::hub) fn address_of(request: &HttpRequest, proxies: &[IpNet]) -> Option<IpAddr> {
    let mut address = plain(request.peer_addr()?.ip());
    let trusted = |address: IpAddr| proxies.iter().any(|proxy| proxy.contains(&address));
    if trusted(address) {
        // Each proxy appends the address of its client. So the last address that is not a trusted proxy is the
        // client's. The client may have written those before it.
        for hop in hops(request).into_iter().rev() {
            let Some(hop) = hop else { break };
            address = hop;
            if !trusted(address) {
                break;
            }
        }
    }
    Some(network(address))
}

/// What `Forwarded` says, else `X-Forwarded-For`; `None` for a hop that is no address.
fn hops(request: &HttpRequest) -> Vec<Option<IpAddr>> {
    let list = |name| {
        let values = request.headers().get_all(name);
        let values = values.filter_map(|value| value.to_str().ok());
        values
            .flat_map(|value| value.split(','))
            .map(|hop| hop.trim().to_owned())
            .collect::<Vec<_>>()
    };
    let forwarded = list(header::FORWARDED);
    if forwarded.is_empty() {
        return list(header::X_FORWARDED_FOR)
            .iter()
            .map(|hop| parse(hop))
            .collect();
    }
    let of_hop = |hop: &String| {
        let pairs = hop.split(';').filter_map(|pair| pair.split_once('='));
        let mut fors = pairs.filter(|(name, _)| name.trim().eq_ignore_ascii_case("for"));
        parse(fors.next()?.1.trim().trim_matches('"'))
    };
    forwarded.iter().map(of_hop).collect()
}

/// An address, with or without a port, an IPv6 address in brackets or not.
fn parse(text: &str) -> Option<IpAddr> {
    let bracketed = || text.strip_prefix('[')?.split(']').next()?.parse().ok();
    let with_port = || text.rsplit_once(':')?.0.parse().ok();
    text.parse().ok().or_else(bracketed).or_else(with_port).map(plain)
}

/// An IPv4 address that came as IPv6 is itself.
fn plain(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

fn network(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & (u128::MAX << 64)).into(),
    }
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    fn of(peer: &str, header: Option<(&str, &str)>) -> String {
        let proxies = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let mut request = TestRequest::get().peer_addr(peer.parse().unwrap());
        if let Some(header) = header {
            request = request.insert_header(header);
        }
        address_of(&request.to_http_request(), &proxies)
            .unwrap()
            .to_string()
    }

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let xff = "x-forwarded-for";
        assert_eq!(of("192.0.2.1:1", Some((xff, "198.51.100.7"))), "192.0.2.1");
        assert_eq!(of("10.1.1.1:1", Some((xff, "198.51.100.7"))), "198.51.100.7");
        assert_eq!(of("10.1.1.1:1", None), "10.1.1.1");
        // What the client itself has written comes first, and is ignored.
        assert_eq!(
            of("10.1.1.1:1", Some((xff, "1.1.1.1, 198.51.100.7, 10.2.2.2"))),
            "198.51.100.7"
        );
        assert_eq!(of("10.1.1.1:1", Some((xff, "1.1.1.1, nonsense"))), "10.1.1.1");
        assert_eq!(of("10.1.1.1:1", Some((xff, "198.51.100.7:4711"))), "198.51.100.7");
        let forwarded = r#"for=1.1.1.1, for="[2001:db8:1:2:3::4]:80";proto=https;by=10.0.0.1"#;
        assert_eq!(of("10.1.1.1:1", Some(("forwarded", forwarded))), "2001:db8:1:2::");
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        assert_eq!(of("[2001:db8:1:2:3::4]:1", None), "2001:db8:1:2::");
        assert_eq!(of("[::ffff:192.0.2.1]:1", None), "192.0.2.1");
    }
}
