use super::*;
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

fn client(allow_loopback: bool) -> Outbound {
    Outbound::new(AddressPolicy { allow_loopback, allow: vec![] }, Duration::from_secs(10)).unwrap()
}

async fn post(client: &Outbound, uri: String) -> Result<Answer, Unanswered> {
    client.post(uri.parse().unwrap(), HeaderMap::new(), Bytes::from_static(b"x")).await
}

/// Counts connections; answers what it is told.
async fn server(answer: &'static [u8]) -> (SocketAddr, tokio::sync::watch::Receiver<u32>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (count, counted) = tokio::sync::watch::channel(0);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.send_modify(|n| *n += 1);
            let mut buffer = [0; 1024];
            let _ = stream.read(&mut buffer).await;
            let _ = stream.write_all(answer).await;
        }
    });
    (address, counted)
}

#[tokio::test]
async fn an_address_that_is_refused_is_never_connected_to() {
    let (address, count) = server(b"").await;
    let port = address.port();
    let refusing = client(false);
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "2130706433", "0x7f.1", "0.0.0.0", "[::]"] {
        let error = post(&refusing, format!("http://{host}:{port}/")).await.unwrap_err();
        assert!(matches!(error, Unanswered::Connect(_) | Unanswered::Dns(_)), "{host}: {error:?}");
    }
    let error = post(&refusing, format!("http://localhost:{port}/")).await.unwrap_err();
    assert!(error.to_string().contains("this proxy does not deliver"), "{error}");
    assert_eq!(*count.borrow(), 0);
    for inside in [
        "http://10.255.255.1/",
        "http://169.254.169.254/latest",
        "https://[fd00::1]/",
        "https://[64:ff9b::a00:1]/",
    ] {
        let error = post(&client(true), inside.into()).await.unwrap_err();
        assert!(error.to_string().contains("this proxy does not deliver"), "{inside}: {error}");
    }
}

#[tokio::test]
async fn what_went_wrong_is_told_apart() {
    let client = client(true);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let error = post(&client, format!("http://{closed}/")).await.unwrap_err();
    assert!(matches!(error, Unanswered::Connect(_)), "{error:?}");

    let error = post(&client, "http://nobody.invalid/".into()).await.unwrap_err();
    assert!(matches!(error, Unanswered::Dns(_)), "{error:?}");

    let (plain, _) = server(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
    let error = post(&client, format!("https://{plain}/")).await.unwrap_err();
    assert!(matches!(error, Unanswered::Tls(_)), "{error:?}");

    let (silent, _) = server(b"").await;
    let error = post(&client, format!("https://{silent}/")).await.unwrap_err();
    assert!(matches!(error, Unanswered::Tls(_)), "{error:?}");
    let error = post(&client, format!("http://{silent}/")).await.unwrap_err();
    assert!(matches!(error, Unanswered::Timeout(_)), "{error:?}");
}

#[tokio::test]
async fn an_answer_that_breaks_off_is_an_answer() {
    let (address, _) = server(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello").await;
    let answer = post(&client(true), format!("http://{address}/")).await.unwrap();
    assert_eq!((answer.status, answer.body.as_ref()), (StatusCode::OK, b"hello".as_slice()));
    assert!(answer.showable);
}
