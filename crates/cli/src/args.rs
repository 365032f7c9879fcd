//! The command line, as clap reads it. The doc comments are the help texts.

mod dead_letters;
mod local_secrets;
mod profiles;
mod rules;
mod transfer;
mod tunnel;

pub(crate) use dead_letters::{DeadLetters, DeadLettersList, Discard, Recover, Redrive, Work};
pub(crate) use local_secrets::{LocalSecretOf, LocalSecrets, LocalSecretsSet};
pub(crate) use profiles::Profiles;
pub(crate) use rules::{DryRun, MoveTo, RuleArgs, Rules};
pub(crate) use transfer::{Diagnostics, SettingsOf};
pub(crate) use tunnel::{Tunnel, TunnelCommand, TunnelOpen, Visitors};

use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};
use clap::{Args, Parser, Subcommand};
use postern_edge::api::Template;
use postern_protocol::Provider;
use postern_protocol::api::{GroupName, InvalidRetry, RetryPolicy};
use postern_protocol::filter::{Filter, InvalidFilter};
use std::path::PathBuf;
use std::sync::LazyLock;

/// The port of `serve`'s interface unless another is asked for.
pub(crate) const UI_PORT: u16 = 4690;

const EXIT_STATUSES: &str = "Exit statuses:
  0  done
  1  failed: the sentence on standard error says why
  2  the command line is wrong
  3  not signed in
  4  the proxy cannot be reached
  5  the proxy refuses the credentials
  6  the keychain is absent, locked, or failed

Environment:
  POSTERN_TOKEN     a workspace token (pst_…), instead of `postern login`
  POSTERN_PROXY     the proxy's address, instead of --proxy
  POSTERN_DATA_DIR  the data folder, instead of --data-dir
  POSTERN_PROFILE   the workspace a command is about, instead of --profile
  POSTERN_GROUP     the claim group to be in, instead of `serve --group`
  POSTERN_TUNNEL_SECRET
                    what visitors of a tunnel must show, instead of the prompt
  NO_COLOR          no colours, also on a terminal";

/// Webhooks, delivered to this machine.
///
/// Events that Linear, GitHub and others post to your team's Postern proxy
/// arrive here, verified, kept and forwarded to your local server.
#[derive(Debug, Parser)]
#[command(name = "postern", version, after_help = EXIT_STATUSES, max_term_width = 100)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Args, Debug)]
pub(crate) struct Global {
    /// Where history and settings are kept; one worker runs on each folder.
    #[arg(long, global = true, env = "POSTERN_DATA_DIR", value_name = "FOLDER", hide_env = true)]
    pub(crate) data_dir: Option<PathBuf>,
    /// The workspace that the command is about, where this machine works for
    /// several (`postern profiles`); the one that is shown by default.
    #[arg(long, global = true, env = "POSTERN_PROFILE", value_name = "NAME", hide_env = true)]
    pub(crate) profile: Option<String>,
    /// Print JSON: one document; `serve` and `listen` print one per line.
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Say on standard error what happens inside; -vv says more.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub(crate) verbose: u8,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Sign this machine in to a workspace.
    Login(Login),
    /// Forget the token and leave the workspace.
    Logout,
    /// Say who is signed in, and how the connection stands.
    Status,
    /// Run the worker without a desktop, with its interface for a browser.
    Serve(Serve),
    /// Print a fresh link to the running worker's interface.
    Open,
    /// Show events as they arrive, and forward them for as long as this runs.
    Listen(Listen),
    /// Give a port of this machine a public address, for as long as this runs.
    Tunnel(Tunnel),
    /// Look into the history.
    #[command(subcommand)]
    Events(Events),
    /// Send events to a target once more, byte for byte as they came.
    Replay(Replay),
    /// Have the proxy make a synthetic event that takes the whole path.
    Trigger(Trigger),
    /// Forward every event to one address: the short way to the rule that does.
    #[command(subcommand)]
    Forward(Forward),
    /// What is done with events: which go where, and which are told.
    #[command(subcommand)]
    Rules(Rules),
    /// Have the proxy hold events until `resume`.
    Pause,
    /// Let held events flow again.
    Resume,
    /// Say what becomes of the events that the proxy holds after an absence.
    CatchUp(CatchUp),
    /// Have the proxy deliver an event that was skipped or given up.
    Redeliver {
        /// Its id.
        id: String,
    },
    /// Have the proxy sign with a new secret; the old one holds beside it for a while.
    RotateSecret,
    /// The secrets by which your own program verifies events: to sign events
    /// anew for it, and to explain what it says of them.
    #[command(subcommand)]
    LocalSecrets(LocalSecrets),
    /// The workspaces this machine works for: list, show another, rename, remove.
    #[command(subcommand)]
    Profiles(Profiles),
    /// Give this machine another name at the proxy.
    Rename {
        /// One line of 1 to 100 characters.
        name: String,
    },
    /// Take settings from one machine to another, without secrets.
    #[command(subcommand)]
    Settings(SettingsOf),
    /// Send a canary through the whole path, and time each hop.
    Test,
    /// What the proxy gave up: look at it, have it delivered, or discard it.
    #[command(subcommand)]
    DeadLetters(DeadLetters),
    /// Have what did not reach this machine delivered to it.
    Recover(Recover),
    /// List the requests that the receiver refused, and why.
    Rejected(Rejected),
    /// List the workspace's workers, and how each stands.
    Workers,
    /// Check everything that events need to arrive, and say the cure.
    Doctor(Proxy),
    /// Write one document for whoever helps: versions, settings, what `doctor`
    /// finds, the log; without events and secrets.
    Diagnostics(Diagnostics),
    /// Print a completion script for a shell.
    Completions {
        /// Which one.
        shell: clap_complete::Shell,
    },
}

#[derive(Args, Debug, Default, PartialEq, Eq)]
pub(crate) struct Proxy {
    /// The proxy's address, `https://…` (`http://` only on this machine).
    #[arg(long, env = "POSTERN_PROXY", value_name = "URL", hide_env = true, value_parser = proxy_address)]
    pub(crate) proxy: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct Login {
    #[command(flatten)]
    pub(crate) proxy: Proxy,
    /// The worker's name for people [default: this machine's].
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Sign in with a Linear API key (`lin_api_…`) or access token instead of a
    /// workspace token; an administrator has linked your Linear organization.
    #[arg(long)]
    pub(crate) linear: bool,
    /// Read the token from standard input instead of asking for it.
    #[arg(long)]
    pub(crate) token_stdin: bool,
    /// Keep the token in a file that only you can read, instead of the
    /// keychain. It is not encrypted.
    #[arg(long)]
    pub(crate) plaintext_file: bool,
}

#[derive(Args, Debug)]
pub(crate) struct Serve {
    #[command(flatten)]
    pub(crate) proxy: Proxy,
    /// The port of the interface on 127.0.0.1; 0 takes any free one.
    #[arg(long, value_name = "PORT", default_value_t = UI_PORT)]
    pub(crate) ui_port: u16,
    /// The port that deliveries arrive at; 0 takes the one of the last time, or
    /// any free one.
    #[arg(long, value_name = "PORT", default_value_t = 0)]
    pub(crate) port: u16,
    /// The address that deliveries arrive at.
    #[arg(long, value_name = "ADDRESS", default_value_t = std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST))]
    pub(crate) host: std::net::IpAddr,
    /// A certificate (PEM, with those that lead to its authority): deliveries
    /// arrive by HTTPS.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The certificate's private key (PEM, without a passphrase).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// This machine's own address as the proxy reaches it: `https://` and a
    /// host, where that is not the address listened on.
    #[arg(long, value_name = "URL")]
    pub(crate) webhook_base: Option<String>,
    /// When the proxy is to try again what this machine did not take: waits
    /// (`5s,1m,10m`), `classic`, `exponential:FIRST,FACTOR,LONGEST,ATTEMPTS`,
    /// `linear:STEP,LONGEST,ATTEMPTS`, or `default`, the proxy's own way. It
    /// stays so until it is changed.
    #[arg(long, value_name = "POLICY", value_parser = retry)]
    pub(crate) retry: Option<Retry>,
    /// How events arrive, remembered for the next time [at first: auto].
    #[arg(long, value_name = "WAY")]
    pub(crate) via: Option<Via>,
    /// In which order events come and are forwarded: as they are (none), or
    /// those of one issue, pull request, … one after the other (entity).
    /// Remembered until another is given.
    #[arg(long, value_enum, value_name = "ORDER")]
    pub(crate) ordering: Option<Ordering>,
    /// Ask the proxy for these events alone: `Issue`, `Comment.create`,
    /// `github:pull_request.*`, `!Issue.remove`, `postern:*`. May be given
    /// several times; remembered until others are given, `*` for all.
    #[arg(long, value_name = "TERM", value_parser = capability)]
    pub(crate) capability: Vec<String>,
    /// Share the events with the other members of this claim group: each goes
    /// to one of them, those of an issue, pull request, … to the same one.
    /// Remembered until another is given.
    #[arg(long, value_name = "NAME", env = "POSTERN_GROUP", hide_env = true)]
    pub(crate) group: Option<GroupName>,
    /// Be in no claim group from now on: every event comes.
    #[arg(long, conflicts_with = "group")]
    pub(crate) no_group: bool,
}

/// The proxy's address in the one form that is kept.
fn proxy_address(text: &str) -> Result<String, String> {
    postern_edge::proxy_address(text).map_err(|refused| refused.message)
}

/// A capability term as it was written, once it is known to be one.
fn capability(text: &str) -> Result<String, InvalidFilter> {
    Filter::parse(&[text]).map(|_| text.to_owned())
}

/// How events arrive.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Via {
    /// At this machine's HTTPS address where one is given, on loopback where
    /// the proxy is on this machine, through the tunnel otherwise
    Auto,
    /// Through a connection that this machine opens: nothing need reach it
    Tunnel,
    /// The proxy posts to this machine's address
    Address,
}

impl From<Via> for postern_edge::api::Via {
    fn from(via: Via) -> Self {
        match via {
            Via::Auto => Self::Auto,
            Via::Tunnel => Self::Tunnel,
            Via::Address => Self::Address,
        }
    }
}

/// In which order events come.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Ordering {
    /// As they are.
    None,
    /// Those of one issue, pull request, … one after the other.
    Entity,
}

impl From<Ordering> for postern_protocol::api::Ordering {
    fn from(ordering: Ordering) -> Self {
        match ordering {
            Ordering::None => Self::None,
            Ordering::Entity => Self::Entity,
        }
    }
}

/// A retry policy; none: the proxy's own.
#[derive(Clone, Debug)]
pub(crate) struct Retry(pub(crate) Option<RetryPolicy>);

fn retry(text: &str) -> Result<Retry, InvalidRetry> {
    if text == "default" { Ok(Retry(None)) } else { text.parse().map(Some).map(Retry) }
}

#[derive(Args, Debug)]
pub(crate) struct Listen {
    #[command(flatten)]
    pub(crate) proxy: Proxy,
    /// Forward what arrives to this address, for as long as this runs.
    #[arg(long, value_name = "URL")]
    pub(crate) forward_to: Option<String>,
    /// Only these events: `Issue`, `Comment.create`, `github:pull_request.*`,
    /// `!Issue.remove`, `Issue[data.priority == 1]`. May be given several times.
    #[arg(long, value_name = "FILTER")]
    pub(crate) filter: Vec<String>,
    /// Plain lines also in a terminal, instead of the live view.
    #[arg(long)]
    pub(crate) plain: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Events {
    /// List events, newest first.
    List(EventsList),
    /// Show one event: headers, verification, runs, payload.
    Show(EventsShow),
    /// Report to the proxy how the work on an event stands, for all who look
    /// at its record.
    Status(EventsStatus),
}

#[derive(Args, Debug)]
pub(crate) struct EventsList {
    /// At most so many.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub(crate) limit: u32,
    #[command(flatten)]
    pub(crate) which: Which,
    /// Only events older than this one: the next page.
    #[arg(long, value_name = "ID")]
    pub(crate) before: Option<String>,
}

/// Which events of the history.
#[derive(Args, Clone, Debug)]
#[group(id = "which", multiple = true)]
pub(crate) struct Which {
    /// Only events with these words in their line, headers or payload.
    #[arg(long, value_name = "WORDS")]
    pub(crate) search: Option<String>,
    /// Only this type: `Issue`.
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) event_type: Option<String>,
    /// Only this action: `update`.
    #[arg(long)]
    pub(crate) action: Option<String>,
    /// Only this provider.
    #[arg(long, value_parser = provider())]
    pub(crate) provider: Option<Provider>,
    /// Only this source, by name.
    #[arg(long)]
    pub(crate) source: Option<String>,
    /// Only what its handler came to: none, running, succeeded, failed.
    #[arg(long, value_parser = outcome)]
    pub(crate) outcome: Option<postern_edge::api::OutcomeKind>,
    /// Only where the target's newest answer was so: 2xx to 5xx, a status, or
    /// none where it failed without an answer.
    #[arg(long)]
    pub(crate) status: Option<String>,
    /// Only where the payload says so: `data.team.key == "ENG"`.
    #[arg(long = "where", value_name = "CONDITION")]
    pub(crate) condition: Option<String>,
}

#[derive(Args, Debug)]
pub(crate) struct EventsShow {
    /// Its id, as `events list` prints it.
    pub(crate) id: String,
    /// Only the body, byte for byte as the provider sent it.
    #[arg(long, conflicts_with = "json")]
    pub(crate) raw: bool,
}

#[derive(Args, Debug)]
pub(crate) struct EventsStatus {
    /// The event's id, as `events list` prints it.
    pub(crate) id: String,
    /// How the work stands.
    pub(crate) status: WorkStatus,
    /// Why, in words.
    #[arg(long)]
    pub(crate) reason: Option<String>,
}

/// How the work on an event stands.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum WorkStatus {
    /// It has begun.
    Processing,
    /// It is done.
    Completed,
    /// It came to nothing.
    Failed,
}

/// The providers by their names, which shells complete.
fn provider() -> impl TypedValueParser<Value = Provider> {
    PossibleValuesParser::new(Provider::ALL.map(|provider| provider.as_str()))
        .try_map(|name| name.parse::<Provider>())
}

/// The outcomes by the names the API gives them.
fn outcome(text: &str) -> Result<postern_edge::api::OutcomeKind, String> {
    serde_json::from_value(serde_json::Value::from(text))
        .map_err(|_| "known are none, running, succeeded, failed".to_owned())
}

#[derive(Args, Debug)]
#[command(override_usage = "postern replay [OPTIONS] <ID>
       postern replay [OPTIONS] --last <N>
       postern replay [OPTIONS] --outcome failed --type Issue")]
pub(crate) struct Replay {
    /// The event's id, as `events list` prints it.
    #[arg(required_unless_present_any = ["last", "which"], conflicts_with_all = ["last", "which"])]
    pub(crate) id: Option<String>,
    /// The newest so many, oldest first; with the filters below, of those.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) last: Option<u32>,
    #[command(flatten)]
    pub(crate) which: Which,
    /// Where to [default: as the first rule does that forwards the event].
    #[arg(long, value_name = "URL")]
    pub(crate) to: Option<String>,
    /// As this rule sends, by number or name, whether it takes the event or not.
    #[arg(long, value_name = "RULE", conflicts_with_all = ["to", "from_proxy"])]
    pub(crate) rule: Option<String>,
    /// Have the proxy deliver it once more, as a new delivery, instead of
    /// sending it from the history.
    #[arg(long, requires = "id", conflicts_with = "to")]
    pub(crate) from_proxy: bool,
    /// With --from-proxy: to every worker whose filter takes it.
    #[arg(long, requires = "from_proxy")]
    pub(crate) all_workers: bool,
    /// Sign it anew with the local secret for its source; without it, that is
    /// done where the target would refuse the event for its age or an edit.
    #[arg(long, conflicts_with_all = ["as_it_came", "from_proxy"])]
    pub(crate) resign: bool,
    /// Never sign it anew: send it as it came.
    #[arg(long, conflicts_with = "from_proxy")]
    pub(crate) as_it_came: bool,
    /// Send what this file holds in the place of the body; `-` is standard input.
    #[arg(long, value_name = "FILE", requires = "id", conflicts_with = "from_proxy")]
    pub(crate) body: Option<PathBuf>,
    /// Several without asking.
    #[arg(long, short)]
    pub(crate) yes: bool,
}

#[derive(Args, Debug)]
#[command(override_usage = "postern trigger [OPTIONS] <PROVIDER> <NAME>
       postern trigger [OPTIONS] --file <FILE> <PROVIDER>
       postern trigger --list [PROVIDER]")]
pub(crate) struct Trigger {
    /// Whose event: linear, github, stripe, slack.
    #[arg(required_unless_present = "list")]
    pub(crate) provider: Option<Provider>,
    /// Which: `Issue.create`, `pull_request.opened`.
    #[arg(required_unless_present_any = ["list", "file"], conflicts_with_all = ["list", "file"],
        value_parser = TemplateName, hide_possible_values = true)]
    pub(crate) name: Option<String>,
    /// List the events there are templates for, of one provider or of all.
    #[arg(long, conflicts_with_all = ["file", "set", "count"])]
    pub(crate) list: bool,
    /// Another value for a member of the payload: `data.title=Mine`. A value
    /// that is JSON is taken as JSON. May be given several times.
    #[arg(long, value_name = "PATH=VALUE", value_parser = member)]
    pub(crate) set: Vec<(String, serde_json::Value)>,
    /// A body of your own, from a file; `-` reads standard input.
    #[arg(long, value_name = "FILE")]
    pub(crate) file: Option<PathBuf>,
    /// The type of a body of your own: `pull_request` [default: what the body's
    /// member `type` says].
    #[arg(long = "type", value_name = "TYPE", requires = "file", conflicts_with = "name")]
    pub(crate) event_type: Option<String>,
    /// So many events.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) count: u32,
    #[command(flatten)]
    pub(crate) proxy: Proxy,
}

/// `data.title=Mine`: a path, and a value that is JSON or else text.
fn member(text: &str) -> Result<(String, serde_json::Value), String> {
    let (path, value) = text.split_once('=').ok_or("write it as PATH=VALUE: data.title=Mine")?;
    Ok((path.to_owned(), serde_json::from_str(value).unwrap_or_else(|_| value.into())))
}

/// Takes any name, since the running worker may know more of them; shells
/// complete those that this version knows.
#[derive(Clone)]
struct TemplateName;

static TEMPLATES: LazyLock<Vec<Template>> = LazyLock::new(postern_edge::trigger_templates);

impl TypedValueParser for TemplateName {
    type Value = String;

    fn parse_ref(
        &self,
        command: &clap::Command,
        argument: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<String, clap::Error> {
        clap::builder::StringValueParser::new().parse_ref(command, argument, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        let value = |template: &'static Template| {
            PossibleValue::new(template.name.as_str()).help(template.about.as_str())
        };
        Some(Box::new(TEMPLATES.iter().map(value)))
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Forward {
    /// Forward every event to this address: changes the rule that does, or
    /// adds one.
    Set {
        /// `http://localhost:3000/webhooks`.
        url: String,
    },
    /// Remove that rule.
    Clear,
    /// Say where events are forwarded to, by this and by other rules.
    Show,
}

#[derive(Args, Debug)]
pub(crate) struct CatchUp {
    /// Which are delivered; the others are skipped. Without it: show what is held.
    pub(crate) choice: Option<Choice>,
}

/// Which of the held events are delivered.
#[derive(Clone, Copy, Debug, clap::ValueEnum)]
pub(crate) enum Choice {
    /// All of them, oldest first.
    All,
    /// The newest of each issue, pull request, …
    Newest,
    /// None of them.
    None,
}

#[derive(Args, Debug)]
pub(crate) struct Rejected {
    /// At most so many.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub(crate) limit: u32,
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::{CommandFactory, Parser};

    #[test]
    fn the_command_line_is_well_formed() {
        Cli::command().debug_assert();
    }

    /// docs/cli.md says of every command and of every option that it exists.
    #[test]
    fn the_page_names_every_command_and_option() {
        let page = include_str!("../../../docs/cli.md");
        let names = |what: &str| {
            page.match_indices(what).any(|(at, _)| {
                let after = page[at + what.len()..].chars().next();
                !after.is_some_and(|next| next.is_ascii_alphanumeric() || next == '-')
            })
        };
        let mut unnamed = Vec::new();
        let mut left = vec![("postern".to_owned(), Cli::command())];
        while let Some((path, command)) = left.pop() {
            if !command.has_subcommands() && !names(&path) {
                unnamed.push(path.clone());
            }
            let options = command.get_arguments().filter_map(clap::Arg::get_long);
            let options = options.map(|long| format!("--{long}")).filter(|option| !names(option));
            unnamed.extend(options.map(|option| format!("{path} {option}")));
            let subcommands = command.get_subcommands().cloned();
            left.extend(subcommands.map(|sub| (format!("{path} {}", sub.get_name()), sub)));
        }
        assert!(unnamed.is_empty(), "{unnamed:#?}");
    }

    #[test]
    fn trigger_wants_a_provider_and_a_name_or_the_list() {
        for good in [
            &["trigger", "linear", "Issue.create"][..],
            &["trigger", "--list"],
            &["trigger", "--list", "linear"],
            &["trigger", "linear", "Issue.create", "--set", "data.title=x", "--count", "3"],
            &["trigger", "github", "--file", "-", "--type", "push"],
        ] {
            assert!(Cli::try_parse_from([&["postern"], good].concat()).is_ok(), "{good:?}");
        }
        for bad in [
            &["trigger"][..],
            &["trigger", "linear"],
            &["trigger", "gitlab", "x"],
            &["trigger", "linear", "x", "--list"],
            &["trigger", "linear", "x", "--file", "-"],
            &["trigger", "linear", "x", "--type", "y"],
            &["trigger", "linear", "x", "--set", "y"],
            &["trigger", "linear", "x", "--count", "0"],
            &["replay"],
            &["replay", "evt_1", "--last", "3"],
            &["replay", "evt_1", "--search", "x"],
        ] {
            assert!(Cli::try_parse_from([&["postern"], bad].concat()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_token_is_no_argument() {
        assert!(Cli::try_parse_from(["postern", "login", "--token", "pst_x"]).is_err());
    }
}
