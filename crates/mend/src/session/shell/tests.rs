//! Tests of the dialogue with a device that follows a script, a write at a time.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::platform::Platform;

/// A device that reads a line, with a mark behind it or none, and then writes pieces, each after a pause in
/// milliseconds.
async fn device(
    script: Vec<(&'static str, Vec<(u64, &'static str)>)>,
    mut wire: tokio::io::DuplexStream,
) {
    let mut typed = Vec::new();
    for (wanted, pieces) in script {
        while !typed.strip_suffix(b" ").unwrap_or(&typed).ends_with(wanted.as_bytes()) {
            let mut bytes = [0; 64];
            match wire.read(&mut bytes).await {
                Ok(0) | Err(_) => return,
                Ok(n) => typed.extend_from_slice(&bytes[..n]),
            }
        }
        typed.clear();
        for (pause, text) in pieces {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            wire.write_all(text.as_bytes()).await.unwrap();
        }
    }
    // The line stays open, as that of a device that waits.
    std::future::pending::<()>().await;
}

async fn shell(script: Vec<(&'static str, Vec<(u64, &'static str)>)>) -> Shell {
    logged_in("\r\nr1#", script).await
}

/// A device that shows this for an empty line with a mark behind it.
async fn logged_in(
    prompt: &'static str,
    script: Vec<(&'static str, Vec<(u64, &'static str)>)>,
) -> Shell {
    let (ours, theirs) = tokio::io::duplex(4 << 10);
    let mut whole = vec![("", vec![(1, "\r\nWelcome\r\n\r\nr1#")]), ("\n", vec![(1, prompt)])];
    whole.extend(script);
    tokio::spawn(device(whole, theirs));
    Shell::open(Box::new(ours), Platform::Ios.definition(), Limits::default()).await.unwrap()
}

/// Asks something that only reads.
async fn ask(shell: &mut Shell, command: &str) -> Result<String, Failure> {
    shell.ask(&asked(&[command], Place::Normal, true)).await
}

fn asked<'a>(commands: &'a [&'a str], place: Place, reads: bool) -> Ask<'a> {
    Ask { commands, place, expect: &[], reads, limit: Duration::from_secs(30) }
}

#[tokio::test(start_paused = true)]
async fn a_banner_that_ends_like_a_prompt_is_not_taken_for_one() {
    let (ours, theirs) = tokio::io::duplex(4 << 10);
    let script = vec![
        ("", vec![(1, "Unit#"), (500, "\r\nready\r\nr1#")]),
        ("\n", vec![(1, "\r\nr1#")]),
        ("\n", vec![(1, "\r\nr1#")]),
    ];
    tokio::spawn(device(script, theirs));
    let shell = Shell::open(Box::new(ours), Platform::Ios.definition(), Limits::default()).await;
    assert_eq!(shell.unwrap().prompt().unwrap().text(), "r1#");
}

#[tokio::test(start_paused = true)]
async fn the_prompt_inside_an_answer_ends_it_only_in_silence() {
    let mut shell =
        shell(vec![("show x\n", vec![(1, "show x\r\none\r\nr1#"), (15, "\r\ntwo\r\nr1#")])]).await;
    assert_eq!(ask(&mut shell, "show x").await.unwrap(), "r1#show x\none\nr1#\ntwo\n");
}

#[tokio::test(start_paused = true)]
async fn where_the_mark_is_shown_behind_the_prompt_no_silence_is_waited_for() {
    let answers = [
        ("show x\n", vec![(1, "show x\r\none\r\nr1#"), (15, "\r\ntwo\r\nr1#"), (1, " ")]),
        // It came too early to be kept.
        ("show y\n", vec![(1, "show y\r\nr1#")]),
    ];
    let mut shell = logged_in("\r\nr1# ", answers.to_vec()).await;
    let start = Instant::now();
    assert_eq!(ask(&mut shell, "show x").await.unwrap(), "r1# show x\none\nr1#\ntwo\n");
    assert_eq!(start.elapsed().as_millis(), 17);
    ask(&mut shell, "show y").await.unwrap();
    assert_eq!(start.elapsed().as_millis(), 17 + 1 + 20);
}

#[tokio::test(start_paused = true)]
async fn what_changes_and_prints_nothing_is_over_with_its_prompt_and_nothing_else_is() {
    let answers = [
        ("clear x\n", vec![(1, "clear x\r\nr1#")]),
        ("clear y\n", vec![(1, "clear y\r\nwait\r\nr1#"), (15, "\r\n% Bad y\r\nr1#")]),
        ("show x\n", vec![(1, "show x\r\nr1#"), (15, "\r\ntwo\r\nr1#")]),
    ];
    let mut shell = shell(answers.to_vec()).await;
    let start = Instant::now();
    let text = shell.ask(&asked(&["clear x"], Place::Normal, false)).await.unwrap();
    assert_eq!((text.as_str(), start.elapsed().as_millis()), ("r1#clear x\n", 1));
    let text = shell.ask(&asked(&["clear y"], Place::Normal, false)).await.unwrap();
    assert!(text.ends_with("% Bad y\n"), "{text}");
    assert!(ask(&mut shell, "show x").await.unwrap().ends_with("two\n"));
}

#[tokio::test(start_paused = true)]
async fn a_prompt_that_comes_late_is_not_taken_for_the_end_of_the_next_command() {
    let mut shell = shell(vec![
        ("show x\n", vec![(1, "show x\r\none\r\nr1#")]),
        // What an operator's log line made the device print again, before it saw the command.
        ("show y\n", vec![(1, "\r\nr1#"), (300, "show y\r\ntwo\r\nr1#")]),
    ])
    .await;
    ask(&mut shell, "show x").await.unwrap();
    assert!(ask(&mut shell, "show y").await.unwrap().ends_with("two\n"));
}

#[tokio::test(start_paused = true)]
async fn a_question_in_the_middle_of_output_is_none() {
    let mut shell = shell(vec![(
        "show x\n",
        vec![(1, "show x\r\nProceed? [confirm]"), (100, "\r\nPassword:"), (100, " none\r\nr1#")],
    )])
    .await;
    assert!(ask(&mut shell, "show x").await.unwrap().contains("[confirm]\nPassword: none"));
}

#[tokio::test(start_paused = true)]
async fn lines_in_one_write_are_answered_by_as_many_prompts() {
    let mut shell = shell(vec![
        ("configure terminal\n", vec![(1, "configure terminal\r\nr1(config)#")]),
        (
            "no shutdown\n",
            vec![
                (1, "shutdown\r\nr1(config-if)#"),
                // Longer than the silence that would end a single command.
                (100, "no shutdown\r\nr1(config-if)#"),
            ],
        ),
    ])
    .await;
    shell.ask(&asked(&["configure terminal"], Place::Anywhere, false)).await.unwrap();
    assert!(shell.is_configuring() && shell.can_send_together());
    let lines = ["shutdown", "no shutdown"];
    let text = shell.ask(&asked(&lines, Place::Anywhere, false)).await.unwrap();
    assert_eq!(text, "r1(config)#shutdown\nr1(config-if)#no shutdown\n");
}

#[test]
fn log_lines_are_told_from_words_of_failure() {
    for line in [
        "%LINK-3-UPDOWN: Interface Gi0/1, changed state to down",
        "*Mar  1 00:01:02.003: %LINEPROTO-5-UPDOWN: Line protocol",
        "RP/0/RP0/CPU0:Nov 22 03:00:00.1 UTC: ifmgr[1]: %PKT_INFRA-LINK-3-UPDOWN : Interface",
        "2026 Nov 22 03:00:00 sw1 %ETHPORT-5-IF_DOWN_LINK_FAILURE: Interface Ethernet1/1",
    ] {
        assert!(is_log(line), "{line}");
    }
    for line in ["% Invalid input detected", "100% done: yes", "%Error: x", "", "a-3-b: c"] {
        assert!(!is_log(line), "{line}");
    }
}

#[test]
fn an_echo_is_recognised_however_it_is_broken() {
    for line in ["show version", "r1#show version", "r1#show  ver sion ", "r1> show version"] {
        assert!(is_echo(line, "show version"), "{line}");
    }
    for line in ["xshow version", "show version 2", "no show version", ""] {
        assert!(!is_echo(line, "show version"), "{line}");
    }
}
