//! What the proxy was last told of this machine: where deliveries go, and
//! which events are asked for. Whoever wants another thing registers anew.

use std::fmt;

/// Where deliveries go, and which.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Registered {
    /// Where the proxy posts; `None`: into the tunnel.
    pub(crate) to: Option<String>,
    /// Which events, as capability terms.
    pub(crate) capabilities: Vec<String>,
}

/// In place of an address. No URL reads so.
const TUNNEL: &str = "tunnel";

impl Registered {
    /// From the text that a profile keeps.
    pub(crate) fn read(text: &str) -> Self {
        let (to, terms) = text.split_once('\n').unwrap_or((text, "[]"));
        Self {
            to: Some(to).filter(|to| *to != TUNNEL).map(str::to_owned),
            capabilities: serde_json::from_str(terms).unwrap_or_default(),
        }
    }
}

/// The text that a profile keeps: the address, or `tunnel`, and on a second
/// line the terms as JSON, where there are any.
impl fmt::Display for Registered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.to.as_deref().unwrap_or(TUNNEL))?;
        match self.capabilities.as_slice() {
            [] => Ok(()),
            terms => write!(f, "\n{}", serde_json::json!(terms)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Registered;

    #[test]
    fn it_is_read_as_it_was_written() {
        for to in [None, Some("https://laptop.example/hook/1".to_owned())] {
            for capabilities in [vec![], vec!["Issue[a ==\n1]".to_owned(), "!Issue.remove".to_owned()]] {
                let registered = Registered { to: to.clone(), capabilities };
                assert_eq!(Registered::read(&registered.to_string()), registered);
            }
        }
    }
}
