//! Files that the page saves: into the user's folder for downloads, beside
//! what is there, and the page is told under which name.

use serde::Serialize;
use std::io;
use std::path::{Path, PathBuf};
use tauri::webview::DownloadEvent;
use tauri::{Emitter, Manager, Runtime, Webview};

/// The event that tells the page what became of a file it saves.
const SAVED: &str = "postern://saved";

/// What became of it.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum Saved {
    /// It is here.
    Path(String),
    /// It is not, and why.
    Problem(String),
}

/// Decides where a download goes, and tells the page of its end.
pub(crate) fn handle<R: Runtime>(webview: Webview<R>, event: DownloadEvent<'_>) -> bool {
    let saved = match event {
        DownloadEvent::Requested { destination, .. } => match place(&webview, destination) {
            Ok(path) => {
                *destination = path;
                return true;
            }
            Err(problem) => Saved::Problem(format!("The folder for downloads cannot be used: {problem}.")),
        },
        DownloadEvent::Finished { path: Some(path), success: true, .. } => {
            Saved::Path(path.display().to_string())
        }
        DownloadEvent::Finished { .. } => Saved::Problem("The file could not be written.".into()),
        _ => return true,
    };
    let refused = matches!(saved, Saved::Problem(_));
    if let Err(problem) = webview.emit(SAVED, saved) {
        tracing::warn!(%problem, "the page was not told what became of its file");
    }
    !refused
}

/// Where a file goes that the web view would put at `suggested`.
fn place<R: Runtime>(webview: &Webview<R>, suggested: &Path) -> io::Result<PathBuf> {
    let paths = webview.path();
    // Not every desktop names the folder; its usual name is as good.
    let folder = paths.download_dir().or_else(|_| paths.home_dir().map(|home| home.join("Downloads")));
    let folder = folder.map_err(io::Error::other)?;
    std::fs::create_dir_all(&folder)?;
    let name = suggested.file_name().and_then(|name| name.to_str()).unwrap_or("postern.json");
    Ok(free(&folder, name))
}

/// A name in the folder that nothing has: `events (2).json`.
fn free(folder: &Path, name: &str) -> PathBuf {
    let (stem, ending) = match name.rsplit_once('.') {
        Some((stem, ending)) if !stem.is_empty() => (stem, format!(".{ending}")),
        _ => (name, String::new()),
    };
    let numbered = (2..).map(|n| folder.join(format!("{stem} ({n}){ending}")));
    let mut names = std::iter::once(folder.join(name)).chain(numbered);
    // The numbers do not end.
    names.find(|path| !path.exists()).unwrap_or_else(|| folder.join(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_overwritten() {
        let folder = tempfile::tempdir().unwrap();
        let next = |name: &str| {
            let path = free(folder.path(), name);
            std::fs::write(&path, "").unwrap();
            path.file_name().unwrap().to_str().unwrap().to_owned()
        };
        assert_eq!(next("a.b.json"), "a.b.json");
        assert_eq!(next("a.b.json"), "a.b (2).json");
        assert_eq!(next("a.b.json"), "a.b (3).json");
        assert_eq!([next("plain"), next("plain"), next(".hidden")], ["plain", "plain (2)", ".hidden"]);
    }
}
