//! Help, manual pages and completions, all made from one definition.

use super::netmend;

#[test]
fn every_command_has_help_a_manual_page_and_completions() {
    let help = netmend(&["--help"]);
    let commands: Vec<&str> = help
        .out
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.strip_prefix("  ")?.split(' ').next())
        .filter(|word| !word.is_empty() && *word != "help")
        .collect();
    assert!(commands.contains(&"run") && commands.contains(&"probe"), "{help:?}");
    let folder = tempfile::tempdir().expect("a folder");
    let run = netmend(&["man", "--to", folder.path().to_str().expect("UTF-8")]);
    assert_eq!(run.code, Some(0), "{run:?}");
    let bash = netmend(&["completions", "bash"]).out;
    for command in commands {
        let help = netmend(&[command, "--help"]);
        assert_eq!((help.code, help.err.as_str()), (Some(0), ""), "{command}");
        assert!(help.out.contains(&format!("Usage: netmend {command}")), "{help:?}");
        let page = folder.path().join(format!("netmend-{command}.1"));
        let page = std::fs::read_to_string(&page).expect("the command has a page");
        assert!(page.contains(".SH SYNOPSIS"), "{page}");
        assert!(bash.contains(&format!("netmend__subcmd__{command}")), "{command}");
    }
}

#[test]
fn commands_of_commands_have_manual_pages_by_their_words() {
    let page = netmend(&["man", "user", "add"]);
    assert_eq!(page.code, Some(0), "{page:?}");
    assert!(
        page.out.contains("netmend\\-user\\-add") && page.out.contains("\\-\\-role"),
        "{}",
        page.out
    );
}

#[test]
fn what_is_not_there_is_refused_as_bad_usage() {
    for args in [
        &["man", "nosuch"][..],
        &["man", "user", "nosuch"],
        &["completions", "tcsh"],
        &["nosuch"],
        &[],
    ] {
        let run = netmend(args);
        assert_eq!((run.code, run.out.as_str()), (Some(3), ""), "{args:?}: {run:?}");
    }
}
