use super::*;
use crate::config::Config;
use http::Request;

fn address(settings: &str, base: &str) -> Address {
    Address::new(base, &Config::from_toml(&format!("[tunnel]\n{settings}")).unwrap().tunnel)
}

fn example() -> Address {
    address("domain = \"example.com\"", "https://hooks.example.com")
}

fn find(address: &Address, version: Version, uri: &str, hosts: &[&str]) -> Option<String> {
    let mut request = Request::builder().version(version).uri(uri);
    for host in hosts {
        request = request.header("host", *host);
    }
    let place = address.find(&request.body(()).unwrap().into_parts().0)?;
    Some(match place {
        Place::Tunnel { name, by_path: false, .. } => format!("host {name}"),
        Place::Tunnel { name, by_path: true, .. } => format!("path {name}"),
        other => format!("{other:?}"),
    })
}

fn by_host(host: &str) -> Option<String> {
    find(&example(), Version::HTTP_11, "/x", &[host])
}

#[test]
fn each_tunnel_has_an_address() {
    let name: TunnelName = "app".parse().unwrap();
    let of = |settings, base| address(settings, base).of(&name);
    assert_eq!(example().of(&name).as_deref(), Some("https://app.example.com"));
    let dev = of("domain = \"localhost\"", "http://127.0.0.1:8787");
    assert_eq!(dev.as_deref(), Some("http://app.localhost:8787"));
    assert_eq!(of("", "https://x.example").as_deref(), Some("https://x.example/t/app"));
    assert_eq!(of("paths = false", "https://x.example"), None);
}

#[test]
fn the_host_decides() {
    for host in ["app.example.com", "APP.Example.com", "app.example.com:8443", "app.example.com."] {
        assert_eq!(by_host(host).as_deref(), Some("host app"), "{host}");
    }
    for host in ["x.app.example.com", "a--b.example.com", ".example.com", "a_b.example.com"] {
        assert_eq!(by_host(host).as_deref(), Some("Unknown"), "{host}");
    }
    for host in
        ["example.com", "hooks.example.com", "appexample.com", "app.example.com.evil.test", "", "127.0.0.1:1"]
    {
        assert_eq!(by_host(host), None, "{host}");
    }
}

#[test]
fn the_path_decides_where_no_host_does() {
    let by_path = |path| find(&example(), Version::HTTP_11, path, &["hooks.example.com"]);
    assert_eq!(by_path("/t/app/").as_deref(), Some("path app"));
    assert_eq!(by_path("/t/app/a//b?c").as_deref(), Some("path app"));
    assert_eq!(by_path("/t/app?x=/").as_deref(), Some("Slash"));
    assert_eq!(by_path("/t/App/").as_deref(), Some("Unknown"));
    assert_eq!(by_path("/t/a--b").as_deref(), Some("Unknown"));
    assert_eq!(by_path("/t//x").as_deref(), Some("Unknown"));
    for own in ["/t/", "/t", "/tx/app/", "/", "//t/app/", "/T/app/"] {
        assert_eq!(by_path(own), None, "{own}");
    }
    let off = address("paths = false", "http://127.0.0.1:1");
    assert_eq!(find(&off, Version::HTTP_11, "/t/app/", &["127.0.0.1:1"]), None);
    assert_eq!(
        find(&example(), Version::HTTP_11, "/t/other/", &["app.example.com"]).as_deref(),
        Some("host app"),
        "a tunnel's own path"
    );
}

#[test]
fn an_unclear_host_is_nobodys() {
    let unclear = |version, uri, hosts: &[&str]| {
        let found = find(&example(), version, uri, hosts).unwrap_or_default();
        assert!(found.starts_with("Unclear"), "{uri} {hosts:?}: {found}");
    };
    unclear(Version::HTTP_11, "/x", &["app.example.com", "app.example.com"]);
    unclear(Version::HTTP_11, "/x", &["hooks.example.com", "app.example.com"]);
    unclear(Version::HTTP_11, "/t/app/", &[]);
    unclear(Version::HTTP_11, "http://app.example.com/", &["other.example.com"]);
    unclear(Version::HTTP_11, "http://app.example.com/", &[]);
    unclear(Version::HTTP_2, "http://app.example.com/", &["evil.test"]);
    unclear(Version::HTTP_11, "/x", &["evil@app.example.com"]);
    let clear = |version, uri, hosts: &[&str]| find(&example(), version, uri, hosts);
    assert_eq!(
        clear(Version::HTTP_11, "http://app.example.com/", &["APP.example.com"]).as_deref(),
        Some("host app")
    );
    assert_eq!(clear(Version::HTTP_2, "http://app.example.com/", &[]).as_deref(), Some("host app"));
    assert_eq!(clear(Version::HTTP_10, "/t/app/", &[]).as_deref(), Some("path app"));
    assert_eq!(clear(Version::HTTP_11, "/v1/workspace", &[]), None, "the proxy's own routes need none");
}

#[test]
fn some_names_are_kept_back() {
    let keeps = |name: &str| example().keeps_back(&name.parse().unwrap());
    assert!(keeps("www") && keeps("api") && keeps("hooks"), "the proxy's own too");
    assert!(!keeps("app") && !keeps("www2"));
    assert!(KEPT_BACK.is_sorted() && KEPT_BACK.iter().all(|name| name.parse::<TunnelName>().is_ok()));
}
