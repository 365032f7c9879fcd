//! `postern login` and `postern logout`.

use crate::args::Login;
use crate::backend::{Backend, Keep, Settings};
use crate::failure::Failure;
use crate::output::{Output, kept, safe};
use postern_edge::api::Status;
use postern_protocol::Secret;
use serde_json::json;
use std::io::{self, IsTerminal, Read};

/// No token is longer, in bytes.
const LONGEST_TOKEN: u64 = 8 * 1024;

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
    let token = match (&settings.token, args.token_stdin) {
        (_, true) => token_from_stdin()?,
        (Some(token), false) => token.clone(),
        (None, false) => token_from_prompt(&proxy, args.linear)?,
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

fn token_from_stdin() -> Result<Secret, Failure> {
    let mut text = String::new();
    io::stdin().lock().take(LONGEST_TOKEN).read_to_string(&mut text).map_err(unreadable)?;
    given(&text)
}

fn token_from_prompt(proxy: &str, linear: bool) -> Result<Secret, Failure> {
    if !io::stdin().is_terminal() {
        return Err(Failure::usage(
            "There is no terminal to ask for the token at: give it with --token-stdin or as POSTERN_TOKEN.",
        ));
    }
    let what = if linear { "Linear API key" } else { "Workspace token" };
    given(
        &rpassword::prompt_password(format!("{what} for {} (not shown): ", safe(proxy)))
            .map_err(unreadable)?,
    )
}

fn unreadable(error: io::Error) -> Failure {
    Failure::coded("token.unreadable", format!("The token could not be read: {error}. Nothing was changed."))
}

fn given(text: &str) -> Result<Secret, Failure> {
    match text.trim() {
        "" => Err(Failure::usage("The token is empty. Nothing was changed.")),
        token => Ok(Secret::new(token)),
    }
}
