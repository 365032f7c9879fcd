//! The types that cross into the UI can be written as TypeScript, without
//! `bigint`, which JSON never yields.

use postern_protocol::api::{
    CatchUp, EventRecord, Ordering, SourceInfo, Waiting, WorkerState, WorkspaceInfo,
};
use postern_protocol::dedupe::IdFrom;
use postern_protocol::signature::{Failure, Guess, Hmac, Scheme, Timestamped};
use postern_protocol::{Described, ErrorCode};
use ts_rs::{Config, TS};

#[expect(clippy::unwrap_used, reason = "a test's failure")]
fn export<T: TS + 'static>() -> String {
    T::export_to_string(&Config::default()).unwrap()
}

#[test]
fn every_shared_type_exports() {
    let all = [
        export::<Described>(),
        export::<Failure>(),
        export::<ErrorCode>(),
        export::<EventRecord>(),
        export::<SourceInfo>(),
        export::<Waiting>(),
        export::<WorkerState>(),
        export::<WorkspaceInfo>(),
        export::<Ordering>(),
        export::<CatchUp>(),
        export::<Scheme>(),
        export::<Hmac>(),
        export::<Timestamped>(),
        export::<Guess>(),
        export::<IdFrom>(),
    ];
    for text in &all {
        assert!(text.contains("export type") && !text.contains("bigint"), "{text}");
    }
    assert!(all[2].contains("\"signature.mismatch\""), "{}", all[2]);
    assert!(all[1].contains("\"kind\": \"wrong_secret\""), "{}", all[1]);
}
