//! The arguments of `postern tunnel`.

use super::Proxy;
use clap::{Args, Subcommand};
use postern_protocol::api::tunnels::TunnelName;

#[derive(Args, Debug)]
#[command(subcommand_negates_reqs = true)]
pub(crate) struct Tunnel {
    #[command(subcommand)]
    pub(crate) command: Option<TunnelCommand>,
    #[command(flatten)]
    pub(crate) open: TunnelOpen,
}

#[derive(Args, Debug, Default, PartialEq, Eq)]
pub(crate) struct TunnelOpen {
    /// Where visitors get to: a port of this machine (`3000`), or the address of
    /// its server (`https://localhost:3443`).
    #[arg(value_name = "TARGET", required = true)]
    pub(crate) target: Option<String>,
    /// The name in the public address; without it the one that led there before,
    /// or a random one.
    #[arg(long)]
    pub(crate) name: Option<TunnelName>,
    /// Take the name from another machine of the workspace that serves it.
    #[arg(long)]
    pub(crate) take_over: bool,
    /// Tell the local server the public host, not its own.
    #[arg(long)]
    pub(crate) keep_host: bool,
    /// Take any certificate that an `https://` target shows.
    #[arg(long)]
    pub(crate) insecure: bool,
    /// Let the target be elsewhere in the local network.
    #[arg(long)]
    pub(crate) lan: bool,
    /// Keep nothing of what goes through for the inspector.
    #[arg(long)]
    pub(crate) no_inspect: bool,
    /// How long the target may take to begin an answer [default: 120].
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(1..=3600))]
    pub(crate) timeout: Option<u32>,
    /// Print lines in a terminal too, instead of the live view.
    #[arg(long)]
    pub(crate) plain: bool,
    #[command(flatten)]
    pub(crate) visitors: Visitors,
    #[command(flatten)]
    pub(crate) proxy: Proxy,
}

impl Tunnel {
    /// Whether it says how to open a tunnel, and also to do something else. clap
    /// would take `--json`, too, for saying how.
    pub(crate) fn says_both(&self) -> bool {
        let plain =
            TunnelOpen { proxy: Proxy { proxy: self.open.proxy.proxy.clone() }, ..TunnelOpen::default() };
        self.command.is_some() && self.open != plain
    }
}

/// What applies to visitors. What is not given stays as it was.
#[derive(Args, Debug, Default, PartialEq, Eq)]
pub(crate) struct Visitors {
    /// Ask visitors for this user and a password, which is asked for, or taken
    /// from POSTERN_TUNNEL_SECRET.
    #[arg(long, value_name = "USER", conflicts_with_all = ["bearer", "no_auth"])]
    pub(crate) auth: Option<String>,
    /// Ask visitors for a bearer token, which is asked for, or taken from
    /// POSTERN_TUNNEL_SECRET.
    #[arg(long, conflicts_with = "no_auth")]
    pub(crate) bearer: bool,
    /// Ask visitors for neither any more.
    #[arg(long)]
    pub(crate) no_auth: bool,
    /// Let only visitors from this network in: `203.0.113.0/24`. May be given
    /// several times; `any` for all.
    #[arg(long, value_name = "CIDR")]
    pub(crate) allow: Vec<String>,
    /// Let only requests through that the provider of this source has signed;
    /// an empty name for all.
    #[arg(long, value_name = "SOURCE")]
    pub(crate) only_signed: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TunnelCommand {
    /// List the names of the workspace, and who serves them.
    List,
    /// Reserve a name, or change what applies to its visitors.
    Reserve {
        /// 3 to 40 small letters, digits and single hyphens.
        name: TunnelName,
        #[command(flatten)]
        visitors: Visitors,
    },
    /// Give a name up. For 30 days only the workspace can have it again.
    Release {
        /// Which.
        name: TunnelName,
        /// Do not ask.
        #[arg(short, long)]
        yes: bool,
    },
    /// Serve tunnels that this machine has, until Ctrl-C.
    Start {
        /// Which.
        #[arg(value_name = "NAME", required_unless_present = "all")]
        names: Vec<TunnelName>,
        /// All.
        #[arg(long, conflicts_with = "names")]
        all: bool,
        /// Print lines in a terminal too, instead of the live view.
        #[arg(long)]
        plain: bool,
        #[command(flatten)]
        proxy: Proxy,
    },
}

#[cfg(test)]
mod tests {
    use crate::args::{Cli, Command};
    use clap::Parser;

    fn parsed(line: &str) -> Result<(bool, bool), clap::Error> {
        let cli = Cli::try_parse_from(line.split_whitespace())?;
        let Command::Tunnel(tunnel) = cli.command else { panic!("another command") };
        Ok((tunnel.command.is_some(), tunnel.says_both()))
    }

    #[test]
    fn a_command_stays_one_behind_the_options_of_every_command() {
        for line in
            ["postern tunnel list", "postern tunnel --json list", "postern tunnel -v start --all --plain"]
        {
            assert_eq!(parsed(line).unwrap(), (true, false), "{line}");
        }
        for line in ["postern tunnel 3000", "postern tunnel --json 3000 --name list --plain"] {
            assert_eq!(parsed(line).unwrap(), (false, false), "{line}");
        }
        for line in [
            "postern tunnel 3000 list",
            "postern tunnel --name app list",
            "postern tunnel --plain start --all",
        ] {
            assert_eq!(parsed(line).unwrap(), (true, true), "{line}");
        }
        assert!(parsed("postern tunnel").is_err());
    }
}
