//! Asks Linear every hour whether those who signed in may still. Idempotent,
//! by timer; the truth is in the store. Who is proven bad is revoked; while
//! Linear cannot be asked, all stay.

use super::LinearSignIn;
use super::api::{self, Asked};
use crate::store::{LinearMember, StoreError};
use postern_protocol::UnixMillis;
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// How often there is a look at who is due.
const LOOK: Duration = Duration::from_secs(1);
/// How old a check may become, in milliseconds.
const AGE_MILLIS: i64 = 3_600_000;
/// The rest after Linear could not be asked.
const REST: Duration = Duration::from_secs(60);

/// Works until `stop`.
pub(crate) async fn run(sign_in: Arc<LinearSignIn>, stop: CancellationToken) {
    let mut pause = LOOK;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
        pause = tokio::select! {
            () = stop.cancelled() => return,
            pause = look(&sign_in) => pause,
        };
    }
}

async fn look(sign_in: &LinearSignIn) -> Duration {
    let now = sign_in.clock.now();
    match due(sign_in, now).await {
        Ok(true) => LOOK,
        Ok(false) => REST,
        Err(error) => {
            let error = crate::http::error::chain(&error);
            tracing::error!(%error, "cannot check the Linear sign-ins; trying again");
            REST
        }
    }
}

/// Checks who is due; whether Linear answered.
async fn due(sign_in: &LinearSignIn, now: UnixMillis) -> Result<bool, StoreError> {
    for member in sign_in.store.linear_members_checked_before(now.plus(-AGE_MILLIS)).await? {
        let token = member.token;
        match verdict(sign_in, &member).await? {
            Verdict::Stays(user) => sign_in.store.linear_checked(token, Some((now, user))).await?,
            Verdict::Ends(why) => {
                tracing::info!(%token, why, "a Linear sign-in has ended");
                sign_in.store.revoke_token(token, now).await?;
                sign_in.store.linear_checked(token, None).await?;
            }
            Verdict::Unknown(why) => {
                tracing::warn!(%token, why, "a Linear sign-in could not be checked; it stays until it can");
                return Ok(false);
            }
        }
    }
    Ok(true)
}

enum Verdict {
    /// The user's id.
    Stays(String),
    Ends(String),
    Unknown(String),
}

async fn verdict(sign_in: &LinearSignIn, member: &LinearMember) -> Result<Verdict, StoreError> {
    let viewer = match api::ask(&sign_in.client, &sign_in.url, &member.secret).await {
        Asked::Viewer(viewer) => viewer,
        Asked::Refused(why) => return Ok(Verdict::Ends(why)),
        Asked::Unknown { why, .. } => return Ok(Verdict::Unknown(why)),
    };
    if viewer.organization.id != member.organization {
        return Ok(Verdict::Ends("the key belongs to another organization now".to_owned()));
    }
    Ok(match sign_in.belongs(&viewer).await? {
        Ok(workspace) if workspace == member.workspace => Verdict::Stays(viewer.id),
        Ok(_) => Verdict::Ends("the organization is linked to another workspace now".to_owned()),
        Err(why) => Verdict::Ends(why),
    })
}
