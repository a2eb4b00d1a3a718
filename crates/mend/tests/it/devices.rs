//! Sessions on the simulated devices of all platforms, well behaved and not.

use std::time::Duration;

use lab::{KeyKind, Misbehaviour};
use mend::Platform;
use mend::session::{Change, Expect, HostKeyError, SessionError};
use model::Secret;

use crate::lab_device::{Bench, PASSWORD};

/// Platforms with a terminal.
const TERMINALS: [Platform; 8] = [
    Platform::Ios,
    Platform::IosXr,
    Platform::Nxos,
    Platform::Eos,
    Platform::Junos,
    Platform::Frr,
    Platform::Vrp,
    Platform::Sros,
];

/// Those of them whose configuration we change.
fn changed() -> impl Iterator<Item = Platform> {
    TERMINALS.into_iter().filter(|platform| *platform != Platform::Sros)
}

/// A command that only reads, in the platform's words.
fn show(platform: Platform, what: &str) -> String {
    let verb = if platform == Platform::Vrp { "display" } else { "show" };
    format!("{verb} {what}")
}

fn interface(platform: Platform) -> &'static str {
    match platform {
        Platform::Ios => "GigabitEthernet0/1",
        Platform::IosXr => "GigabitEthernet0/0/0/0",
        Platform::Nxos => "Ethernet1/1",
        Platform::Eos => "Ethernet1",
        Platform::Junos => "ge-0/0/0",
        Platform::Frr | Platform::Linux => "eth0",
        Platform::Vrp => "10GE1/0/1",
        Platform::Sros => "1/1/1",
    }
}

/// Shuts and enables the interface, in the platform's words.
fn bounce(platform: Platform) -> Vec<String> {
    let port = interface(platform);
    if platform == Platform::Junos {
        // Both in one commit: the last one counts.
        return vec![
            format!("edit interfaces {port}"),
            "set disable".into(),
            "delete disable".into(),
        ];
    }
    let no = if platform == Platform::Vrp { "undo" } else { "no" };
    vec![format!("interface {port}"), "shutdown".into(), format!("{no} shutdown")]
}

fn change(lines: &[&str]) -> Change {
    Change { lines: lines.iter().map(|line| (*line).to_owned()).collect(), revert_after: None }
}

#[tokio::test(start_paused = true)]
async fn every_platform_answers_without_echo_prompt_or_pager() {
    for platform in Platform::ALL {
        let bench = Bench::new(platform);
        let mut session = bench.open().await.unwrap_or_else(|why| panic!("{platform}: {why}"));
        let command = if platform == Platform::Linux {
            "ip link show eth0"
        } else {
            &show(platform, "version")
        };
        let answer = session.show(command).await.unwrap();
        let wanted = match platform {
            Platform::Linux => {
                "2: eth0: <BROADCAST,MULTICAST,UP,LOWER_UP> mtu 1500 qdisc fq_codel state UP \
                                mode DEFAULT\n  SIMULATION, MTU 1500 bytes\n"
                    .into()
            }
            _ => format!("SIMULATION of {platform}\nr1 uptime is 4 weeks, 2 days\n"),
        };
        assert_eq!(answer.text, wanted, "{platform}");
        session.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_64_kib_comes_whole_with_paging_off_and_with_a_pager_that_stays_on() {
    for platform in TERMINALS {
        for misbehaviours in [vec![], vec![Misbehaviour::StubbornPager]] {
            let bench = Bench::with(platform, |options| options.misbehaviours = misbehaviours);
            let mut session = bench.open().await.unwrap();
            let text = session.show(&show(platform, "tech-support")).await.unwrap().text;
            assert!(text.len() > 64 << 10, "{platform}: {}", text.len());
            let lines: Vec<&str> = text.lines().collect();
            assert_eq!(lines.len(), 1_000, "{platform}");
            for (number, line) in lines.iter().enumerate() {
                assert!(
                    line.starts_with(&format!("line {:5} of", number + 1)),
                    "{platform}: {line}"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_that_the_device_does_not_know_is_an_error_with_its_words() {
    for platform in TERMINALS {
        let bench = Bench::new(platform);
        let mut session = bench.open().await.unwrap();
        let refused = session.show(&show(platform, "nonsense")).await.unwrap_err();
        let SessionError::Rejected { said, .. } = &refused else { panic!("{platform}: {refused}") };
        let word = match platform {
            Platform::Junos => "unknown command",
            Platform::Vrp | Platform::Sros => "Error: ",
            _ => "%",
        };
        assert!(said.contains(word), "{platform}: {said}");
        assert!(
            session.show(&show(platform, "version")).await.is_ok(),
            "{platform}: the session goes on"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_mends_the_port_and_leaves_the_configuration() {
    for platform in changed() {
        let bench = Bench::new(platform);
        let port = interface(platform);
        let mut session = bench.open().await.unwrap();
        session
            .configure(&Change { lines: bounce(platform), revert_after: None })
            .await
            .unwrap_or_else(|why| panic!("{platform}: {why}"));
        assert_eq!(bench.device.is_enabled(port), Some(true), "{platform}");
        assert!(!bench.device.is_being_configured(), "{platform}");
        assert!(session.show(&show(platform, "version")).await.is_ok(), "{platform}");
        let commands = bench.device.commands();
        assert!(
            commands.iter().any(|line| *line == bounce(platform)[2]),
            "{platform}: {commands:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_refused_stops_there_and_leaves_the_configuration() {
    for platform in changed() {
        let bench = Bench::new(platform);
        let mut session = bench.open().await.unwrap();
        let refused =
            session.configure(&change(&["interface nowhere", "shutdown"])).await.unwrap_err();
        assert!(matches!(refused, SessionError::Rejected { .. }), "{platform}: {refused}");
        assert!(!bench.device.is_being_configured(), "{platform}");
        assert!(!bench.device.commands().contains(&"shutdown".to_owned()), "{platform}");
        assert_eq!(bench.device.is_enabled(interface(platform)), Some(true), "{platform}");
        assert!(session.show(&show(platform, "version")).await.is_ok(), "{platform}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_change_of_vrp_takes_effect_with_a_commit_where_the_prompt_says_that_it_waits() {
    let bench = Bench::new(Platform::Vrp);
    let mut session = bench.open().await.unwrap();
    let port = interface(Platform::Vrp);
    session.configure(&change(&[&format!("interface {port}"), "shutdown"])).await.unwrap();
    assert_eq!(bench.device.is_enabled(port), Some(false));
    session.configure(&change(&[&format!("interface {port}"), "undo shutdown"])).await.unwrap();
    assert_eq!(bench.device.is_enabled(port), Some(true));
    session.configure(&change(&[&format!("interface {port}")])).await.unwrap();
    let typed = bench.device.commands();
    assert_eq!(typed.iter().filter(|line| *line == "commit").count(), 2, "{typed:?}");
    assert_eq!(typed.iter().filter(|line| *line == "return").count(), 3, "{typed:?}");
}

#[tokio::test(start_paused = true)]
async fn the_star_of_what_sros_has_not_saved_hides_no_prompt() {
    let bench = Bench::new(Platform::Sros);
    let mut session = bench.open().await.unwrap();
    session.command("configure port 1/1/1 shutdown", &[]).await.unwrap();
    assert_eq!(bench.device.is_enabled("1/1/1"), Some(false));
    let text = session.show("show port 1/1/1").await.unwrap().text;
    assert!(text.contains("Admin State        : down"), "{text}");
    let refused = session.command("configure port 9/9/9 shutdown", &[]).await.unwrap_err();
    assert!(refused.to_string().contains("MINOR: CLI Invalid port"), "{refused}");
    let refused = session.configure(&change(&["configure port 1/1/1 shutdown"])).await;
    assert!(matches!(refused, Err(SessionError::Unsupported { .. })), "{refused:?}");
}

#[tokio::test(start_paused = true)]
async fn a_line_that_could_be_two_never_leaves() {
    let bench = Bench::new(Platform::Ios);
    let mut session = bench.open().await.unwrap();
    let before = bench.device.commands();
    for line in ["interface Gi0/1\nreload", "a\rreload", "", "  ", "\u{3}", "show ?"] {
        let refused = session.configure(&change(&[line])).await.unwrap_err();
        assert!(matches!(refused, SessionError::Line { .. }), "{line:?}: {refused}");
        assert!(session.command(line, &[]).await.is_err(), "{line:?}");
    }
    assert_eq!(bench.device.commands(), before);
}

#[tokio::test(start_paused = true)]
async fn a_change_can_undo_itself_where_the_platform_can() {
    for platform in TERMINALS {
        let bench = Bench::new(platform);
        let mut session = bench.open().await.unwrap();
        let revert_after = Some(Duration::from_secs(90));
        let done = session.configure(&Change { lines: bounce(platform), revert_after }).await;
        if platform.can_revert() {
            done.unwrap_or_else(|why| panic!("{platform}: {why}"));
            session.confirm().await.unwrap_or_else(|why| panic!("{platform}: {why}"));
            let commands = bench.device.commands().join("\n");
            let wanted = match platform {
                Platform::Junos => "commit confirmed 2",
                Platform::IosXr => "commit confirmed minutes 2",
                _ => "commit timer 00:02:00",
            };
            assert!(commands.contains(wanted), "{platform}: {commands}");
        } else {
            assert!(matches!(done, Err(SessionError::Unsupported { .. })), "{platform}");
        }
        assert!(!bench.device.is_being_configured(), "{platform}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_unexpected_question_is_declined_and_an_expected_one_answered() {
    let bench = Bench::new(Platform::Ios);
    let mut session = bench.open().await.unwrap();
    let asked = session.command("reload", &[]).await.unwrap_err();
    assert!(
        matches!(&asked, SessionError::Question { question, .. } if question.contains("[confirm]")),
        "{asked}"
    );
    assert!(!bench.device.commands().contains(&"(reloaded)".to_owned()));
    assert!(session.show("show version").await.is_ok(), "the session goes on");
    let expect = Expect { question: "[confirm]".into(), answer: "y".into() };
    let closed = session.command("reload", &[expect]).await.unwrap_err();
    assert!(matches!(closed, SessionError::Closed { .. }), "{closed}");
    assert!(bench.device.commands().contains(&"(reloaded)".to_owned()));
    assert!(matches!(session.show("show version").await, Err(SessionError::Broken { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_password_that_is_asked_for_in_the_middle_is_never_given() {
    let bench = Bench::wrong(Platform::Nxos, Misbehaviour::Password);
    let mut session = bench.open().await.unwrap();
    let asked = session.show("show version").await.unwrap_err();
    assert!(matches!(asked, SessionError::Question { .. }), "{asked}");
    let typed = bench.device.commands();
    assert!(
        typed
            .iter()
            .all(|line| !line.starts_with("(password of") || line == "(password of 0 letters)"),
        "{typed:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_device_that_falls_silent_is_given_up_after_the_time_for_a_command() {
    for misbehaviour in [Misbehaviour::Hang, Misbehaviour::HangInside] {
        let bench = Bench::wrong(Platform::Ios, misbehaviour);
        let mut session = bench.open().await.unwrap();
        let start = tokio::time::Instant::now();
        let silent = session.show("show version").await.unwrap_err();
        assert!(matches!(silent, SessionError::Unfinished { .. }), "{silent}");
        let took = start.elapsed();
        assert!(
            took >= bench.limits.command && took <= bench.limits.command + bench.limits.rescue,
            "{took:?}"
        );
        assert!(matches!(session.show("show version").await, Err(SessionError::Broken { .. })));
        session.close().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_that_shows_no_prompt_or_goes_away_is_told_apart() {
    let refused = Bench::wrong(Platform::Eos, Misbehaviour::NoPrompt).open().await.unwrap_err();
    assert!(matches!(refused, SessionError::Prompt { .. }), "{refused}");
    let bench = Bench::wrong(Platform::Eos, Misbehaviour::Drop);
    let mut session = bench.open().await.unwrap();
    let closed = session.show("show version").await.unwrap_err();
    assert!(matches!(closed, SessionError::Closed { .. }), "{closed}");
}

#[tokio::test(start_paused = true)]
async fn output_without_end_is_cut_off_at_the_limit() {
    let mut bench = Bench::wrong(Platform::Junos, Misbehaviour::Endless);
    bench.limits.output = 1 << 20;
    let mut session = bench.open().await.unwrap();
    let endless = session.show("show version").await.unwrap_err();
    assert!(
        matches!(endless, SessionError::TooLong { limit, .. } if limit == 1 << 20),
        "{endless}"
    );
}

#[tokio::test(start_paused = true)]
async fn prompts_inside_an_answer_do_not_end_it() {
    for platform in TERMINALS {
        let bench = Bench::wrong(platform, Misbehaviour::PromptInside);
        let mut session = bench.open().await.unwrap();
        let text = session.show(&show(platform, "version")).await.unwrap().text;
        assert!(text.contains("other-device#") && text.ends_with("2 days\n"), "{platform}: {text}");
        assert!(
            session.show(&show(platform, "interfaces")).await.unwrap().text.contains("MTU"),
            "{platform}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_prompt_of_another_device_is_never_taken_for_ours() {
    for platform in TERMINALS {
        let bench = Bench::wrong(platform, Misbehaviour::OtherPrompt);
        let mut session = bench.open().await.unwrap();
        let lost = session.show(&show(platform, "version")).await.unwrap_err();
        let SessionError::Unfinished { last, .. } = &lost else { panic!("{platform}: {lost}") };
        assert_eq!(last, "other-device#", "{platform}");
        let lines = bounce(platform);
        session.configure(&Change { lines, revert_after: None }).await.unwrap_err();
        assert_eq!(bench.device.is_enabled(interface(platform)), Some(true), "{platform}");
        assert!(!bench.device.commands().iter().any(|line| line.contains("shutdown")));
    }
}

#[tokio::test(start_paused = true)]
async fn log_lines_are_kept_out_of_answers() {
    for platform in [Platform::Ios, Platform::Nxos, Platform::Eos] {
        let bench = Bench::wrong(platform, Misbehaviour::LogLines);
        let mut session = bench.open().await.unwrap();
        for _ in 0..3 {
            let answer = session.show("show version").await.unwrap();
            assert!(!answer.text.contains("SYS-5-CONFIG_I"), "{platform}: {}", answer.text);
            assert!(answer.text.ends_with("2 days\n"), "{platform}: {}", answer.text);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_device_without_echo_or_behind_a_key_press_is_understood() {
    for platform in TERMINALS {
        for misbehaviour in [Misbehaviour::NoEcho, Misbehaviour::PressAnyKey] {
            let bench = Bench::wrong(platform, misbehaviour);
            let mut session = bench
                .open()
                .await
                .unwrap_or_else(|why| panic!("{platform} {misbehaviour:?}: {why}"));
            let text = session.show(&show(platform, "version")).await.unwrap().text;
            assert!(text.starts_with("SIMULATION"), "{platform} {misbehaviour:?}: {text}");
            if changed().any(|one| one == platform) {
                let lines = bounce(platform);
                session.configure(&Change { lines, revert_after: None }).await.unwrap();
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_long_name_that_is_cut_in_the_configuration_is_recognised() {
    let bench = Bench::with(Platform::Ios, |options| {
        options.name = "a-name-of-more-than-20-letters".into();
    });
    let mut session = bench.open().await.unwrap();
    session.configure(&Change { lines: bounce(Platform::Ios), revert_after: None }).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_privileged_mode_is_entered_with_its_password_and_a_wrong_one_is_told() {
    let mut bench =
        Bench::with(Platform::Ios, |options| options.enable = Some("more-secret".into()));
    bench.endpoint.login.enable = Some(Secret::new("more-secret"));
    let mut session = bench.open().await.unwrap();
    session.configure(&Change { lines: bounce(Platform::Ios), revert_after: None }).await.unwrap();
    bench.endpoint.login.enable = Some(Secret::new("not-the-secret"));
    let refused = bench.open().await.unwrap_err();
    assert!(matches!(refused, SessionError::Rejected { .. }), "{refused}");
    assert!(!format!("{refused} {refused:?}").contains("not-the-secret"));
}

#[tokio::test(start_paused = true)]
async fn a_password_is_given_to_a_question_for_it_too() {
    let bench = Bench::with(Platform::Nxos, |options| options.interactive = true);
    bench.open().await.unwrap().close().await;
}

#[tokio::test(start_paused = true)]
async fn another_device_in_the_same_place_is_told_nothing() {
    for kind in [KeyKind::Ed25519, KeyKind::Ecdsa] {
        let bench = Bench::new(Platform::Ios);
        let other = Bench::with(Platform::Ios, |options| options.host_key = kind);
        let refused = bench.open_on(&other.device).await.unwrap_err();
        assert!(
            matches!(refused, SessionError::HostKey(HostKeyError::Changed { .. })),
            "{refused}"
        );
        assert!(other.device.commands().is_empty() && other.device.logins() == 0);
    }
}

#[tokio::test(start_paused = true)]
async fn no_secret_is_in_transcripts_errors_or_debug_output() {
    let bench = Bench::new(Platform::Ios);
    let mut session = bench.open().await.unwrap();
    let running = session.show("show running-config").await.unwrap();
    let refused = session.command(&format!("echo {PASSWORD}"), &[]).await.unwrap_err();
    let mut told = format!("{session:?} {refused} {refused:?} {:?}", bench.endpoint);
    told.push_str(&session.redacted(&running.text));
    let transcript = session.close().await;
    told.push_str(&transcript.to_string());
    assert!(told.contains("username netmend password 7 ***"), "{told}");
    for secret in [PASSWORD, "0822455D0A16"] {
        assert!(!told.contains(secret), "{secret} is in: {told}");
    }
}
