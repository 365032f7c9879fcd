//! `config print-default|check`.

use super::{CliError, Common, Terminal, open};
use crate::config::{DEFAULT_FILE, MasterKey};
use clap::Subcommand;
use serde_json::json;

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Print every setting with its default, as a file to start from
    PrintDefault,
    /// Say whether the settings can be used, and where things would be kept
    Check,
}

pub(super) fn run(command: ConfigCommand, common: &Common, terminal: &mut Terminal) -> Result<(), CliError> {
    match command {
        ConfigCommand::PrintDefault => terminal.line(DEFAULT_FILE),
        ConfigCommand::Check => {
            let config = open::settings(common)?;
            let key = match config.master_key() {
                MasterKey::Text(_) => "POSTERN_MASTER_KEY".to_owned(),
                MasterKey::File(path) => path.display().to_string(),
            };
            let shown = json!({
                "listen": config.listen,
                "adminListen": config.admin_listen,
                "publicUrl": config.public_url.as_ref().map(url::Url::as_str),
                "database": config.database(),
                "masterKey": key,
            });
            terminal.answer(&shown, || {
                format!(
                    "The settings can be used.\nlisten        {}\nadmin_listen  {}\ndatabase      {}\nmaster key    {key}",
                    config.listen,
                    config.admin_listen,
                    config.database().display()
                )
            })
        }
    }
}
