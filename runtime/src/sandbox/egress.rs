//! The egress policy: where a guest's HTTP requests may go. This file decides, nothing else does.
//!
//! A hook is there to talk to what shares its pod, and a pod shares one loopback. So a request must name this host in one
//! of the few spellings that mean the same to every parser, and is then connected to a socket address: no resolver is
//! asked, so no `/etc/hosts` and no DNS answer can point it elsewhere.
//!
//! | authority | judged |
//! |---|---|
//! | `localhost`, in any case | 127.0.0.1, then ::1 |
//! | an IPv4 address of 127.0.0.0/8, written `a.b.c.d` in decimal | that address |
//! | `[::1]`, in any of IPv6's spellings | that address |
//! | an IPv4-mapped address, such as `[::ffff:127.0.0.1]` | as the IPv4 address |
//! | any other name or address; `127.1`, `0x7f.1`, `0.0.0.0`, `localhost.`, `x.localhost`; user information; a scheme that is not http; port 0 | denied |
//!
//! The ports may be narrowed with `port=`; without it every port is allowed.

use http::{Method, Uri, uri::Scheme};
use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    num::NonZeroU16,
    str::FromStr,
};

/// A TCP port, 1 to 65535.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Port(NonZeroU16);

impl FromStr for Port {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // `u16::from_str` would also take a sign.
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        let port = text.parse().ok().filter(|_| digits);
        port.map(Self).ok_or_else(|| format!("'{text}' is not a port; write a number from 1 to 65535"))
    }
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The ports that a guest may reach on this host; an empty list means every port.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EgressPolicy {
    ports: Vec<Port>,
}

/// Where an allowed request is connected to: the first of these addresses at which something listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Destination(pub Vec<SocketAddr>);

/// A request that the policy does not allow: what was asked, the rule, and the option that would grant it, if one can.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// Anything but plain HTTP.
    #[error("a hook speaks http only, to this host; no option allows more")]
    Scheme(Uri),
    /// Any host but this one, or another spelling of it.
    #[error("a hook reaches only this host, as localhost, 127.0.0.0/8 or [::1]; no option allows more")]
    Host(Uri),
    /// A port that is not one.
    #[error("the port must be a number from 1 to 65535")]
    Port(Uri),
    /// A port that was not granted.
    #[error("port {port}: the plugin may reach only {granted}; add port={port} to its --plugin to allow it")]
    PortNotGranted {
        /// The port asked for.
        port: Port,
        /// Those it has.
        granted: String,
    },
    /// A tunnel.
    #[error("method CONNECT: a hook may not open tunnels; no option allows it")]
    Connect,
}

impl EgressPolicy {
    /// A policy that allows these ports, or every port where there are none.
    pub fn new(ports: Vec<Port>) -> Self {
        Self { ports }
    }

    /// Whether a request may be sent, and to where.
    pub fn permits(&self, method: &Method, uri: &Uri) -> Result<Destination, Denied> {
        // A server that does not look at case would take `connect` for it.
        if method.as_str().eq_ignore_ascii_case("CONNECT") {
            return Err(Denied::Connect);
        }
        if !uri.scheme().is_some_and(|scheme| scheme.as_str().eq_ignore_ascii_case(Scheme::HTTP.as_str())) {
            return Err(Denied::Scheme(uri.clone()));
        }
        let host = || Denied::Host(uri.clone());
        let authority = uri.authority().ok_or_else(host)?;
        // Taken from the text, since `Authority::port` is none both for no port and for one that does not fit.
        let rest = authority.as_str().strip_prefix(authority.host()).ok_or_else(host)?;
        let port = match rest.strip_prefix(':') {
            Some(port) => port.parse().map_err(|_| Denied::Port(uri.clone()))?,
            None if rest.is_empty() => Port(NonZeroU16::new(80).expect("not zero")),
            None => return Err(host()),
        };
        let addresses = loopback(authority.host()).ok_or_else(host)?;
        if !self.ports.is_empty() && !self.ports.contains(&port) {
            let granted: Vec<_> = self.ports.iter().map(|port| format!("port {port}")).collect();
            return Err(Denied::PortNotGranted { port, granted: granted.join(", ") });
        }
        Ok(Destination(addresses.into_iter().map(|ip| SocketAddr::new(ip, port.0.get())).collect()))
    }
}

/// The addresses that a host means, if it is this host.
fn loopback(host: &str) -> Option<Vec<IpAddr>> {
    if host.eq_ignore_ascii_case("localhost") {
        return Some(vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]);
    }
    // The standard library's parsers take the canonical forms and no other: four decimal parts without leading zeros,
    // and no zone.
    let ip: IpAddr = match host.strip_prefix('[').and_then(|host| host.strip_suffix(']')) {
        Some(v6) => v6.parse::<Ipv6Addr>().ok()?.to_canonical(),
        None => host.parse::<Ipv4Addr>().ok()?.into(),
    };
    ip.is_loopback().then(|| vec![ip])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(policy: &EgressPolicy, uri: &str) -> Result<Vec<String>, Denied> {
        let uri = uri.parse().unwrap_or_else(|error| panic!("{uri}: {error}"));
        let Destination(addresses) = policy.permits(&Method::POST, &uri)?;
        Ok(addresses.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_spellings_of_this_host_are_accepted() {
        for (uri, addresses) in [
            ("http://localhost/", &["127.0.0.1:80", "[::1]:80"][..]),
            ("http://localhost:15020/quit", &["127.0.0.1:15020", "[::1]:15020"]),
            ("http://LOCALHOST:1/", &["127.0.0.1:1", "[::1]:1"]),
            ("http://LocalHost:65535/", &["127.0.0.1:65535", "[::1]:65535"]),
            ("http://127.0.0.1:15020/", &["127.0.0.1:15020"]),
            ("http://127.0.0.2:1/", &["127.0.0.2:1"]),
            ("http://127.255.255.254:1/", &["127.255.255.254:1"]),
            ("http://[::1]:15020/", &["[::1]:15020"]),
            ("http://[::1]/", &["[::1]:80"]),
            ("http://[0:0:0:0:0:0:0:1]:1/", &["[::1]:1"]),
            ("http://[::0001]:1/", &["[::1]:1"]),
            ("HTTP://localhost:1/", &["127.0.0.1:1", "[::1]:1"]),
            ("http://localhost:080/", &["127.0.0.1:80", "[::1]:80"]),
        ] {
            assert_eq!(
                judge(&EgressPolicy::default(), uri).as_deref(),
                Ok(&addresses.iter().map(|a| (*a).to_owned()).collect::<Vec<_>>()[..]),
                "{uri}"
            );
        }
    }

    #[test]
    fn mapped_ipv6_spellings_are_judged_as_the_ipv4_address() {
        assert_eq!(judge(&EgressPolicy::default(), "http://[::ffff:127.0.0.1]:1/"), Ok(vec!["127.0.0.1:1".to_owned()]));
        assert_eq!(judge(&EgressPolicy::default(), "http://[::FFFF:7f00:2]:1/"), Ok(vec!["127.0.0.2:1".to_owned()]));
        assert!(judge(&EgressPolicy::default(), "http://[::ffff:10.0.0.1]:1/").is_err());
    }

    #[test]
    fn every_other_host_is_refused() {
        for host in [
            "example.com",
            "localhost.",
            "localhost.example.com",
            "x.localhost",
            "localhost.localdomain",
            "local",
            "127.1",
            "127.0.1",
            "2130706433",
            "0x7f.1",
            "0x7f000001",
            "0177.0.0.1",
            "127.0.0.01",
            "127.0.0.1.",
            "0.0.0.0",
            "0",
            "10.0.0.1",
            "169.254.169.254",
            "192.168.0.1",
            "255.255.255.255",
            "128.0.0.1",
            "126.255.255.255",
            "[::]",
            "[::2]",
            "[::7f00:1]",
            "[::127.0.0.1]",
            "[64:ff9b::7f00:1]",
            "[fe80::1]",
            "[fc00::1]",
            "[2001:db8::1]",
            "user@localhost",
            "user:password@127.0.0.1",
            "localhost@example.com",
            "xn--lclhost-5ya",
            "metadata.google.internal",
        ] {
            let uri: Uri = format!("http://{host}:15020/").parse().unwrap_or_else(|error| panic!("{host}: {error}"));
            let denied = EgressPolicy::default().permits(&Method::POST, &uri);
            assert_eq!(denied, Err(Denied::Host(uri)), "{host}");
        }
    }

    #[test]
    fn what_is_no_authority_does_not_even_parse() {
        for host in
            ["[::1%25lo]:1", "[::1", "::1:1", "local host", "", "lo\u{661}calhost", "127.0.0.1:1:2", "[127.0.0.1"]
        {
            let parsed = format!("http://{host}/").parse::<Uri>();
            let denied = parsed.map(|uri| EgressPolicy::default().permits(&Method::POST, &uri).is_err());
            assert!(denied.unwrap_or(true), "{host}");
        }
    }

    #[test]
    fn only_plain_http_is_spoken() {
        for uri in ["https://localhost/", "ftp://localhost/", "ws://localhost/", "/quitquitquit", "localhost:15020"] {
            assert!(matches!(judge(&EgressPolicy::default(), uri), Err(Denied::Scheme(_))), "{uri}");
        }
        let uri = Uri::from_static("http://localhost:1/");
        for method in ["CONNECT", "connect", "Connect"] {
            let method = method.parse().unwrap();
            assert_eq!(EgressPolicy::default().permits(&method, &uri), Err(Denied::Connect));
        }
    }

    #[test]
    fn a_port_that_is_none_is_refused() {
        for port in ["0", "65536", "99999999999", "", "+1", "-1", "1a"] {
            let Ok(uri) = format!("http://localhost:{port}/").parse::<Uri>() else { continue };
            assert_eq!(EgressPolicy::default().permits(&Method::GET, &uri), Err(Denied::Port(uri)), "{port}");
        }
    }

    #[test]
    fn granted_ports_are_the_only_ones() {
        let policy = EgressPolicy::new(vec!["15020".parse().unwrap(), "4191".parse().unwrap()]);
        assert!(judge(&policy, "http://localhost:15020/").is_ok());
        assert!(judge(&policy, "http://[::1]:4191/").is_ok());
        let denied = judge(&policy, "http://localhost:8080/").unwrap_err().to_string();
        assert_eq!(
            denied,
            "port 8080: the plugin may reach only port 15020, port 4191; add port=8080 to its --plugin to allow it"
        );
    }
}
