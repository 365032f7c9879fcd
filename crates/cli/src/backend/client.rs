//! The local HTTP API of an edge that runs in another process.

use super::Settings;
use crate::failure::{Failure, sentence};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use postern_edge::Running;
use postern_edge::api::{ApiError, Live};
use postern_protocol::{ErrorBody, ErrorCode, Secret};
use reqwest::{RequestBuilder, Response, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;
use url::Url;

/// How long an edge that holds the folder may take to say where it listens.
const STARTING: Duration = Duration::from_secs(10);
/// How often it is asked.
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// How long an operation may take: longer than any wait of the edge's own.
const ANSWER: Duration = Duration::from_secs(60);

/// A session with a running edge.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    bearer: Secret,
    pid: u32,
}

#[derive(Deserialize)]
struct Session {
    bearer: Secret,
}

#[derive(Deserialize)]
struct Minted {
    token: Secret,
}

impl Client {
    /// Opens a session with the edge that holds the data folder; waits when
    /// it is only just starting. `None` when it ends meanwhile: it was a
    /// command that looked something up.
    ///
    /// # Errors
    /// When it serves no local API, or does not answer.
    pub(super) async fn attach(settings: &Settings, mut edge: Running) -> Result<Option<Self>, Failure> {
        let found = async {
            while edge.api_url.is_none() {
                tokio::time::sleep(ASK_AGAIN).await;
                edge = Running::find(&settings.data_dir).ok().flatten()?;
            }
            Some(edge)
        };
        let edge = match tokio::time::timeout(STARTING, found).await {
            Ok(Some(edge)) => edge,
            Ok(None) => return Ok(None),
            Err(_) => return Err(holds(&settings.data_dir)),
        };
        let base =
            edge.api_url.as_deref().and_then(|url| Url::parse(url).ok()).ok_or_else(|| gone(edge.pid))?;
        let http = reqwest::Client::builder()
            // It is this machine: no proxy may come between.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| {
                Failure::new(ErrorCode::Internal, format!("There is no HTTP client: {error}."))
            })?;
        let mut client = Self { http, base, bearer: Secret::new(""), pid: edge.pid };
        let request = client
            .http
            .post(client.url("api/session"))
            .json(&json!({ "token": edge.control_token.reveal() }));
        let session: Session = client.answer(request).await?.json().await.map_err(|_| gone(edge.pid))?;
        client.bearer = session.bearer;
        Ok(Some(client))
    }

    /// The edge's process.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    /// Calls an operation.
    pub(super) async fn call(&self, op: &str, args: Value) -> Result<Value, Failure> {
        let request = self.authorized(self.http.post(self.url(&format!("api/{op}")))).json(&args);
        self.answer(request).await?.json().await.map_err(|_| gone(self.pid))
    }

    /// Changes after `cursor`, and the status whenever something in it
    /// changes. With `listen`, new events that its capability terms take are
    /// forwarded there too, as long as the stream is open.
    ///
    /// # Errors
    /// When the edge refuses the target or does not answer; an item is an
    /// error when the edge has ended.
    pub(crate) async fn live(
        &self,
        cursor: u64,
        listen: Option<(&str, &[String])>,
    ) -> Result<impl Stream<Item = Result<Live, Failure>> + Unpin + use<>, Failure> {
        let mut url = self.url("api/live");
        url.query_pairs_mut().append_pair("after", &cursor.to_string());
        if let Some((target, filter)) = listen {
            url.query_pairs_mut().append_pair("listen", target).append_pair("filter", &filter.join("\n"));
        }
        // Without a limit of time: it is open as long as the command runs.
        let response =
            checked(self.authorized(self.http.get(url)).send().await.map_err(|_| gone(self.pid))?).await?;
        let pid = self.pid;
        let chunks = response.bytes_stream().map_err(move |_| gone(pid));
        let batches = chunks
            .chain(stream::once(async move { Err(gone(pid)) }))
            .scan(Lines::default(), |lines, chunk| {
                let batches = match chunk {
                    Ok(chunk) => lines.feed(&chunk).into_iter().map(Ok).collect(),
                    Err(failure) => vec![Err(failure)],
                };
                std::future::ready(Some(stream::iter(batches)))
            })
            .flatten();
        Ok(Box::pin(batches))
    }

    /// Whether the edge serves an interface for a browser.
    ///
    /// # Errors
    /// When it has ended.
    pub(crate) async fn serves_ui(&self) -> Result<bool, Failure> {
        let answer = self.http.get(self.url("/")).timeout(ANSWER).send().await.map_err(|_| gone(self.pid))?;
        Ok(answer.status() == StatusCode::OK)
    }

    /// A token that opens the interface once.
    ///
    /// # Errors
    /// When the edge has ended.
    pub(crate) async fn mint_token(&self) -> Result<Secret, Failure> {
        let request = self.authorized(self.http.post(self.url("api/token")));
        let minted: Minted = self.answer(request).await?.json().await.map_err(|_| gone(self.pid))?;
        Ok(minted.token)
    }

    /// The edge's base URL, with a path.
    pub(crate) fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(path);
        url
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Response, Failure> {
        checked(request.timeout(ANSWER).send().await.map_err(|_| gone(self.pid))?).await
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        request.bearer_auth(self.bearer.reveal())
    }
}

fn holds(folder: &Path) -> Failure {
    let message = format!(
        "Another program holds the data folder {} but serves no local API. End it, or name another folder with --data-dir.",
        folder.display()
    );
    Failure::coded("edge.unreachable", message)
}

fn gone(pid: u32) -> Failure {
    Failure::coded(
        "edge.unreachable",
        format!(
            "The worker of this data folder (process {pid}) has ended or does not answer. Events are kept at the proxy; start it again."
        ),
    )
}

/// The answer, unless it is an error's.
async fn checked(response: Response) -> Result<Response, Failure> {
    let status = response.status();
    if status == StatusCode::OK {
        return Ok(response);
    }
    let body = response.bytes().await.unwrap_or_default();
    if let Ok(error) = serde_json::from_slice::<ApiError>(&body) {
        return Err(error.into());
    }
    if let Ok(ErrorBody { error }) = serde_json::from_slice(&body) {
        return Err(Failure::coded(&error.code, sentence(&error.message)));
    }
    Err(Failure::coded(
        "edge.version",
        format!(
            "The running worker answered {status} without saying why. Restart it, so that it is of this version."
        ),
    ))
}

/// Reads `text/event-stream`: collects `data:` lines up to an empty one.
#[derive(Default)]
struct Lines {
    /// The line that has not ended yet.
    rest: Vec<u8>,
    data: Vec<u8>,
}

impl Lines {
    /// What is complete with this chunk. Whatever is not a batch of this
    /// version is passed over: the next batch brings the cursor up again.
    fn feed(&mut self, chunk: &[u8]) -> Vec<Live> {
        let mut batches = Vec::new();
        self.rest.extend_from_slice(chunk);
        while let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.rest.drain(..=end).collect();
            let line = line.trim_ascii_end();
            if line.is_empty() {
                batches.extend(serde_json::from_slice::<Live>(&std::mem::take(&mut self.data)).ok());
            } else if let Some(data) = line.strip_prefix(b"data:") {
                if !self.data.is_empty() {
                    self.data.push(b'\n');
                }
                self.data.extend_from_slice(data.trim_ascii_start());
            }
        }
        batches
    }
}

#[cfg(test)]
mod tests {
    use super::Lines;

    #[test]
    fn batches_are_read_however_they_are_cut() {
        let text = ": hello\n\ndata: {\"changes\":null,\"status\":null}\n\ndata: {\"changes\":{\"rows\":[],\ndata: \"cursor\":7,\"more\":false,\"reset\":false},\"status\":null}\r\n\r\n";
        for size in [1, 2, 7, 30, text.len()] {
            let mut lines = Lines::default();
            let batches: Vec<_> = text.as_bytes().chunks(size).flat_map(|chunk| lines.feed(chunk)).collect();
            assert_eq!(batches.len(), 2, "chunks of {size}");
            assert_eq!(batches[1].changes.as_ref().unwrap().cursor, 7);
        }
    }
}
