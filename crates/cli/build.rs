//! The web UI is embedded from `ui/dist`, which `npm run build` makes. Where
//! it has not been built, a page that says so takes its place, so that the
//! command line can be built without Node. A real UI is never touched.

use std::path::Path;
use std::{env, fs, io};

const PLACEHOLDER: &str = "<!doctype html>
<html lang=\"en\">
<meta charset=\"utf-8\">
<title>Postern</title>
<h1>The interface is not part of this build</h1>
<p>Run <code>npm ci &amp;&amp; npm run build</code> in the repository, then build <code>postern</code> again.</p>
";

fn main() -> io::Result<()> {
    let here =
        env::var_os("CARGO_MANIFEST_DIR").ok_or_else(|| io::Error::other("cargo sets CARGO_MANIFEST_DIR"))?;
    let ui = Path::new(&here).join("../../ui/dist");
    // A new UI is a new binary: release builds embed it.
    println!("cargo::rerun-if-changed={}", ui.display());
    println!("cargo::rerun-if-changed=build.rs");
    let index = ui.join("index.html");
    if !index.exists() {
        fs::create_dir_all(&ui)?;
        fs::write(index, PLACEHOLDER)?;
    }
    Ok(())
}
