//! Attaching to an edge that runs in another process of this user.
//!
//! One edge runs on a data folder. Whoever comes second, a command or the
//! desktop app, finds the first by [`Running::find`], proves that it can read
//! the folder with the control token, and asks over the local HTTP API what a
//! shell of its own edge would ask by [`crate::api::call`].

mod lines;

use crate::Running;
use crate::api::{ApiError, Live};
use futures_util::{Stream, StreamExt, TryStreamExt, stream};
use lines::Lines;
use postern_protocol::api::tunnels::TunnelName;
use postern_protocol::{ErrorBody, ErrorCode, Secret};
use reqwest::{RequestBuilder, Response, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;
use url::Url;

/// How long an edge that holds the folder may take to say where it listens.
const STARTING: Duration = Duration::from_secs(10);
/// How often it is asked.
const ASK_AGAIN: Duration = Duration::from_millis(50);
/// How long an operation may take: longer than any wait of the edge's own.
const ANSWER: Duration = Duration::from_secs(60);

/// The code of an edge that has ended, or never said where it listens.
pub const UNREACHABLE: &str = "edge.unreachable";
/// The code of an edge of another version, which answers in another form.
pub const OTHER_VERSION: &str = "edge.version";

/// A session with a running edge, cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    base: Url,
    control: Secret,
    bearer: Arc<RwLock<Secret>>,
    pid: u32,
    program: String,
    /// Whose, where it is not the profile that is shown.
    profile: Option<String>,
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
    /// Opens a session with the edge that holds `data_dir`; waits when it is
    /// only just starting. `None` when it ends meanwhile: it was a command
    /// that looked something up.
    ///
    /// # Errors
    /// [`UNREACHABLE`] when it serves no local API, or does not answer.
    pub async fn attach(data_dir: &Path, mut edge: Running) -> Result<Option<Self>, ApiError> {
        // Whoever was first has installed the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let found = async {
            while edge.api_url.is_none() {
                tokio::time::sleep(ASK_AGAIN).await;
                edge = Running::find(data_dir).ok().flatten()?;
            }
            Some(edge)
        };
        let edge = match tokio::time::timeout(STARTING, found).await {
            Ok(Some(edge)) => edge,
            Ok(None) => return Ok(None),
            Err(_) => return Err(holds(data_dir)),
        };
        let base =
            edge.api_url.as_deref().and_then(|url| Url::parse(url).ok()).ok_or_else(|| gone(edge.pid))?;
        let http = reqwest::Client::builder()
            // It is this machine: no proxy may come between.
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| {
                ApiError::new(ErrorCode::Internal, format!("there is no HTTP client: {error}"))
            })?;
        let client = Self {
            http,
            base,
            control: edge.control_token,
            bearer: Arc::new(RwLock::new(Secret::new(""))),
            pid: edge.pid,
            program: edge.program,
            profile: None,
        };
        client.open_session().await?;
        Ok(Some(client))
    }

    /// The same, about the profile of this name instead of the one that is shown.
    #[must_use]
    pub fn about(self, profile: Option<String>) -> Self {
        Self { profile, ..self }
    }

    /// The edge's process.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// The program that runs the edge, in its own words: `postern serve`.
    /// Empty when that one is too old to say.
    #[must_use]
    pub fn program(&self) -> &str {
        &self.program
    }

    /// Calls an operation.
    ///
    /// # Errors
    /// What the operation says; [`UNREACHABLE`] when the edge has ended.
    pub async fn call(&self, op: &str, args: Value) -> Result<Value, ApiError> {
        let request = self.http.post(self.url(&format!("api/{op}"))).json(&args).timeout(ANSWER);
        self.send(request).await?.json().await.map_err(|_| gone(self.pid))
    }

    /// Changes after `cursor` (from now on, without), and the status whenever
    /// something in it changes; the status first. With `listen`, new events
    /// that its capability terms take are forwarded there too, as long as the
    /// stream is open.
    ///
    /// # Errors
    /// When the edge refuses the target or does not answer; an item is an
    /// error when the edge has ended.
    pub async fn live(
        &self,
        cursor: Option<u64>,
        listen: Option<(&str, &[String])>,
    ) -> Result<impl Stream<Item = Result<Live, ApiError>> + Send + Unpin + use<>, ApiError> {
        let mut url = self.url("api/live");
        if let Some(cursor) = cursor {
            url.query_pairs_mut().append_pair("after", &cursor.to_string());
        }
        if let Some((target, filter)) = listen {
            url.query_pairs_mut().append_pair("listen", target).append_pair("filter", &filter.join("\n"));
        }
        self.stream(url).await
    }

    /// As [`Self::live`] from now on; public tunnels are served for as long as
    /// the stream is open.
    ///
    /// # Errors
    /// As [`Self::live`]; `not_found`.
    pub async fn serve_tunnels(
        &self,
        names: &[TunnelName],
        take_over: bool,
    ) -> Result<impl Stream<Item = Result<Live, ApiError>> + Send + Unpin + use<>, ApiError> {
        let mut url = self.url("api/live");
        let names: Vec<_> = names.iter().map(TunnelName::as_str).collect();
        url.query_pairs_mut()
            .append_pair("tunnels", &names.join(","))
            .append_pair("take_over", &take_over.to_string());
        self.stream(url).await
    }

    async fn stream(
        &self,
        url: Url,
    ) -> Result<impl Stream<Item = Result<Live, ApiError>> + Send + Unpin + use<>, ApiError> {
        // Without a limit of time: it is open as long as somebody listens.
        let response = self.send(self.http.get(url)).await?;
        let pid = self.pid;
        let chunks = response.bytes_stream().map_err(move |_| gone(pid));
        let batches = chunks
            .chain(stream::once(async move { Err(gone(pid)) }))
            .scan(Lines::default(), |lines, chunk| {
                let batches = match chunk {
                    Ok(chunk) => lines.feed(&chunk).into_iter().map(Ok).collect(),
                    Err(error) => vec![Err(error)],
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
    pub async fn serves_ui(&self) -> Result<bool, ApiError> {
        let answer = self.http.get(self.url("/")).timeout(ANSWER).send().await.map_err(|_| gone(self.pid))?;
        Ok(answer.status() == StatusCode::OK)
    }

    /// A token that opens the interface once.
    ///
    /// # Errors
    /// When the edge has ended.
    pub async fn mint_token(&self) -> Result<Secret, ApiError> {
        let request = self.http.post(self.url("api/token")).timeout(ANSWER);
        let minted: Minted = self.send(request).await?.json().await.map_err(|_| gone(self.pid))?;
        Ok(minted.token)
    }

    /// The edge's base URL, with a path.
    #[must_use]
    pub fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(path);
        if let Some(profile) = self.profile.as_deref().filter(|_| path.starts_with("api/")) {
            url.query_pairs_mut().append_pair("profile", profile);
        }
        url
    }

    /// Exchanges the control token for a bearer.
    async fn open_session(&self) -> Result<(), ApiError> {
        let request =
            self.http.post(self.url("api/session")).json(&json!({ "token": self.control.reveal() }));
        let answer = request.timeout(ANSWER).send().await.map_err(|_| gone(self.pid))?;
        let session: Session = checked(answer).await?.json().await.map_err(|_| gone(self.pid))?;
        *self.bearer.write().unwrap_or_else(PoisonError::into_inner) = session.bearer;
        Ok(())
    }

    /// Sends a request with the bearer. The edge remembers only so many: one
    /// that it has forgotten over those of later programs is replaced.
    async fn send(&self, request: RequestBuilder) -> Result<Response, ApiError> {
        let again = request.try_clone();
        let answer = self.send_once(request).await?;
        // Only the refusal of a bearer says how to authenticate; an operation
        // that passes on the proxy's refusal of a token does not.
        let forgotten = answer.status() == StatusCode::UNAUTHORIZED
            && answer.headers().contains_key(header::WWW_AUTHENTICATE);
        match again {
            Some(again) if forgotten => {
                self.open_session().await?;
                checked(self.send_once(again).await?).await
            }
            _ => checked(answer).await,
        }
    }

    async fn send_once(&self, request: RequestBuilder) -> Result<Response, ApiError> {
        let bearer = self.bearer.read().unwrap_or_else(PoisonError::into_inner).clone();
        request.bearer_auth(bearer.reveal()).send().await.map_err(|_| gone(self.pid))
    }
}

fn coded(code: &str, message: String) -> ApiError {
    ApiError { code: code.to_owned(), message, retryable: code == UNREACHABLE }
}

fn holds(folder: &Path) -> ApiError {
    let message = format!(
        "another program holds the data folder {} but serves no local API: end it, or name another folder",
        folder.display()
    );
    coded(UNREACHABLE, message)
}

fn gone(pid: u32) -> ApiError {
    coded(
        UNREACHABLE,
        format!(
            "the worker of this data folder (process {pid}) has ended or does not answer; events are kept at the proxy; start it again"
        ),
    )
}

/// The answer, unless it is an error's.
async fn checked(response: Response) -> Result<Response, ApiError> {
    let status = response.status();
    if status == StatusCode::OK {
        return Ok(response);
    }
    let body = response.bytes().await.unwrap_or_default();
    if let Ok(error) = serde_json::from_slice::<ApiError>(&body) {
        return Err(error);
    }
    if let Ok(ErrorBody { error }) = serde_json::from_slice(&body) {
        return Err(coded(&error.code, error.message));
    }
    Err(coded(
        OTHER_VERSION,
        format!(
            "the running worker answered {status} without saying why: restart it, so that it is of this version"
        ),
    ))
}
