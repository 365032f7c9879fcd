//! The way to the proxy: TLS, and a CONNECT proxy as the only way out.

use crate::ends::{Proxy, config, echo, full, post, run, text, until};
use http::StatusCode;
use postern_tunnel::{DialError, Dialer, DownReason, Proxies, State, Timing, Tls};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls::pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// A certificate authority of the test's own, and a server's certificate.
fn certificates(name: &str) -> (CertificateDer<'static>, TlsAcceptor) {
    let key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root = authority.self_signed(&key).unwrap().der().clone();
    let issuer = Issuer::new(authority, key);
    let key = KeyPair::generate().unwrap();
    let certificate =
        CertificateParams::new(vec![name.to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![certificate.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    // A front that would rather speak h2 must not be given the choice.
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    (root, TlsAcceptor::from(Arc::new(config)))
}

/// The proxy behind TLS; returns its port.
async fn listen(proxy: Proxy, acceptor: TlsAcceptor) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        loop {
            let (socket, _) = listener.accept().await.unwrap();
            let (proxy, acceptor) = (proxy.clone(), acceptor.clone());
            tokio::spawn(async move {
                if let Ok(stream) = acceptor.accept(socket).await {
                    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"http/1.1"[..]));
                    proxy.serve(stream).await;
                }
            });
        }
    });
    port
}

/// A CONNECT proxy that knows one name, `postern.test`, and leads it to this
/// machine. Keeps what it was asked.
async fn connect_proxy(wants: Option<&'static str>) -> (u16, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = asked.clone();
    tokio::spawn(async move {
        loop {
            let (near, _) = listener.accept().await.unwrap();
            tokio::spawn(lead(near, wants, noted.clone()));
        }
    });
    (port, asked)
}

async fn lead(mut near: TcpStream, wants: Option<&'static str>, asked: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(near.read_u8().await.unwrap());
    }
    let head = String::from_utf8(head).unwrap();
    asked.lock().unwrap().push(head.lines().next().unwrap().to_owned());
    if wants.is_some_and(|wants| !head.contains(&format!("proxy-authorization: {wants}\r\n"))) {
        let answer = "HTTP/1.1 407 Proxy Authentication Required\r\ncontent-length: 0\r\n\r\n";
        return near.write_all(answer.as_bytes()).await.unwrap();
    }
    let port = head.strip_prefix("CONNECT postern.test:").and_then(|rest| rest.split(' ').next());
    let Some(port) = port else {
        let answer = "HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n";
        return near.write_all(answer.as_bytes()).await.unwrap();
    };
    let mut far = TcpStream::connect(("127.0.0.1", port.parse().unwrap())).await.unwrap();
    near.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
    let _ = copy_bidirectional(&mut near, &mut far).await;
}

fn via(proxy: &str) -> Proxies {
    Proxies::from_variables(|name| (name == "HTTPS_PROXY").then(|| proxy.to_owned()))
}

async fn down(dialer: Dialer) -> Arc<DialError> {
    let running = run(dialer, config(None, Timing::default()), echo());
    let down = until(&running.agent, |state| matches!(state, State::Down { .. })).await;
    match down {
        State::Down { reason: DownReason::Unreachable(error), .. } => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn tls_trusts_what_it_is_told_to_and_nothing_else() {
    let (root, acceptor) = certificates("localhost");
    let (proxy, mut links) = Proxy::new(Timing::default());
    let port = listen(proxy, acceptor).await;
    let url = format!("https://localhost:{port}");
    let trusting = Tls::new(vec![root]).unwrap();
    let running = run(
        Dialer::new(&url, Proxies::none(), trusting.clone()).unwrap(),
        config(None, Timing::default()),
        echo(),
    );
    let link = links.recv().await.unwrap();
    assert_eq!(text(link.send(post(full("safe"))).await.unwrap().into_body()).await, "safe");
    drop(running);

    let strict = Dialer::new(&url, Proxies::none(), Tls::new(Vec::new()).unwrap()).unwrap();
    let error = down(strict).await;
    assert!(matches!(&*error, DialError::Tls { host, .. } if host == "localhost"), "{error}");
    // Another's name, whoever signed it.
    let other = format!("https://127.0.0.1:{port}");
    let error = down(Dialer::new(&other, Proxies::none(), trusting).unwrap()).await;
    assert!(matches!(&*error, DialError::Tls { .. }), "{error}");
}

#[tokio::test]
async fn through_a_connect_proxy() {
    let (root, acceptor) = certificates("postern.test");
    let tls = Tls::new(vec![root]).unwrap();
    let (proxy, mut links) = Proxy::new(Timing::default());
    let port = listen(proxy, acceptor).await;
    let url = format!("https://postern.test:{port}");
    for (credentials, wants) in [("", None), ("me:s%20ecret@", Some("Basic bWU6cyBlY3JldA=="))] {
        let (gate, asked) = connect_proxy(wants).await;
        let way = via(&format!("http://{credentials}127.0.0.1:{gate}"));
        let running =
            run(Dialer::new(&url, way, tls.clone()).unwrap(), config(None, Timing::default()), echo());
        let link = links.recv().await.unwrap();
        assert_eq!(text(link.send(post(full("out"))).await.unwrap().into_body()).await, "out");
        assert_eq!(*asked.lock().unwrap(), [format!("CONNECT postern.test:{port} HTTP/1.1")]);
        drop(running);
    }
}

#[tokio::test]
async fn a_connect_proxy_that_says_no_is_named() {
    let tls = Tls::new(Vec::new()).unwrap();
    let (gate, _) = connect_proxy(Some("Basic eDp5")).await;
    let secret = via(&format!("http://me:hunter2@127.0.0.1:{gate}"));
    let error = down(Dialer::new("https://postern.test", secret, tls.clone()).unwrap()).await;
    let name = format!("127.0.0.1:{gate}");
    assert!(matches!(&*error, DialError::ProxyCredentials { proxy } if *proxy == name), "{error}");
    assert!(!format!("{error:?} {error}").contains("hunter2"));

    let (gate, asked) = connect_proxy(None).await;
    let way = via(&format!("http://127.0.0.1:{gate}"));
    let error = down(Dialer::new("https://elsewhere.test", way.clone(), tls.clone()).unwrap()).await;
    let forbidden = StatusCode::FORBIDDEN.as_u16();
    assert!(matches!(&*error, DialError::ProxyRefused { status, .. } if *status == forbidden), "{error}");
    assert_eq!(*asked.lock().unwrap(), ["CONNECT elsewhere.test:443 HTTP/1.1"]);

    // This machine is never dialled through a proxy.
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = down(Dialer::new(&format!("https://{closed}"), way, tls.clone()).unwrap()).await;
    assert!(matches!(&*error, DialError::Connect(_)), "{error}");
    assert_eq!(asked.lock().unwrap().len(), 1);

    let gone = via(&format!("http://{closed}"));
    let error = down(Dialer::new("https://postern.test", gone, tls.clone()).unwrap()).await;
    assert!(matches!(&*error, DialError::ConnectProxy { .. }), "{error}");
    let socks = via("socks5://127.0.0.1:1");
    let error = down(Dialer::new("https://postern.test", socks, tls).unwrap()).await;
    assert!(matches!(&*error, DialError::ProxyScheme(scheme) if scheme == "socks5"), "{error}");
}
