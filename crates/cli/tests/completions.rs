//! The completion scripts, as the shells themselves run them: bash, and zsh
//! and fish where they are installed.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]
#![expect(clippy::print_stdout, reason = "what was left out is told")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Completes the line that is its argument, as bash does upon a tab.
const BASH: &str = r#"
source "$SCRIPT"
COMP_LINE=$1
read -ra COMP_WORDS <<<"$1"
[[ $1 == *" " ]] && COMP_WORDS+=("")
COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
COMP_POINT=${#1}
complete_with=$(complete -p postern) || exit 1
[[ $complete_with =~ \ -F\ ([^ ]+) ]] || exit 1
"${BASH_REMATCH[1]}" postern "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\n' "${COMPREPLY[@]}"
"#;

const FISH: &str = r#"source $SCRIPT; complete -C $argv[1] | string replace -r '\t.*' ''; true"#;

/// Reads the script by its name, as `compinit` finds it in `fpath`.
const ZSH: &str = r#"fpath=(${SCRIPT:h} $fpath); autoload -U compinit; compinit -D -u; autoload +X $_comps[postern]; print $?"#;

/// A shell with the completion script of its kind, in a folder of its own.
struct Shell {
    folder: tempfile::TempDir,
    program: &'static str,
}

impl Shell {
    /// `None`, with a word about it, where the shell is not installed.
    fn new(program: &'static str) -> Option<Self> {
        if Command::new(program).args(["-c", "exit"]).stdout(Stdio::null()).status().is_err() {
            println!("{program} is not installed: its completions left out");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let script =
            Command::new(env!("CARGO_BIN_EXE_postern")).args(["completions", program]).output().unwrap();
        assert!(script.status.success());
        std::fs::write(folder.path().join("_postern"), script.stdout).unwrap();
        Some(Self { folder, program })
    }

    /// What the shell prints when it runs `code` with one argument.
    fn run(&self, options: &[&str], code: &str, argument: &str) -> Vec<String> {
        let programs = Path::new(env!("CARGO_BIN_EXE_postern")).parent().unwrap().to_owned();
        let others = std::env::var_os("PATH").unwrap_or_default();
        let path = std::env::join_paths(
            std::iter::once(programs).chain(std::env::split_paths(&others).collect::<Vec<PathBuf>>()),
        );
        // After the code bash wants the name it runs under.
        let name: &[&str] = if self.program == "bash" { &["bash"] } else { &[] };
        let ran = Command::new(self.program)
            .args(options)
            .args(["-c", code])
            .args(name)
            .arg(argument)
            .env("SCRIPT", self.folder.path().join("_postern"))
            .env("HOME", self.folder.path())
            .env("POSTERN_DATA_DIR", self.folder.path())
            .env("PATH", path.unwrap())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let err = String::from_utf8_lossy(&ran.stderr).into_owned();
        assert!(ran.status.success() && err.is_empty(), "{}: {err}", self.program);
        let mut lines: Vec<_> = String::from_utf8(ran.stdout).unwrap().lines().map(str::to_owned).collect();
        lines.sort();
        lines
    }
}

/// Subcommands, options, an option's values, and the names of templates.
const LINES: &[(&str, &[&str])] = &[
    ("postern ro", &["rotate-secret"]),
    ("postern serve --cap", &["--capability"]),
    ("postern serve --via ", &["address", "auto", "tunnel"]),
    ("postern events list --provider git", &["github"]),
    ("postern trigger git", &["github"]),
    ("postern tunnel rel", &["release"]),
    ("postern tunnel --keep", &["--keep-host"]),
    ("postern trigger linear Comment.", &["Comment.create", "Comment.remove", "Comment.update"]),
];

#[test]
fn bash_completes() {
    let bash = Shell::new("bash").expect("the tests need bash");
    for (line, expected) in LINES {
        assert_eq!(bash.run(&["--norc", "--noprofile"], BASH, line), *expected, "{line}");
    }
    assert!(bash.run(&["--norc", "--noprofile"], BASH, "postern events ").contains(&"status".to_owned()));
}

#[test]
fn fish_completes() {
    let Some(fish) = Shell::new("fish") else { return };
    for (line, expected) in LINES {
        assert_eq!(fish.run(&["--no-config"], FISH, line), *expected, "{line}");
    }
}

#[test]
fn zsh_finds_the_script_and_can_read_it() {
    let Some(zsh) = Shell::new("zsh") else { return };
    assert_eq!(zsh.run(&["-f"], ZSH, ""), ["0"]);
}
