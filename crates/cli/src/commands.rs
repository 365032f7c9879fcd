//! The commands: each asks the edge and prints the answer.

mod catch_up;
mod completions;
mod dead_letters;
mod doctor;
mod events;
mod forward;
mod listen;
mod local_secrets;
mod login;
mod profiles;
mod rejected;
mod replay;
mod rotate_secret;
mod rules;
mod secret;
mod serve;
mod status;
mod test;
mod transfer;
mod trigger;
mod tunnel;
mod workers;

use crate::args::{self, Cli, Command, Events, Forward};
use crate::backend::Settings;
use crate::environment::Environment;
use crate::failure::Failure;
use crate::output::Output;

/// Does what the command line asks.
///
/// # Errors
/// When it could not be done.
pub(crate) async fn run(cli: Cli, environment: Environment, output: &Output) -> Result<(), Failure> {
    if let Command::Completions { shell } = cli.command {
        return output.bytes(&completions::script(shell));
    }
    let settings = Settings::new(cli.global.data_dir, cli.global.profile, environment)?;
    match cli.command {
        Command::Login(args) => login::login(&settings, args, output).await,
        Command::Logout => login::logout(&settings, output).await,
        Command::Status => status::status(&settings, output).await,
        Command::Serve(args) => serve::serve(&settings, args, output).await,
        Command::Open => serve::open(&settings, output).await,
        Command::Listen(args) => {
            let output = &output.without_view(cli.global.verbose > 0);
            listen::listen(&settings, args, output).await
        }
        Command::Tunnel(args) => {
            let output = &output.without_view(cli.global.verbose > 0);
            tunnel::tunnel(&settings, args, output).await
        }
        Command::Events(Events::List(args)) => events::list(&settings, args, output).await,
        Command::Events(Events::Show(args)) => events::show(&settings, args, output).await,
        Command::Events(Events::Status(args)) => catch_up::report(&settings, args, output).await,
        Command::Replay(args::Replay { id: Some(id), from_proxy: true, all_workers, .. }) => {
            dead_letters::replay(&settings, id, all_workers, output).await
        }
        Command::Replay(args) => replay::replay(&settings, args, output).await,
        Command::Trigger(args) => trigger::trigger(&settings, args, output).await,
        Command::Forward(Forward::Set { url }) => forward::set(&settings, Some(url), output).await,
        Command::Forward(Forward::Clear) => forward::set(&settings, None, output).await,
        Command::Forward(Forward::Show) => forward::show(&settings, output).await,
        Command::Rules(command) => rules::rules(&settings, command, output).await,
        Command::Pause => status::pause(&settings, true, output).await,
        Command::Resume => status::pause(&settings, false, output).await,
        Command::CatchUp(args) => catch_up::catch_up(&settings, args, output).await,
        Command::Redeliver { id } => catch_up::redeliver(&settings, id, output).await,
        Command::RotateSecret => rotate_secret::rotate_secret(&settings, output).await,
        Command::LocalSecrets(command) => local_secrets::local_secrets(&settings, command, output).await,
        Command::Profiles(command) => profiles::profiles(&settings, command, output).await,
        Command::Rename { name } => transfer::rename(&settings, name, output).await,
        Command::Settings(command) => transfer::settings(&settings, command, output).await,
        Command::Test => test::test(&settings, output).await,
        Command::DeadLetters(command) => dead_letters::dead_letters(&settings, command, output).await,
        Command::Recover(args) => dead_letters::recover(&settings, args, output).await,
        Command::Rejected(args) => rejected::rejected(&settings, args, output).await,
        Command::Workers => workers::workers(&settings, output).await,
        Command::Doctor(args) => doctor::doctor(&settings, args.proxy, output).await,
        Command::Diagnostics(args) => transfer::diagnostics(&settings, args, output).await,
        Command::Completions { .. } => Ok(()),
    }
}
