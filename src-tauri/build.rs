//! Tauri's build step: reads `tauri.conf.json`, the capability file and the
//! one permission of our own, and resolves them into the binary.

fn main() {
    let manifest = tauri_build::AppManifest::new().permissions_path_pattern("src-tauri/permissions/*.toml");
    println!("cargo:rerun-if-changed=src-tauri/permissions");
    if let Err(problem) = tauri_build::try_build(tauri_build::Attributes::new().app_manifest(manifest)) {
        println!("cargo:warning=tauri.conf.json or capabilities/: {problem:#}");
        std::process::exit(1);
    }
}
