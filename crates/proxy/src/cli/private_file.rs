//! Files for their owner alone, replaced whole or not at all.

use super::CliError;
use std::io::Write;
use std::path::Path;

/// Writes `content` to `path`, mode 0600, in one step: a reader sees the old
/// file or the new one.
pub(super) fn replace(path: &Path, content: &str) -> Result<(), CliError> {
    let failed = |source| CliError::File { path: path.to_owned(), source };
    let mut draft = path.as_os_str().to_owned();
    draft.push(format!(".{}", hex::encode(crate::entropy::bytes::<6>())));
    let draft = Path::new(&draft);
    let written = crate::vault::private_file(draft)
        .and_then(|mut file| file.write_all(content.as_bytes()).and_then(|()| file.sync_all()))
        .and_then(|()| std::fs::rename(draft, path));
    if written.is_err() {
        let _ = std::fs::remove_file(draft);
    }
    written.map_err(failed)
}
