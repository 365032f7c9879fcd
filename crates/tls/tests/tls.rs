//! Certificates from files, as a client sees them.

#![expect(clippy::unwrap_used, reason = "tests")]

use postern_tls::{Acceptor, Certificates, Files, FilesError, HandshakeError};
use rcgen::{CertificateParams, DnType, KeyPair};
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

const LONG: Duration = Duration::from_secs(30);
const HTTP: &[&str] = &["http/1.1"];

struct Place(TempDir);

impl Place {
    fn new() -> Self {
        Self(TempDir::new().unwrap())
    }

    fn files(&self) -> Files {
        Files { certificate: self.0.path().join("cert.pem"), key: self.0.path().join("key.pem") }
    }

    /// A new certificate and its key, written; the certificate.
    fn write(&self) -> CertificateDer<'static> {
        let (certificate, key) = pair();
        fs::write(self.files().certificate, certificate.pem()).unwrap();
        fs::write(self.files().key, key.serialize_pem()).unwrap();
        certificate.der().clone()
    }

    fn error(&self) -> String {
        Certificates::load(self.files()).unwrap_err().to_string()
    }
}

fn pair() -> (rcgen::Certificate, KeyPair) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(vec!["localhost".into()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, "test");
    (params.self_signed(&key).unwrap(), key)
}

/// Accepts one connection after the other and says `hello` on each.
async fn listen(acceptor: Acceptor) -> (SocketAddr, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            if let Ok(mut stream) = acceptor.accept(stream).await {
                let _ = stream.write_all(b"hello").await;
                let _ = stream.shutdown().await;
            }
        }
    });
    (address, serving)
}

/// What is said to a client that trusts this certificate alone.
async fn hello(to: SocketAddr, trusted: &CertificateDer<'static>) -> std::io::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let stream = TcpStream::connect(to).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let mut stream = tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(b"http/1.1".as_slice()));
    let mut said = String::new();
    stream.read_to_string(&mut said).await?;
    Ok(said)
}

#[tokio::test]
async fn a_changed_pair_is_shown_and_a_bad_one_is_not() {
    let place = Place::new();
    let first = place.write();
    let certificates = Certificates::load(place.files()).unwrap();
    let (address, _serving) = listen(certificates.acceptor(LONG, HTTP).unwrap()).await;
    assert_eq!(hello(address, &first).await.unwrap(), "hello");
    assert!(!certificates.refresh(false).unwrap(), "nothing has changed");

    let second = place.write();
    assert!(certificates.refresh(false).unwrap());
    assert_eq!(hello(address, &second).await.unwrap(), "hello");
    assert!(hello(address, &first).await.is_err());

    fs::write(place.files().key, pair().1.serialize_pem()).unwrap();
    assert!(matches!(certificates.refresh(false), Err(FilesError::Mismatch { .. })));
    assert!(!certificates.refresh(false).unwrap(), "said once");
    fs::remove_file(place.files().certificate).unwrap();
    assert!(matches!(certificates.refresh(false), Err(FilesError::Unreadable { .. })));
    assert_eq!(hello(address, &second).await.unwrap(), "hello", "the last good pair stays");
}

#[tokio::test]
async fn what_is_not_a_handshake_ends_soon_and_blocks_nobody() {
    let place = Place::new();
    let certificate = place.write();
    let certificates = Certificates::load(place.files()).unwrap();
    let acceptor = certificates.acceptor(Duration::from_millis(30), HTTP).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    for (bytes, expected) in [
        (b"".as_slice(), "the TLS handshake took longer than 0.03 s"),
        (b"\x16\x03\x01", "the TLS handshake took longer than 0.03 s"),
        (b"\x00garbage garbage garbage", "the TLS handshake failed"),
        (b"GET / HTTP/1.1\r\n\r\n", "the client spoke HTTP, not HTTPS"),
    ] {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(bytes).await.unwrap();
        let (stream, _) = listener.accept().await.unwrap();
        let error: HandshakeError = acceptor.accept(stream).await.unwrap_err();
        assert_eq!(error.to_string(), expected);
        let mut answer = Vec::new();
        let _ = client.read_to_end(&mut answer).await;
        if bytes.starts_with(b"GET") {
            let answer = String::from_utf8(answer).unwrap();
            let (head, body) = answer.split_once("\r\n\r\n").unwrap();
            assert!(
                head.starts_with("HTTP/1.1 400 ") && body.contains("this port speaks HTTPS only"),
                "{answer}"
            );
            assert!(head.contains(&format!("content-length: {}\r\n", body.len())), "{answer}");
        }
    }
    let (address, _serving) = listen(certificates.acceptor(LONG, HTTP).unwrap()).await;
    assert_eq!(hello(address, &certificate).await.unwrap(), "hello");
}

#[test]
fn each_bad_file_has_its_sentence() {
    let place = Place::new();
    let Files { certificate, key } = place.files();
    let named = |path: &Path| path.display().to_string();
    let error = place.error();
    assert!(
        error.starts_with(&format!("the certificate file {} cannot be read: ", named(&certificate))),
        "{error}"
    );
    place.write();
    fs::remove_file(&key).unwrap();
    let error = place.error();
    assert!(error.starts_with(&format!("the key file {} cannot be read: ", named(&key))), "{error}");

    let (good, other) = pair();
    fs::write(&certificate, good.pem()).unwrap();
    for (text, expected) in [
        (String::new(), "holds no private key"),
        ("not PEM at all".into(), "holds no private key"),
        (good.pem(), "holds no private key"),
        (
            "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMAA=\n-----END ENCRYPTED PRIVATE KEY-----\n".into(),
            "without a passphrase",
        ),
        ("-----BEGIN PRIVATE KEY-----\nsecret!\n-----END PRIVATE KEY-----\n".into(), "is damaged PEM"),
        ("-----BEGIN PRIVATE KEY-----\nMAA=\n".into(), "is damaged PEM: a section does not end"),
        ("-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n".into(), "cannot be used"),
        (pair().1.serialize_pem(), "is not the key of the first certificate"),
    ] {
        fs::write(&key, &text).unwrap();
        let error = place.error();
        assert!(error.contains(expected) && !error.contains("secret!"), "{error}");
    }
    for (text, expected) in [
        (String::new(), "holds no certificate"),
        ("\u{0}\u{1}".into(), "holds no certificate"),
        ("x".repeat(2 << 20), "more than any certificate"),
        ("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n".into(), "cannot be used"),
    ] {
        fs::write(&certificate, text).unwrap();
        fs::write(&key, other.serialize_pem()).unwrap();
        let error = place.error();
        assert!(error.contains(expected), "{error}");
    }
}
