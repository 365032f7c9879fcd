//! The UI's types are generated from the local API's: this fails when they
//! are stale. `POSTERN_GENERATE=1 cargo test -p postern-edge --test typescript`
//! writes them anew.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use postern_edge::api::*;
use postern_protocol::ErrorCode;
use postern_protocol::api::{CatchUpRequest, CaughtUp, EventRecord, Replayed};
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use ts_rs::{Config, TS};

const REFRESH: &str = "POSTERN_GENERATE=1 cargo test -p postern-edge --test typescript";

/// Writes every type that crosses to a shell, with all it is made of.
fn export(dir: &Path) {
    let config = Config::new().with_out_dir(dir);
    macro_rules! export {
        ($($ty:ty),* $(,)?) => { $(<$ty as TS>::export_all(&config).unwrap();)* };
    }
    export!(
        ApiError,
        ErrorCode,
        Status,
        SignIn,
        SetPaused,
        SetForward,
        RuleList,
        DryRunQuery,
        DryRun,
        RunQuery,
        Runs,
        Settings,
        EventQuery,
        Condition,
        CheckedCondition,
        FilterTerms,
        CheckedFilter,
        Views,
        RenameView,
        ViewKey,
        ProxyReplay,
        Replayed,
        EventPage,
        Since,
        Changes,
        Live,
        EventKey,
        ReportEvent,
        EventDetail,
        CatchUpRequest,
        CaughtUp,
        HeldQuery,
        HeldPage,
        RotatedSecret,
        PathTest,
        ProfileKey,
        RenameWorker,
        ChangeToken,
        Document,
        ExportSettings,
        ImportSettings,
        Imported,
        RenameProfile,
        EventRecord,
        Replay,
        RunKey,
        RunRequest,
        LocalPorts,
        HandlerRun,
        Trigger,
        Triggered,
        Templates,
        Sources,
        Workers,
        RejectedQuery,
        RejectedPage,
        LocalSecrets,
        SetLocalSecret,
        LocalSecretKey,
        Tunnels,
        LiveRequests,
        AddTunnel,
        ChangeTunnel,
        SetTunnelOn,
        TunnelKey,
        ReservedTunnels,
        ReserveName,
        TunnelRequestQuery,
        TunnelRequestPage,
        TunnelRequestKey,
        TunnelRequestDetail,
        ReplayTunnelRequest,
        ClearTunnelRequests,
    );
    let names = files(dir).into_keys().filter(|name| name != "index.ts");
    let index: String = names
        .map(|name| name.trim_end_matches(".ts").to_owned())
        .map(|name| format!("export type {{ {name} }} from \"./{name}\";\n"))
        .collect();
    fs::write(dir.join("index.ts"), format!("// Generated: {REFRESH}\n{index}")).unwrap();
}

fn files(dir: &Path) -> BTreeMap<String, String> {
    let Ok(entries) = fs::read_dir(dir) else { return BTreeMap::new() };
    entries
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap()))
        .collect()
}

#[test]
fn the_uis_types_are_those_of_the_api() {
    let generated = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../ui/src/transport/generated");
    let dir = tempfile::tempdir().unwrap();
    export(dir.path());
    let fresh = files(dir.path());
    assert!(fresh.contains_key("Status.ts") && fresh.contains_key("EventRecord.ts"));
    if std::env::var_os("POSTERN_GENERATE").is_some() {
        let _ = fs::remove_dir_all(&generated);
        fs::create_dir_all(&generated).unwrap();
        for (name, text) in &fresh {
            fs::write(generated.join(name), text).unwrap();
        }
        return;
    }
    let kept = files(&generated);
    let stale: Vec<_> =
        fresh.iter().filter(|(name, text)| kept.get(*name) != Some(text)).map(|(n, _)| n).collect();
    let left: Vec<_> = kept.keys().filter(|name| !fresh.contains_key(*name)).collect();
    assert!(
        stale.is_empty() && left.is_empty(),
        "{} is stale ({stale:?} differ, {left:?} are left over): run `{REFRESH}`",
        PathBuf::from("ui/src/transport/generated").display(),
    );
}
