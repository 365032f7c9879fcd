//! What operators are given works.

use std::path::Path;
use std::process::Command;

/// systemd takes the unit, with the program that was built in its place.
#[test]
fn systemd_takes_the_unit_where_it_is_installed() {
    let unit = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations/postern-proxy.service");
    let text = std::fs::read_to_string(unit).unwrap();
    let program = "/usr/local/bin/postern-proxy";
    assert!(text.contains(&format!("ExecStart={program} serve")));
    let folder = tempfile::tempdir().unwrap();
    let unit = folder.path().join("postern-proxy.service");
    std::fs::write(&unit, text.replace(program, env!("CARGO_BIN_EXE_postern-proxy"))).unwrap();
    match Command::new("systemd-analyze").arg("verify").arg(&unit).output() {
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr);
            // It also judges the other units of this machine.
            let ours: Vec<_> = said.lines().filter(|line| line.contains("postern-proxy")).collect();
            assert!(ours.is_empty(), "{ours:?}");
        }
        Err(_) => println!("systemd-analyze is not installed: the unit is not verified"),
    }
}

/// Every command that the guide and the runbook name is one.
#[test]
fn the_guides_commands_exist() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/operations");
    let mut named = std::collections::BTreeSet::new();
    for file in ["README.md", "runbook.md"] {
        let text = std::fs::read_to_string(folder.join(file)).unwrap();
        for part in text.split(|c| "`\n#(".contains(c)) {
            let words = part.strip_prefix("pp ").or_else(|| part.strip_prefix("postern-proxy "));
            let commands = words.map(|words| {
                words.split_whitespace().take_while(|word| {
                    word.chars().all(|c| c.is_ascii_lowercase() || c == '-') && !word.starts_with('-')
                })
            });
            if let Some(commands) = commands {
                named.insert(commands.take(2).map(str::to_owned).collect::<Vec<_>>());
            }
        }
    }
    assert!(named.len() > 8, "{named:?}");
    for words in named {
        // Names that people choose stand after the commands.
        let tries = (1..=words.len()).rev();
        let known = tries.into_iter().any(|count| {
            let mut command = Command::new(env!("CARGO_BIN_EXE_postern-proxy"));
            command.args(&words[..count]).arg("--help").output().unwrap().status.success()
        });
        assert!(known || words.is_empty(), "{words:?}");
    }
}
