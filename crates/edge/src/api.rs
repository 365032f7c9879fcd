//! The local API: one function per operation, called by the desktop app, by
//! HTTP and by the CLI alike.
//!
//! Operations are reached by name through one dispatcher, so that no shell
//! keeps a list of its own: Tauri has one command `call(op, args)`, HTTP one
//! route `POST /api/{op}` with the arguments as its JSON body.
//!
//! | op | arguments | answer |
//! | --- | --- | --- |
//! | `status` | – | [`Status`] |
//! | `sign_in` | [`SignIn`] | [`Status`] |
//! | `run_local_proxy` | – | [`Status`] |
//! | `sign_out` | – | [`Status`] |
//! | `switch_profile` | [`ProfileKey`] | [`Status`] |
//! | `rename_profile` | [`RenameProfile`] | [`Status`] |
//! | `remove_profile` | [`ProfileKey`] | [`Status`] |
//! | `rename_worker` | [`RenameWorker`] | [`Status`] |
//! | `change_token` | [`ChangeToken`] | [`Status`] |
//! | `set_paused` | [`SetPaused`] | [`Status`] |
//! | `set_forward` | [`SetForward`] | [`Status`] |
//! | `rules` | – | [`RuleList`] |
//! | `set_rules` | [`RuleList`] | [`RuleList`] |
//! | `dry_run` | [`DryRunQuery`] | [`DryRun`] |
//! | `runs` | [`RunQuery`] | [`Runs`] |
//! | `set_settings` | [`Settings`] | [`Status`] |
//! | `export_settings` | [`ExportSettings`] | [`Document`] |
//! | `import_settings` | [`ImportSettings`] | [`Imported`] |
//! | `diagnostics` | – | [`Document`] |
//! | `reconnect` | – | [`Status`] |
//! | `test_path` | – | [`PathTest`] |
//! | `catch_up` | [`postern_protocol::api::CatchUpRequest`] | [`postern_protocol::api::CaughtUp`] (done by the proxy) |
//! | `held_events` | [`HeldQuery`] | [`HeldPage`] (asked of the proxy) |
//! | `rotate_secret` | – | [`RotatedSecret`] (done by the proxy) |
//! | `events` | [`EventQuery`] | [`EventPage`] |
//! | `check_condition` | [`Condition`] | [`CheckedCondition`] |
//! | `check_filter` | [`FilterTerms`] | [`CheckedFilter`] |
//! | `views` | – | [`Views`] |
//! | `save_view` | [`View`] | [`Views`] |
//! | `rename_view` | [`RenameView`] | [`Views`] |
//! | `remove_view` | [`ViewKey`] | [`Views`] |
//! | `events_since` | [`Since`] | [`Changes`] |
//! | `event` | [`EventKey`] | [`EventDetail`] |
//! | `event_record` | [`EventKey`] | [`postern_protocol::api::EventRecord`] (asked of the proxy) |
//! | `redeliver` | [`EventKey`] | [`postern_protocol::api::EventRecord`] (done by the proxy) |
//! | `report_work` | [`ReportEvent`] | [`postern_protocol::api::EventRecord`] (done by the proxy) |
//! | `dead_letters` | [`DeadLetterQuery`] | [`postern_protocol::api::DeliveryList`] (asked of the proxy) |
//! | `dead_letter` | [`DeliveryKey`] | [`postern_protocol::api::DeliveryDetail`] (asked of the proxy) |
//! | `redrive` | [`DeadLetterWork`] | [`postern_protocol::api::Progress`] (done by the proxy) |
//! | `discard` | [`DeadLetterWork`] | [`postern_protocol::api::Progress`] (done by the proxy) |
//! | `recover` | [`postern_protocol::api::RecoverRequest`] | [`postern_protocol::api::Recovered`] (done by the proxy) |
//! | `proxy_replay` | [`ProxyReplay`] | [`postern_protocol::api::Replayed`] (done by the proxy) |
//! | `replay` | [`Replay`] | [`HandlerRun`] |
//! | `run_request` | [`RunKey`] | [`RunRequest`] |
//! | `local_ports` | – | [`LocalPorts`] |
//! | `trigger` | [`Trigger`] | [`Triggered`] |
//! | `templates` | – | [`Templates`] |
//! | `sources` | – | [`Sources`] (asked of the proxy) |
//! | `workers` | – | [`Workers`] (asked of the proxy) |
//! | `rejected` | [`RejectedQuery`] | [`RejectedPage`] |
//! | `local_secrets` | – | [`LocalSecrets`] |
//! | `set_local_secret` | [`SetLocalSecret`] | [`LocalSecrets`] |
//! | `remove_local_secret` | [`LocalSecretKey`] | [`LocalSecrets`] |
//! | `tunnels` | – | [`Tunnels`] |
//! | `add_tunnel` | [`AddTunnel`] | [`PublicTunnel`] |
//! | `change_tunnel` | [`ChangeTunnel`] | [`PublicTunnel`] |
//! | `set_tunnel_on` | [`SetTunnelOn`] | [`PublicTunnel`] |
//! | `remove_tunnel` | [`TunnelKey`] | [`Tunnels`] |
//! | `tunnel_requests` | [`TunnelRequestQuery`] | [`TunnelRequestPage`] |
//! | `tunnel_request` | [`TunnelRequestKey`] | [`TunnelRequestDetail`] |
//! | `replay_tunnel_request` | [`ReplayTunnelRequest`] | [`TunnelRequest`] |
//! | `clear_tunnel_requests` | [`ClearTunnelRequests`] | [`TunnelRequestPage`] |
//! | `export_har` | [`TunnelRequestQuery`] | an HTTP archive (HAR 1.2) |
//! | `reserved_tunnels` | – | [`ReservedTunnels`] (asked of the proxy) |
//! | `reserve_tunnel` | [`ReserveName`] | [`postern_protocol::api::tunnels::TunnelInfo`] (done by the proxy) |
//! | `release_tunnel` | [`TunnelKey`] | [`ReservedTunnels`] (done by the proxy) |
//!
//! Live changes: HTTP `GET /api/live?after={cursor}` answers NDJSON-in-SSE
//! (`text/event-stream`, each `data:` a [`Live`]); Tauri emits the same
//! [`Live`] as event `postern://live`. Batches come at most 60 times a
//! second; whoever missed some asks `events_since`. `&listen={url}` makes the
//! stream a temporary forward target too, for as long as it is open, for events
//! that the capability terms in `&filter={terms}` take, one term to a line.
//! `&tunnels={names}` serves those public tunnels for as long as the stream is
//! open, names separated by commas.

mod arrival;
mod dead_letters;
mod diagnostics;
mod filters;
mod held;
pub mod http;
mod inspector;
pub(crate) mod live;
mod local_proxy;
mod local_secrets;
pub(crate) mod operations;
mod path_test;
mod ports;
mod profiles;
mod rules;
mod transfer;
mod tunnels;
pub mod types;
mod views;
mod worker;

pub use arrival::{Arrival, Tunnel, Via};
pub use dead_letters::*;
pub use diagnostics::diagnostics;
pub use filters::*;
pub use held::*;
pub use inspector::*;
pub use local_proxy::run_local_proxy;
pub use local_secrets::*;
pub use operations::*;
pub use path_test::{Hop, HopPlace, HopState, PathTest};
pub use ports::{LocalPort, LocalPorts, local_ports};
pub use profiles::*;
pub use rules::*;
pub use transfer::*;
pub use tunnels::*;
pub use types::*;
pub use views::*;
pub use worker::*;

use crate::EdgeHandle;
use postern_protocol::ErrorCode;
use postern_protocol::api::{CatchUpRequest, RecoverRequest};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

impl ApiError {
    /// An error with this code; whether it is worth repeating follows from it.
    #[must_use]
    pub fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        let retryable = matches!(
            code,
            ErrorCode::RateLimited
                | ErrorCode::StoreUnavailable
                | ErrorCode::Unavailable
                | ErrorCode::BodyTimeout
                | ErrorCode::BodyIncomplete
                | ErrorCode::ProxyUnreachable
                | ErrorCode::KeychainLocked
        );
        Self { code: code.as_str().into(), message: message.into(), retryable }
    }

    /// The HTTP status it is answered with; 502 for a code this version does
    /// not know, which came from a newer proxy.
    #[must_use]
    pub fn status(&self) -> u16 {
        ErrorCode::ALL.iter().find(|c| c.as_str() == self.code).map_or(502, |c| c.status())
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for ApiError {}

/// The one table of operations: name, function, with arguments or without.
macro_rules! operations {
    ($($op:ident $(($args:ty))?;)*) => {
        /// The names [`call`] knows.
        pub const OPERATIONS: &[&str] = &[$(stringify!($op)),*];

        /// Calls an operation by its name.
        ///
        /// # Errors
        /// `not_found` for a name that is none of [`OPERATIONS`],
        /// `request.malformed` for arguments that do not fit it, and what the
        /// operation itself says.
        pub async fn call(edge: &EdgeHandle, op: &str, args: Value) -> Result<Value, ApiError> {
            // One profile from the beginning to the end, whatever comes to be shown.
            let edge = &edge.current();
            match op {
                $(stringify!($op) => answer(op, $op(edge $(, read::<$args>(op, args)?)?).await?),)*
                _ => Err(ApiError::new(ErrorCode::NotFound, format!("there is no operation `{op}`"))),
            }
        }
    };
}

operations! {
    status;
    sign_in(SignIn);
    run_local_proxy;
    sign_out;
    switch_profile(ProfileKey);
    rename_profile(RenameProfile);
    remove_profile(ProfileKey);
    rename_worker(RenameWorker);
    change_token(ChangeToken);
    set_paused(SetPaused);
    set_forward(SetForward);
    rules;
    set_rules(RuleList);
    dry_run(DryRunQuery);
    runs(RunQuery);
    set_settings(Settings);
    export_settings(ExportSettings);
    import_settings(ImportSettings);
    diagnostics;
    reconnect;
    test_path;
    catch_up(CatchUpRequest);
    held_events(HeldQuery);
    rotate_secret;
    events(EventQuery);
    check_condition(Condition);
    check_filter(FilterTerms);
    views;
    save_view(View);
    rename_view(RenameView);
    remove_view(ViewKey);
    events_since(Since);
    event(EventKey);
    event_record(EventKey);
    redeliver(EventKey);
    report_work(ReportEvent);
    dead_letters(DeadLetterQuery);
    dead_letter(DeliveryKey);
    redrive(DeadLetterWork);
    discard(DeadLetterWork);
    recover(RecoverRequest);
    proxy_replay(ProxyReplay);
    replay(Replay);
    run_request(RunKey);
    local_ports;
    trigger(Trigger);
    templates;
    sources;
    workers;
    rejected(RejectedQuery);
    local_secrets;
    set_local_secret(SetLocalSecret);
    remove_local_secret(LocalSecretKey);
    tunnels;
    add_tunnel(AddTunnel);
    change_tunnel(ChangeTunnel);
    set_tunnel_on(SetTunnelOn);
    remove_tunnel(TunnelKey);
    tunnel_requests(TunnelRequestQuery);
    tunnel_request(TunnelRequestKey);
    replay_tunnel_request(ReplayTunnelRequest);
    clear_tunnel_requests(ClearTunnelRequests);
    export_har(TunnelRequestQuery);
    reserved_tunnels;
    reserve_tunnel(ReserveName);
    release_tunnel(TunnelKey);
}

/// Absent arguments are an empty object, which suits all that are optional.
fn read<A: DeserializeOwned>(op: &str, args: Value) -> Result<A, ApiError> {
    let args = if args.is_null() { Value::Object(serde_json::Map::new()) } else { args };
    let refuse = |why: &dyn std::fmt::Display| {
        ApiError::new(ErrorCode::BadRequest, format!("the arguments of `{op}`: {why}"))
    };
    // serde would also read a struct from an array.
    if !args.is_object() {
        return Err(refuse(&"they are not a JSON object"));
    }
    serde_json::from_value(args).map_err(|e| refuse(&e))
}

fn answer<R: Serialize>(op: &str, result: R) -> Result<Value, ApiError> {
    serde_json::to_value(result).map_err(|e| {
        tracing::error!(op, error = %e, "an answer could not be written as JSON");
        ApiError::new(ErrorCode::Internal, format!("the answer of `{op}` could not be written"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(error: &ApiError) {
        assert_eq!(error.code, "request.malformed");
        assert!(error.message.starts_with("the arguments of `op`: "), "{}", error.message);
    }

    /// What is read of arguments is written so that it is read the same.
    macro_rules! reads {
        ($data:ident: $($args:ty),* $(,)?) => {$(
            match read::<$args>("op", $data.clone()) {
                Ok(args) => {
                    let written = serde_json::to_value(&args).unwrap();
                    let again = read::<$args>("op", written.clone()).unwrap();
                    assert_eq!(serde_json::to_value(again).unwrap(), written, stringify!($args));
                }
                Err(error) => refused(&error),
            }
        )*};
    }

    #[test]
    fn any_arguments_are_read_or_refused() {
        crate::fuzz::run("arguments", |data| {
            let Ok(data) = serde_json::from_slice::<Value>(data) else { return };
            // A token is never written.
            let _ = read::<SignIn>("op", data.clone()).inspect_err(refused);
            let _ = read::<ChangeToken>("op", data.clone()).inspect_err(refused);
            reads!(data:
                SetPaused, SetForward, Settings, CatchUpRequest, EventQuery, Since, EventKey, ReportEvent,
                DeadLetterQuery, DeliveryKey, DeadLetterWork, RecoverRequest, ProxyReplay, Replay, Trigger,
                RejectedQuery, RenameWorker, ExportSettings, ImportSettings,
            );
        });
    }
}
