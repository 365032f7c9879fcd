use super::*;
use proptest::prelude::*;

fn allowed(address: IpAddr, policy: &AddressPolicy) -> bool {
    judge(address, policy).is_ok()
}

fn ip(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn the_public_internet_is_allowed() {
    for address in [
        "1.1.1.1",
        "8.8.8.8",
        "93.184.216.34",
        "100.63.255.255",
        "100.128.0.0",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.1",
        "198.17.0.1",
        "198.20.0.1",
        "223.255.255.255",
        "2606:4700:4700::1111",
        "2a00:1450:4001:81b::200e",
        "2001:4860:4860::8888",
        "2001:200::1",
        "::ffff:8.8.8.8",
    ] {
        assert_eq!(place(ip(address)), Place::Public, "{address}");
        assert!(allowed(ip(address), &AddressPolicy::default()), "{address}");
    }
}

#[test]
fn everything_else_is_refused_unless_listed() {
    for address in [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "10.255.255.255",
        "100.64.0.1",
        "100.127.255.255",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.0.1",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.0.192",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.19.255.255",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::7f00:1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::7f00:1",
        "64:ff9b::808:808",
        "64:ff9b:1::a00:1",
        "100::1",
        "2001::1",
        "2001:0:4136:e378::1",
        "2001:10::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff::1",
        "4000::1",
        "5f00::1",
        "fc00::1",
        "fd00:ec2::254",
        "fdff::1",
        "fe80::1",
        "febf::1",
        "fec0::1",
        "ff02::1",
    ] {
        let refusing = AddressPolicy::default();
        assert!(!allowed(ip(address), &refusing), "{address}");
        let listing = AddressPolicy { allow: vec![address.parse().unwrap()], ..refusing };
        let canonical = AddressPolicy {
            allow: vec![ip(address).to_canonical().to_string().parse().unwrap()],
            ..AddressPolicy::default()
        };
        assert!(allowed(ip(address), &listing) || allowed(ip(address), &canonical), "{address}");
    }
}

#[test]
fn allowing_loopback_allows_loopback_alone() {
    let policy = AddressPolicy { allow_loopback: true, allow: vec![] };
    for address in ["127.0.0.1", "127.1.2.3", "::1", "::ffff:127.0.0.1"] {
        assert!(allowed(ip(address), &policy), "{address}");
    }
    for address in ["10.0.0.1", "0.0.0.0", "::", "169.254.169.254", "64:ff9b::7f00:1", "::7f00:1"] {
        assert!(!allowed(ip(address), &policy), "{address}");
    }
}

#[test]
fn a_metadata_service_is_allowed_by_its_own_address_alone() {
    for (address, around) in [
        ("169.254.169.254", "169.254.0.0/16"),
        ("169.254.170.2", "169.254.0.0/16"),
        ("100.100.100.200", "100.64.0.0/10"),
        ("168.63.129.16", "168.63.129.0/24"),
        ("192.0.0.192", "192.0.0.0/24"),
        ("fd00:ec2::254", "fd00::/8"),
        ("fd20:ce::254", "fc00::/7"),
    ] {
        let allow =
            |network: &str| AddressPolicy { allow_loopback: true, allow: vec![network.parse().unwrap()] };
        assert_eq!(judge(ip(address), &allow(around)), Err("a cloud's metadata service"), "{address}");
        assert!(allowed(ip(address), &allow(address)), "{address}");
    }
}

proptest! {
    #[test]
    fn a_mapped_address_lies_where_the_address_does(bits: u32) {
        let v4 = Ipv4Addr::from_bits(bits);
        prop_assert_eq!(place(IpAddr::V6(v4.to_ipv6_mapped())), place(IpAddr::V4(v4)));
    }

    #[test]
    fn agrees_with_the_standard_library(bits: u32) {
        let v4 = Ipv4Addr::from_bits(bits);
        let inside = v4.is_private() || v4.is_loopback() || v4.is_link_local() || v4.is_multicast()
            || v4.is_broadcast() || v4.is_documentation() || v4.is_unspecified();
        prop_assert!(!inside || place(IpAddr::V4(v4)) != Place::Public);
    }
}
