//! `local-secrets`: for which sources there are any; never themselves.

use super::{Ink, Style, safe};
use postern_edge::api::LocalSecrets;

/// One line for each.
pub(crate) fn local_secrets(style: &Style, list: &LocalSecrets) -> String {
    if list.secrets.is_empty() {
        return "There is none. `postern local-secrets set` keeps the secret that your program verifies with.".into();
    }
    let line = |secret: &postern_edge::api::LocalSecretInfo| {
        let provider = secret.scheme.provider();
        let of = match &secret.source {
            Some(name) => format!("{}  {provider}", style.paint(Ink::Strong, &safe(name))),
            None => format!("{}  all other sources", style.paint(Ink::Strong, &provider.to_string())),
        };
        format!("{of}  {}", style.paint(Ink::Faint, &format!("set {}", style.day_and_time(secret.set_at))))
    };
    list.secrets.iter().map(line).collect::<Vec<_>>().join("\n")
}
