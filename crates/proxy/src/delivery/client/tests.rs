use super::*;
use async_trait::async_trait;
use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

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

/// Answers what it is told to every request of a connection, and closes one
/// after `each` requests. Tells of each end of a connection.
async fn keeping(each: usize) -> (SocketAddr, mpsc::UnboundedReceiver<()>, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (ended, ends) = mpsc::unbounded_channel();
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            counted.fetch_add(1, Ordering::SeqCst);
            let ended = ended.clone();
            tokio::spawn(async move {
                for _ in 0..each {
                    let mut buffer = [0; 1024];
                    if !matches!(stream.read(&mut buffer).await, Ok(1..)) {
                        break;
                    }
                    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok").await.unwrap();
                }
                drop(stream);
                let _ = ended.send(());
            });
        }
    });
    (address, ends, count)
}

#[tokio::test]
async fn a_connection_is_used_again() {
    let (address, _ends, count) = keeping(usize::MAX).await;
    let client = client(true);
    for _ in 0..3 {
        assert_eq!(post(&client, format!("http://{address}/")).await.unwrap().body.as_ref(), b"ok");
    }
    assert_eq!(count.load(Ordering::SeqCst), 1);
    // Two at once: two connections.
    let url = format!("http://{address}/");
    let both = tokio::join!(post(&client, url.clone()), post(&client, url));
    assert!(both.0.is_ok() && both.1.is_ok());
    assert_eq!(count.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn one_that_was_closed_meanwhile_is_not() {
    let (address, mut ends, count) = keeping(2).await;
    let client = client(true);
    for posted in 1..=6 {
        assert!(post(&client, format!("http://{address}/")).await.is_ok());
        if posted % 2 == 0 {
            ends.recv().await.unwrap();
            // By then whoever waits for this connection has been told, too.
            drop(tokio::net::TcpStream::connect(address).await.unwrap());
            ends.recv().await.unwrap();
        }
    }
    assert_eq!(count.load(Ordering::SeqCst), 6, "three for the requests, three that only looked");
}

#[tokio::test]
async fn what_is_not_used_is_closed() {
    let (address, mut ends, _) = keeping(usize::MAX).await;
    let client = client(true);
    post(&client, format!("http://{address}/")).await.unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(3)).await;
    client.tidy();
    assert!(ends.try_recv().is_err(), "it may be used again");
    tokio::time::advance(Duration::from_secs(2)).await;
    client.tidy();
    tokio::time::resume();
    ends.recv().await.unwrap();
}

/// DNS that says one thing after another.
#[derive(Debug)]
struct Says(Mutex<VecDeque<Vec<IpAddr>>>);

#[async_trait]
impl Names for Says {
    async fn addresses(&self, _: &str) -> io::Result<Vec<IpAddr>> {
        Ok(self.0.lock().unwrap().pop_front().expect("one lookup a connection"))
    }
}

/// DNS as scripted. Of this machine's addresses 127.0.0.1 stands for a public
/// one, since it is allowed; the others are refused.
fn client_of(answers: &[&[&str]], proxies: Matcher) -> (Outbound, Arc<Says>) {
    let answers = answers.iter().map(|answer| answer.iter().map(|text| text.parse().unwrap()).collect());
    let says = Arc::new(Says(Mutex::new(answers.collect())));
    let policy = AddressPolicy { allow_loopback: false, allow: vec!["127.0.0.1".parse().unwrap()] };
    (Outbound::by(policy, Duration::from_secs(10), says.clone(), proxies).unwrap(), says)
}

fn no_proxy() -> Matcher {
    Matcher::builder().build()
}

/// On every address of this machine; says at which it was reached.
async fn everywhere(answer: String) -> (u16, Arc<Mutex<Vec<IpAddr>>>) {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let (port, reached) = (listener.local_addr().unwrap().port(), Arc::new(Mutex::new(Vec::new())));
    let noted = reached.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            noted.lock().unwrap().push(stream.local_addr().unwrap().ip());
            let mut buffer = [0; 1024];
            let _ = stream.read(&mut buffer).await;
            let _ = stream.write_all(answer.as_bytes()).await;
        }
    });
    (port, reached)
}

const CLOSING: &str = "HTTP/1.1 200 OK\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";

#[tokio::test]
async fn a_name_that_changes_its_mind_gains_nothing() {
    let (port, reached) = everywhere(CLOSING.into()).await;
    let allowed: IpAddr = "127.0.0.1".parse().unwrap();
    // The challenge, a delivery, a delivery after DNS was changed, and one
    // after it was changed back.
    let (client, says) =
        client_of(&[&["127.0.0.1"], &["127.0.0.1"], &["127.0.0.2"], &["127.0.0.1"]], no_proxy());
    let url = format!("http://rebinding.example:{port}/");
    post(&client, url.clone()).await.unwrap();
    post(&client, url.clone()).await.unwrap();
    let error = post(&client, url.clone()).await.unwrap_err();
    assert!(error.to_string().contains("127.0.0.2 is this machine"), "{error}");
    post(&client, url).await.unwrap();
    assert_eq!(*reached.lock().unwrap(), [allowed; 3]);
    assert!(says.0.lock().unwrap().is_empty(), "each connection asked once");
}

#[tokio::test]
async fn the_address_that_was_judged_is_the_one_connected_to() {
    let (port, reached) = everywhere(CLOSING.into()).await;
    // A second lookup for the same connection would find the second answer.
    let (client, says) = client_of(&[&["127.0.0.1"], &["127.0.0.2"]], no_proxy());
    post(&client, format!("http://twice.example:{port}/")).await.unwrap();
    assert_eq!(says.0.lock().unwrap().len(), 1);

    let (client, _) = client_of(&[&["10.0.0.1", "127.0.0.2", "127.0.0.1", "::1"]], no_proxy());
    post(&client, format!("http://mixed.example:{port}/")).await.unwrap();
    assert_eq!(*reached.lock().unwrap(), ["127.0.0.1".parse::<IpAddr>().unwrap(); 2]);

    let (client, _) = client_of(&[&["127.0.0.2", "10.0.0.1"]], no_proxy());
    let error = post(&client, format!("http://inside.example:{port}/")).await.unwrap_err();
    assert!(matches!(error, Unanswered::Connect(_)), "{error:?}");
    assert_eq!(reached.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn a_redirect_inside_a_network_is_not_followed() {
    let (secret, leaked) = everywhere(CLOSING.into()).await;
    for (status, location) in [
        (301, format!("http://127.0.0.2:{secret}/")),
        (302, format!("http://127.0.0.1:{secret}/")),
        (303, "http://169.254.169.254/latest/meta-data/".into()),
        (307, "http://10.0.0.1/".into()),
        (308, format!("http://[::ffff:127.0.0.1]:{secret}/")),
    ] {
        let head = format!("HTTP/1.1 {status} Elsewhere\r\nlocation: {location}\r\n");
        let (port, reached) =
            everywhere(format!("{head}content-length: 0\r\nconnection: close\r\n\r\n")).await;
        let (client, _) = client_of(&[&["127.0.0.1"]], no_proxy());
        let answer = post(&client, format!("http://redirecting.example:{port}/")).await.unwrap();
        assert_eq!(answer.status, status);
        assert_eq!(reached.lock().unwrap().len(), 1);
    }
    assert!(leaked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn behind_an_https_proxy_hosts_are_judged_as_they_are_written() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let proxy = format!("http://{}", listener.local_addr().unwrap());
    let asked = Arc::new(Mutex::new(Vec::new()));
    let noted = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut buffer = [0; 1024];
            let read = stream.read(&mut buffer).await.unwrap();
            let text = String::from_utf8_lossy(&buffer[..read]);
            noted.lock().unwrap().push(text.lines().next().unwrap().to_owned());
            let _ = stream.write_all(b"HTTP/1.1 403 Forbidden\r\ncontent-length: 0\r\n\r\n").await;
        }
    });
    let says = Arc::new(Says(Mutex::default()));
    let policy = AddressPolicy { allow_loopback: true, allow: vec![] };
    let proxies = Matcher::builder().https(proxy.as_str()).build();
    let client = Outbound::by(policy, Duration::from_secs(10), says, proxies).unwrap();
    for inside in
        ["10.0.0.1", "[fd00::1]", "0xa9fea9fe", "metadata.google.internal", "intranet", "vault.corp"]
    {
        let error = post(&client, format!("https://{inside}/")).await.unwrap_err();
        assert!(error.to_string().contains("this proxy does not deliver"), "{inside}: {error}");
    }
    // This machine is reached directly: it would be the proxy's own there.
    let (port, reached) = everywhere(CLOSING.into()).await;
    let error = post(&client, format!("https://127.0.0.1:{port}/")).await.unwrap_err();
    assert!(matches!(error, Unanswered::Tls(_)), "{error:?}");
    assert_eq!(reached.lock().unwrap().len(), 1);
    // A name is the proxy's to resolve, and its to refuse.
    let error = post(&client, "https://laptop.example/".into()).await.unwrap_err();
    assert!(error.to_string().contains("the HTTPS proxy gave no connection"), "{error}");
    assert_eq!(*asked.lock().unwrap(), ["CONNECT laptop.example:443 HTTP/1.1"]);
}
