//! `postern completions`: clap's scripts, and for shells whose scripts do not
//! complete the templates' names by their place, a few lines that do.

use crate::args::Cli;
use clap::CommandFactory;
use clap_complete::Shell;

const BASH: &str = r#"
_postern_named() {
    local cur=${COMP_WORDS[COMP_CWORD]}
    if [[ ${COMP_WORDS[1]} == trigger && $cur != -* ]]; then
        case $COMP_CWORD in
            2) COMPREPLY=($(compgen -W "linear github stripe slack" -- "$cur")); return ;;
            3) COMPREPLY=($(compgen -W "$(postern trigger --list "${COMP_WORDS[2]}" 2>/dev/null | awk '{print $2}')" -- "$cur")); return ;;
        esac
    fi
    _postern "$@"
}
complete -F _postern_named -o bashdefault -o default postern
"#;

const FISH: &str = r"
set -l trigger '__fish_postern_using_subcommand trigger'
complete -c postern -n $trigger'; and not __fish_seen_subcommand_from linear github stripe slack' -f -a 'linear github stripe slack'
for provider in linear github stripe slack
    complete -c postern -n $trigger'; and __fish_seen_subcommand_from '$provider -f -a '(postern trigger --list '$provider' 2>/dev/null | string replace -r \'^\S+\s+(\S+)\s+\' \'$1\t\')'
end
";

/// The script for a shell.
pub(super) fn script(shell: Shell) -> Vec<u8> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "postern", &mut script);
    let more = match shell {
        Shell::Bash => BASH,
        Shell::Fish => FISH,
        _ => "",
    };
    script.extend_from_slice(more.as_bytes());
    script
}
