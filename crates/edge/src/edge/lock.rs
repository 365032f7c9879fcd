//! One edge per data folder.
//!
//! The lock is the operating system's on `edge.lock`: it is gone with the
//! process, however that ends. `running.json` beside it says how to reach the
//! process that holds it; it is only believed while the lock is held.

use super::StartError;
use crate::private_file;
use postern_protocol::{Secret, secret};
use serde::{Deserialize, Serialize};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

const LOCK: &str = "edge.lock";
const RUNNING: &str = "running.json";

/// The edge that runs on a data folder, for another program to attach to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Running {
    /// Its process.
    pub pid: u32,
    /// The program, in its own words ([`super::EdgeConfig::program`]); empty
    /// while it starts, or when it is of a version that did not say.
    #[serde(default)]
    pub program: String,
    /// Its local API's base URL, `http://127.0.0.1:4455`; absent while it
    /// starts, or where it serves none.
    pub api_url: Option<String>,
    /// Exchanged for a bearer at `POST /api/session`, any number of times.
    #[serde(serialize_with = "secret::expose")]
    pub control_token: Secret,
}

impl Running {
    /// The edge that runs on `data_dir`; `None` when none does.
    ///
    /// # Errors
    /// When the lock cannot be tried.
    pub fn find(data_dir: &Path) -> io::Result<Option<Self>> {
        match File::open(data_dir.join(LOCK)) {
            Ok(file) => match file.try_lock_shared() {
                Ok(()) => Ok(None),
                Err(TryLockError::WouldBlock) => Ok(Some(Self::read(data_dir))),
                Err(TryLockError::Error(e)) => Err(e),
            },
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }

    /// What the holder of the lock has written, as far as it has come.
    fn read(data_dir: &Path) -> Self {
        fs::read(data_dir.join(RUNNING))
            .ok()
            .and_then(|text| serde_json::from_slice(&text).ok())
            .unwrap_or(Self { pid: 0, program: String::new(), api_url: None, control_token: Secret::new("") })
    }
}

/// The folder, held. Dropping it removes `running.json` and lets go.
#[derive(Debug)]
pub(crate) struct Lock {
    dir: PathBuf,
    _file: File,
}

impl Lock {
    /// Takes the folder, which is made when absent, for its owner alone.
    pub(super) fn take(dir: &Path) -> Result<Self, StartError> {
        let made = private_file::make_dir(dir);
        made.map_err(|source| StartError::DataDir { path: dir.display().to_string(), source })?;
        let path = dir.join(LOCK);
        let failed = |source| StartError::DataDir { path: path.display().to_string(), source };
        let file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(&path)
            .map_err(failed)?;
        match file.try_lock() {
            Ok(()) => Ok(Self { dir: dir.to_owned(), _file: file }),
            Err(TryLockError::WouldBlock) => Err(StartError::AlreadyRunning(Running::read(dir))),
            Err(TryLockError::Error(e)) => Err(failed(e)),
        }
    }

    pub(super) fn announce(&self, running: &Running) -> Result<(), StartError> {
        let path = self.dir.join(RUNNING);
        let written = serde_json::to_vec_pretty(running)
            .map_err(io::Error::from)
            .and_then(|text| private_file::replace(&path, &text));
        written.map_err(|source| StartError::DataDir { path: path.display().to_string(), source })
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        let _ = fs::remove_file(self.dir.join(RUNNING));
    }
}
