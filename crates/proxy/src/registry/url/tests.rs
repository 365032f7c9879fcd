use super::*;
use crate::delivery::client::admit;
use std::net::IpAddr;

fn policy(allow_loopback: bool) -> AddressPolicy {
    AddressPolicy { allow_loopback, allow: vec!["10.1.0.0/16".parse().unwrap()] }
}

#[test]
fn https_anywhere_public() {
    for (url, normal) in [
        ("https://laptop.example/hook", "https://laptop.example/hook"),
        ("HTTPS://Laptop.Example", "https://laptop.example/"),
        ("https://laptop.example:8443/a?b=c#d", "https://laptop.example:8443/a?b=c"),
        ("https://1.1.1.1/", "https://1.1.1.1/"),
        ("https://10.1.2.3/", "https://10.1.2.3/"),
        ("https://[2606:4700:4700::1111]/", "https://[2606:4700:4700::1111]/"),
    ] {
        assert_eq!(check(url, &policy(false)).unwrap(), normal);
    }
}

#[test]
fn http_to_this_machine_alone_and_only_where_allowed() {
    for url in ["http://localhost:9/", "http://127.0.0.1:9/", "http://[::1]:9/", "http://app.localhost:9/"] {
        assert!(check(url, &policy(true)).is_ok(), "{url}");
        assert!(check(url, &policy(false)).is_err(), "{url}");
        assert!(check(&url.replace("http:", "https:"), &policy(false)).is_err(), "{url}");
    }
}

#[test]
fn everything_else_is_refused_with_its_code() {
    for url in [
        "",
        "laptop.example",
        "/hook",
        "ftp://laptop.example/",
        "file:///etc/passwd",
        "http://laptop.example/",
        "http://10.1.2.3/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest",
        "https://[fd00::1]/",
        "https://[::ffff:10.0.0.1]/",
        "https://0x0a000001/",
        "https://167772161/",
        "https://user@laptop.example/",
        "https://user:pass@laptop.example/",
        "https://laptop.example:0/",
        "https://0.0.0.0/",
        "unix:/run/x.sock",
        "http://localhost.evil.example/",
        "data:text/plain,x",
    ] {
        let error = check(url, &policy(true)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::UrlRefused, "{url}");
    }
    assert!(check(&format!("https://a.example/{}", "x".repeat(3000)), &policy(true)).is_err());
}

/// What a URL's host leads to, and what becomes of it.
enum Row {
    /// Refused as it is written: no such worker comes to be, and a connection
    /// is not tried either.
    Refused(&'static str),
    /// Refused as it is written, since it is no URL that could be meant.
    Malformed(&'static str),
    /// Taken, in this normal form.
    Allowed(&'static str, &'static str),
    /// A name that is taken; where it leads is refused on connecting.
    Name(&'static str, &'static [&'static str]),
    /// A name that is taken, what DNS says, and what of it is connected to.
    Resolves(&'static str, &'static [&'static str], &'static [&'static str]),
}
use Row::{Allowed, Malformed, Name, Refused, Resolves};

/// The proxy as it is by default: nothing inside a network is allowed.
const TABLE: &[Row] = &[
    // IPv4, as everybody writes it.
    Allowed("1.1.1.1", "1.1.1.1"),
    Allowed("93.184.216.34:8443", "93.184.216.34:8443"),
    Refused("10.0.0.1"),
    Refused("10.255.255.255"),
    Refused("172.16.0.1"),
    Refused("172.31.255.255"),
    Allowed("172.15.255.255", "172.15.255.255"),
    Allowed("172.32.0.0", "172.32.0.0"),
    Refused("192.168.0.1"),
    Refused("127.0.0.1"),
    Refused("127.255.255.254"),
    Refused("169.254.0.1"),
    Refused("100.64.0.1"),
    Refused("100.127.255.255"),
    Allowed("100.128.0.0", "100.128.0.0"),
    Refused("198.18.0.1"),
    Refused("198.19.255.255"),
    Refused("192.0.2.1"),
    Refused("198.51.100.1"),
    Refused("203.0.113.1"),
    Refused("192.0.0.1"),
    Refused("192.88.99.1"),
    Refused("224.0.0.1"),
    Refused("239.255.255.255"),
    Refused("240.0.0.1"),
    Refused("255.255.255.255"),
    Refused("0.0.0.0"),
    Refused("0.255.255.255"),
    // IPv4 as numbers, short, in octal and hex.
    Allowed("0x01010101", "1.1.1.1"),
    Refused("2130706433"),
    Refused("017700000001"),
    Refused("0x7f000001"),
    Refused("0177.0.0.1"),
    Refused("0x7f.1"),
    Refused("127.1"),
    Refused("127.0.1"),
    Refused("0"),
    Refused("10.1"),
    Refused("0xa9fea9fe"),
    Refused("0251.0376.0251.0376"),
    Refused("192.168.257"),
    Refused("3232235521"),
    Malformed("256.0.0.1"),
    Malformed("1.1.1.1.1"),
    Malformed("4294967296"),
    Malformed("0x100000000"),
    Malformed("09.0.0.1"),
    // Dots, case, escapes and letters that become others.
    Refused("127.0.0.1."),
    Refused("2130706433."),
    Refused("localhost"),
    Refused("localhost."),
    Refused("LOCALHOST"),
    Refused("app.localhost"),
    Refused("%31%32%37.0.0.1"),
    Refused("127%2e0%2e0%2e1"),
    Refused("loc%61lhost"),
    Refused("１２７.０.０.１"),
    Refused("①②⑦.0.0.①"),
    Refused("127。0。0。1"),
    Refused("ｌｏｃａｌｈｏｓｔ"),
    Refused("ⓛocalhost"),
    Refused("169。254。169。254"),
    Allowed("１.１.１.１", "1.1.1.1"),
    Allowed("münchen.example", "xn--mnchen-3ya.example"),
    Allowed("Laptop.Example.", "laptop.example."),
    // IPv6.
    Allowed("[2606:4700:4700::1111]", "[2606:4700:4700::1111]"),
    Refused("[::1]"),
    Refused("[0:0:0:0:0:0:0:1]"),
    Refused("[::]"),
    Refused("[::ffff:127.0.0.1]"),
    Refused("[::ffff:7f00:1]"),
    Refused("[::ffff:10.0.0.1]"),
    Refused("[::ffff:169.254.169.254]"),
    Allowed("[::ffff:8.8.8.8]", "[::ffff:808:808]"),
    Refused("[::127.0.0.1]"),
    Refused("[::8.8.8.8]"),
    Refused("[::ffff:0:127.0.0.1]"),
    Refused("[64:ff9b::127.0.0.1]"),
    Refused("[64:ff9b::8.8.8.8]"),
    Refused("[64:ff9b:1::10.0.0.1]"),
    Refused("[2002:7f00:1::]"),
    Refused("[2002:a00:1::1]"),
    Refused("[2001:0:4136:e378:8000:63bf:3fff:fdd2]"),
    Refused("[2001:10::1]"),
    Refused("[2001:20::1]"),
    Refused("[2001:db8::1]"),
    Refused("[3fff::1]"),
    Refused("[fc00::1]"),
    Refused("[fdff::1]"),
    Refused("[fe80::1]"),
    Refused("[fec0::1]"),
    Refused("[ff02::1]"),
    Refused("[100::1]"),
    Refused("[5f00::1]"),
    Refused("[4000::1]"),
    Malformed("[fe80::1%25eth0]"),
    Malformed("[fe80::1%eth0]"),
    Malformed("[127.0.0.1]"),
    Malformed("[::1"),
    Malformed("::1"),
    Malformed("[::1]evil.example"),
    Malformed("[]"),
    // The clouds' metadata.
    Refused("169.254.169.254"),
    Refused("169.254.170.2"),
    Refused("100.100.100.200"),
    Refused("168.63.129.16"),
    Refused("192.0.0.192"),
    Refused("[fd00:ec2::254]"),
    Refused("[fd20:ce::254]"),
    Refused("metadata.google.internal"),
    Refused("Metadata.Google.Internal."),
    Refused("metadata.goog"),
    // Names that exist inside networks alone.
    Refused("intranet"),
    Refused("kubernetes.default.svc.cluster.local"),
    Refused("vault.corp"),
    Refused("router.lan"),
    Refused("nas.home.arpa"),
    // Users, and what stands around a host.
    Malformed("1.1.1.1@10.0.0.1"),
    Malformed("10.0.0.1:80@1.1.1.1"),
    Malformed("user:pass@laptop.example"),
    Malformed("@laptop.example@"),
    Malformed("laptop.example:65536"),
    Malformed("laptop.example:0"),
    Malformed("lap top.example"),
    Malformed("laptop.example%00.evil"),
    Malformed("laptop%2fexample"),
    Allowed("1.1.1.1#@10.0.0.1", "1.1.1.1"),
    Allowed("1.1.1.1\\@10.0.0.1", "1.1.1.1"),
    Allowed("1.1.1.1?@10.0.0.1", "1.1.1.1"),
    Allowed("127.0.0.1.evil.example", "127.0.0.1.evil.example"),
    Allowed("localhost.evil.example", "localhost.evil.example"),
    // Names, by what DNS says when the connection is made.
    Name("127.0.0.1.nip.example", &["127.0.0.1"]),
    Name("inside.evil.example", &["10.0.0.1", "192.168.1.1", "fd00::1"]),
    Name("mapped.evil.example", &["::ffff:10.0.0.1"]),
    Name("nat64.evil.example", &["64:ff9b::a00:1"]),
    Name("metadata.evil.example", &["169.254.169.254"]),
    Name("zero.evil.example", &["0.0.0.0", "::"]),
    Name("empty.evil.example", &[]),
    Resolves("mixed.example", &["10.0.0.1", "1.1.1.1", "::1"], &["1.1.1.1"]),
    Resolves("good.example", &["1.1.1.1", "2606:4700::1"], &["1.1.1.1", "2606:4700::1"]),
];

#[test]
fn the_table() {
    let refusing = AddressPolicy::default();
    let register = |host: &str| check(&format!("https://{host}/hook"), &refusing);
    let ips = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect::<Vec<IpAddr>>();
    // What is connected to is judged as the request's own address says it.
    let connect = |host: &str| {
        let uri = format!("https://{host}/hook").parse::<http::Uri>().map_err(|_| "no request's address")?;
        let host = url::Host::parse(uri.host().unwrap()).unwrap();
        judge_host(&host, &refusing)
    };
    for row in TABLE {
        match row {
            Refused(host) => {
                let error = register(host).unwrap_err();
                assert_eq!(error.code(), ErrorCode::UrlRefused, "{host}");
                assert!(format!("{error:?}").contains("does not deliver"), "{host}: {error:?}");
                // Had it come into the database some other way.
                if host.is_ascii() {
                    assert!(connect(host).is_err(), "{host}");
                }
            }
            Malformed(host) => {
                let error = register(host).unwrap_err();
                assert_eq!(error.code(), ErrorCode::UrlRefused, "{host}");
                assert!(!format!("{error:?}").contains("does not deliver"), "{host}: {error:?}");
            }
            Allowed(host, normal) => {
                let url = register(host).unwrap();
                // The two readers of URLs agree on whom it names.
                let uri: http::Uri = url.parse().unwrap();
                assert_eq!(uri.authority().unwrap().as_str(), *normal, "{host}");
                assert_eq!(Url::parse(&url).unwrap().host_str(), uri.host(), "{host}");
                assert_eq!(connect(normal), Ok(()), "{host}");
            }
            Name(name, found) => {
                assert!(register(name).is_ok() && connect(name).is_ok(), "{name}");
                assert!(admit(name, ips(found), &refusing).is_err(), "{name}");
            }
            Resolves(name, found, connected) => {
                assert!(register(name).is_ok() && connect(name).is_ok(), "{name}");
                assert_eq!(admit(name, ips(found), &refusing).unwrap(), ips(connected), "{name}");
            }
        }
    }
    assert!(TABLE.len() >= 120);
}

#[test]
fn an_allowed_network_opens_its_addresses_and_private_names_but_no_metadata() {
    let policy = policy(false);
    for host in ["10.1.2.3", "0xa010203", "[::ffff:10.1.2.3]", "hooks.corp", "intranet"] {
        assert!(check(&format!("https://{host}/"), &policy).is_ok(), "{host}");
    }
    for host in ["10.2.0.1", "169.254.169.254", "metadata.google.internal", "localhost", "[fd00::1]"] {
        assert!(check(&format!("https://{host}/"), &policy).is_err(), "{host}");
    }
}
