//! `postern login` and `postern logout`.

use super::secret;
use crate::args::Login;
use crate::backend::{Backend, Keep, Settings};
use crate::failure::Failure;
use crate::output::{Output, kept, safe};
use postern_edge::api::Status;
use serde_json::json;

/// How a key of Linear's begins.
const LINEAR_PREFIX: &str = "lin_";

const NO_KEYCHAIN: &str = "Nothing was kept. Sign in with --plaintext-file to keep the token, unencrypted, in a \
    file that only you can read, or give it as POSTERN_TOKEN each time.";

/// Checks the token with the proxy, then keeps it.
pub(crate) async fn login(settings: &Settings, args: Login, output: &Output) -> Result<(), Failure> {
    let keep = if args.plaintext_file { Keep::PlainFile } else { Keep::AsBefore };
    let edge = Backend::open(settings, settings.keeper(keep)?).await?;
    if edge.runs() && args.plaintext_file {
        return Err(Failure::usage(
            "A worker is running and keeps the token where it was started to: stop it, sign in, and start it again.",
        ));
    }
    let proxy = match args.proxy.proxy {
        Some(proxy) => proxy,
        None => proxy_of_last_time(&edge).await?,
    };
    let token = match &settings.token {
        Some(token) if !args.token_stdin => token.clone(),
        _ => {
            let what = if args.linear { "Linear API key" } else { "workspace token" };
            let asked = format!("{what} for {}", safe(&proxy));
            secret::read(args.token_stdin, &asked, "with --token-stdin or as POSTERN_TOKEN")?
        }
    };
    if args.linear && !token.reveal().starts_with(LINEAR_PREFIX) {
        return Err(Failure::usage(
            "A key of Linear's begins with lin_: lin_api_… or lin_oauth_…. Nothing was changed.",
        ));
    }
    let sign_in = json!({ "proxyUrl": proxy, "token": token.reveal(), "name": args.name });
    let status: Status = edge
        .call("sign_in", sign_in)
        .await
        .map_err(|failure| if failure.is_keychain() { failure.with_cure(NO_KEYCHAIN) } else { failure })?;
    output.show(&status, |_| match &status.session {
        Some(session) => {
            let next =
                if edge.runs() { "" } else { "\n`postern serve` or `postern listen` starts the worker." };
            format!(
                "Signed in to {} at {}; the token is kept in {}.{next}",
                safe(&session.workspace.name),
                safe(&session.proxy_url),
                kept(&session.token_kept_in)
            )
        }
        None => "Signed in.".into(),
    })
}

/// Leaves the workspace: the history stays, the token is forgotten.
pub(crate) async fn logout(settings: &Settings, output: &Output) -> Result<(), Failure> {
    let edge = Backend::open(settings, settings.keeper(Keep::AsBefore)?).await?;
    edge.unlock().await?;
    let status: Status = edge.call("sign_out", ()).await?;
    output.show(&status, |_| "Signed out. The history on this machine was kept.".into())
}

async fn proxy_of_last_time(edge: &Backend) -> Result<String, Failure> {
    let status: Status = edge.call("status", ()).await?;
    status
        .session
        .map(|session| session.proxy_url)
        .ok_or_else(|| Failure::usage("Which proxy? Give its address with --proxy URL or POSTERN_PROXY."))
}
