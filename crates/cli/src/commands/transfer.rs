//! `postern settings`: settings from one machine to another. `postern
//! diagnostics`: one document for whoever helps. `postern rename`.

use super::dead_letters::agreed;
use crate::args::{Diagnostics, SettingsOf};
use crate::backend::{Backend, Settings};
use crate::failure::Failure;
use crate::output::{self, Output, counted, safe};
use postern_edge::api::{Document, ExportSettings, ImportSettings, Imported, RenameWorker, Status};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::Path;

/// A document of settings is never longer, in bytes.
const LONGEST: u64 = 1 << 20;

/// Exports or imports what was set.
pub(crate) async fn settings(
    settings: &Settings,
    command: SettingsOf,
    output: &Output,
) -> Result<(), Failure> {
    let edge = Backend::open(settings, settings.edge(None)?).await?;
    match command {
        SettingsOf::Export { output: file } => {
            let document: Document = edge.call("export_settings", ExportSettings::default()).await?;
            write(&document, file.as_deref(), output)
        }
        SettingsOf::Import { file, dry_run, yes } => {
            let document = read(&file)?;
            let import = async |apply| -> Result<Imported, Failure> {
                let args = ImportSettings { document: document.clone(), apply, appearance: None };
                edge.call("import_settings", args).await
            };
            let would = import(false).await?;
            if dry_run || would.changes.is_empty() {
                return output.show(&would, |style| output::imported(style, &would));
            }
            if !yes {
                output.note(&output::imported(&output.style.plain(), &would));
                let question = format!("Make {}?", counted(would.changes.len() as u64, "change"));
                agreed(&question, output)?;
            }
            let done = import(true).await?;
            output.show(&done, |style| output::imported(style, &done))
        }
    }
}

/// Writes the diagnostics.
pub(crate) async fn diagnostics(
    settings: &Settings,
    args: Diagnostics,
    output: &Output,
) -> Result<(), Failure> {
    let edge = Backend::open(settings, settings.edge(None)?).await?;
    let document: Document = edge.call("diagnostics", ()).await?;
    write(&document, args.output.as_deref(), output)
}

/// Gives this machine's worker another name at the proxy.
pub(crate) async fn rename(settings: &Settings, name: String, output: &Output) -> Result<(), Failure> {
    let edge = Backend::open(settings, settings.edge(None)?).await?;
    edge.unlock().await?;
    let status: Status = edge.call("rename_worker", RenameWorker { name }).await?;
    output.show(&status, |_| {
        let when = if edge.runs() { "" } else { "; the proxy is told when the worker starts" };
        format!("This machine is called {}{when}.", safe(&status.name))
    })
}

/// Puts a document into a file, whole or not at all, or prints it.
fn write(document: &Document, file: Option<&Path>, output: &Output) -> Result<(), Failure> {
    let Some(path) = file else { return output.print(document.text.trim_end()) };
    let shown = safe(&path.display().to_string());
    let failed = |error: std::io::Error| {
        Failure::coded("output.failed", format!("The file {shown} cannot be written: {error}."))
    };
    if path.exists() {
        let message = format!("The file {shown} is there already: name another one, or remove it.");
        return Err(Failure::usage(message));
    }
    let mut file = File::create_new(path).map_err(failed)?;
    if let Err(error) = file.write_all(document.text.as_bytes()).and_then(|()| file.sync_all()) {
        let _ = std::fs::remove_file(path);
        return Err(failed(error));
    }
    output.note(&format!("Written to {shown}."));
    Ok(())
}

fn read(file: &Path) -> Result<String, Failure> {
    let shown = safe(&file.display().to_string());
    let mut text = String::new();
    let read = if file == Path::new("-") {
        std::io::stdin().lock().take(LONGEST + 1).read_to_string(&mut text)
    } else {
        File::open(file).and_then(|file| file.take(LONGEST + 1).read_to_string(&mut text))
    };
    match read {
        Ok(read) if read as u64 <= LONGEST => Ok(text),
        Ok(_) => Err(Failure::usage(format!("{shown} is longer than settings can be (1 MiB)."))),
        Err(error) if error.kind() == ErrorKind::InvalidData => {
            Err(Failure::usage(format!("{shown} is no text: these are not settings of Postern's.")))
        }
        Err(error) => Err(Failure::usage(format!("{shown} cannot be read: {error}."))),
    }
}
