//! Which data folder, which secrets, which sign-in: what every edge that this
//! program starts is made of.

use crate::environment::Environment;
use crate::failure::Failure;
use postern_edge::{EdgeConfig, EnvironmentToken, FileSecrets, KeychainSecrets, OsKeychain, SecretStore};
use postern_protocol::{ErrorCode, Secret};
use std::path::PathBuf;

/// The desktop app's identifier: both keep their data in one folder, so that
/// they find each other's edge.
const IDENTIFIER: &str = "dev.postern.app";

/// The service name under which people find Postern's items in their keychain.
const KEYCHAIN_SERVICE: &str = "Postern";

/// The worker's credentials of a sign-in by `POSTERN_TOKEN`. Not the same
/// file: its existence says nothing about where `login` may keep a token.
const ENVIRONMENT_FILE: &str = "worker.json";

/// Where `login` keeps the token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Where it was kept before; the keychain at first.
    AsBefore,
    /// In a file that only its owner can read, as the user said.
    PlainFile,
}

/// What the command line and the environment decide.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) data_dir: PathBuf,
    /// The workspace that the command is about; absent: the one that is shown.
    pub(crate) profile: Option<String>,
    /// `POSTERN_TOKEN`.
    pub(crate) token: Option<Secret>,
    /// `POSTERN_TUNNEL_SECRET`.
    pub(crate) tunnel_secret: Option<Secret>,
    /// This machine's name.
    host: String,
}

impl Settings {
    /// The data folder is the given one, or the platform's place for data.
    ///
    /// # Errors
    /// When no folder is given and the user has no home.
    pub(crate) fn new(
        data_dir: Option<PathBuf>,
        profile: Option<String>,
        environment: Environment,
    ) -> Result<Self, Failure> {
        let data_dir = match data_dir {
            Some(folder) => folder,
            None => directories::BaseDirs::new().map(|base| base.data_dir().join(IDENTIFIER)).ok_or_else(|| {
                Failure::usage("There is no home folder to keep data in: name a folder with --data-dir or POSTERN_DATA_DIR.")
            })?,
        };
        let Environment { token, tunnel_secret, host, .. } = environment;
        Ok(Self { data_dir, profile, token, tunnel_secret, host })
    }

    /// An edge that works: with `POSTERN_TOKEN` it signs in by itself, at
    /// `proxy` or the one of the last time.
    ///
    /// # Errors
    /// When the keychain's thread cannot be started.
    pub(crate) fn edge(&self, proxy: Option<String>) -> Result<EdgeConfig, Failure> {
        let Some(token) = &self.token else { return self.keeper(Keep::AsBefore) };
        let mut config = self.config(FileSecrets::new(self.data_dir.join(ENVIRONMENT_FILE)));
        config.environment = Some(EnvironmentToken { token: token.clone(), proxy_url: proxy });
        Ok(config)
    }

    /// An edge that knows where secrets are kept.
    ///
    /// # Errors
    /// When the keychain's thread cannot be started.
    pub(crate) fn keeper(&self, keep: Keep) -> Result<EdgeConfig, Failure> {
        let file = self.data_dir.join(FileSecrets::NAME);
        if keep == Keep::PlainFile || file.exists() {
            return Ok(self.config(FileSecrets::new(file)));
        }
        let keychain = KeychainSecrets::start(OsKeychain::new(KEYCHAIN_SERVICE), KeychainSecrets::TIMEOUT);
        keychain.map(|keychain| self.config(keychain)).map_err(|error| {
            Failure::new(
                ErrorCode::Internal,
                format!("The system did not give the keychain its thread: {error}."),
            )
        })
    }

    /// Whether the user wanted the token in a plain file.
    pub(crate) fn has_plain_file(&self) -> bool {
        self.data_dir.join(FileSecrets::NAME).exists()
    }

    /// Reads an item that is not there from where secrets are kept: whether
    /// that place is there, and open.
    ///
    /// # Errors
    /// When the place cannot be read, or not in time.
    pub(crate) async fn probe(&self) -> Result<(), Failure> {
        self.keeper(Keep::AsBefore)?.secrets.load("doctor").await?;
        Ok(())
    }

    fn config(&self, secrets: impl SecretStore) -> EdgeConfig {
        let mut config = EdgeConfig::new(&self.data_dir, secrets);
        config.default_name.clone_from(&self.host);
        config
    }
}
