//! Tests of the processes: scripts that use up everything, children that try what they may not, and children
//! that lie to their parent.

use std::net::TcpStream;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::process::{Command, exit};

use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use super::super::template::{Template, Verb};
use super::super::wire::{self, Call, FromChild, ToChild};
use super::super::{children::COMPUTING, sandbox};
use super::*;

async fn ended(body: &str) -> (String, u64, usize) {
    let children = scripts();
    let body = file(&format!("def check(event, device):\n    {body}\n    return True\n"));
    let outcome = run(&children, &body, Step::Check, &[], &mut Device::default()).await;
    (outcome, children.started(), children.idle().len())
}

#[tokio::test]
async fn a_script_that_takes_all_memory_ends_with_its_process() {
    for body in [
        "n = 2000000000\n    x = \"x\" * n\n    print(len(x))",
        "l = [0] * 500000000\n    print(len(l))",
    ] {
        let (outcome, _, idle) = ended(body).await;
        assert!(outcome.starts_with("error: the process that ran mine ended:"), "{outcome}");
        assert_eq!(idle, 0, "it does not run anything again");
    }
}

#[tokio::test]
async fn a_script_without_end_is_ended() {
    for body in [
        "for a in range(1000000000):\n        pass",
        "x = [a for a in range(100000) for b in range(100000) if a == b - 1]\n    print(len(x))",
        "l = []\n    for a in range(1000000000):\n        l.append(\"x\" * 1000 + str(a))",
    ] {
        let (outcome, ..) = ended(body).await;
        assert!(outcome.starts_with("error: "), "{body} {outcome}");
    }
}

#[tokio::test]
async fn deep_calls_end_with_an_error_of_the_file() {
    let children = scripts();
    let body =
        file("def f(n):\n    return f(n + 1)\ndef check(event, device):\n    return f(0) == 1\n");
    let outcome = run(&children, &body, Step::Check, &[], &mut Device::default()).await;
    assert!(outcome.starts_with("error: ") && outcome.contains("mine.star:"), "{outcome}");
}

#[tokio::test]
async fn a_device_that_never_answers_ends_the_script_in_time() {
    let children = scripts();
    let body =
        file("def check(event, device):\n    return device.show(\"show version\") == \"\"\n");
    let remediation = loaded(&children, &body).await.unwrap();
    let facts = facts(&[]);
    let mut execution = Execution::new(&children, &remediation, &facts, Platform::Ios);
    let mut device = Device { silent: true, ..Device::default() };
    let outcome =
        outcome(&execution.step(Step::Check, &mut device, Duration::from_millis(300)).await);
    assert_eq!(outcome, "error: `check` of mine did not end within 300ms");
    assert!(children.idle().is_empty(), "the child is not given back");
}

#[tokio::test]
async fn a_child_is_kept_and_replaced_after_two_thousand_steps() {
    let children = scripts();
    let body = file("def check(event, device):\n    return event.count == 1\n");
    let remediation = loaded(&children, &body).await.unwrap();
    let facts = facts(&[]);
    let before = children.started();
    for _ in 0..2_001 {
        let mut execution = Execution::new(&children, &remediation, &facts, Platform::Ios);
        let outcome = outcome(&execution.step(Step::Check, &mut Device::default(), LONG).await);
        assert_eq!(outcome, "yes");
    }
    assert_eq!(children.started() - before, 2);
}

#[tokio::test]
async fn a_child_that_was_ended_while_it_waited_fails_no_run() {
    let children = scripts();
    let body = file("def check(event, device):\n    return True\n");
    let remediation = loaded(&children, &body).await.unwrap();
    let facts = facts(&[]);
    let mut execution = Execution::new(&children, &remediation, &facts, Platform::Ios);
    for _ in 0..2 {
        let outcome = outcome(&execution.step(Step::Check, &mut Device::default(), LONG).await);
        assert_eq!(outcome, "yes");
        let [id] = children.idle()[..] else { panic!("one child waits") };
        let id = Pid::from_raw(i32::try_from(id).unwrap());
        kill(id, Signal::SIGKILL).unwrap();
        // Until it is gone; it stays to be waited for.
        waitid(Id::Pid(id), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT).unwrap();
    }
}

#[test]
#[ignore = "a child process of the test below"]
#[expect(clippy::exit, reason = "the harness must not go on in the sandbox")]
fn child_that_opens_a_file() {
    sandbox::enter().unwrap();
    let _ = std::fs::read("/etc/hostname");
    exit(0);
}

#[test]
#[ignore = "a child process of the test below"]
#[expect(clippy::exit, reason = "the harness must not go on in the sandbox")]
fn child_that_connects() {
    sandbox::enter().unwrap();
    let _ = TcpStream::connect("127.0.0.1:9");
    exit(0);
}

#[test]
#[ignore = "a child process of the test below"]
#[expect(clippy::exit, reason = "the harness must not go on in the sandbox")]
fn child_that_runs_a_program() {
    sandbox::enter().unwrap();
    let _ = Command::new("true").status();
    exit(0);
}

#[tokio::test]
async fn files_sockets_and_programs_are_out_of_reach() {
    let good = scripts();
    let body = file("def check(event, device):\n    return True\n");
    let remediation = loaded(&good, &body).await.unwrap();
    for entry in ["opens_a_file", "connects", "runs_a_program"] {
        let children = Children::new(program(&format!("children::child_that_{entry}")), 1);
        let facts = facts(&[]);
        let mut execution = Execution::new(&children, &remediation, &facts, Platform::Ios);
        let outcome = outcome(&execution.step(Step::Check, &mut Device::default(), LONG).await);
        let expected = "error: the process that ran mine ended: it tried what scripts may not do";
        assert_eq!(outcome, expected, "{entry}");
    }
}

/// Takes the run and says this.
#[expect(clippy::exit, reason = "the harness has nothing to say to the parent")]
fn lie(lies: &[FromChild]) -> ! {
    let mut stream = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    let _: Option<ToChild> = wire::read(&mut stream).unwrap();
    for lie in lies {
        let _ = wire::write(&mut stream, lie);
        let _: Result<Option<ToChild>, _> = wire::read(&mut stream);
    }
    exit(0)
}

fn call(verb: Verb, line: &str) -> FromChild {
    let template = Template { verb, ..Template::show(line) };
    FromChild::Call(Call::Device { template, arguments: Vec::new() })
}

#[test]
#[ignore = "a child process of the test below"]
fn child_that_sends_another_command() {
    lie(&[call(Verb::Command, "reload"), call(Verb::Show, "show version")]);
}

#[test]
#[ignore = "a child process of the test below"]
fn child_that_changes_while_it_looks() {
    lie(&[call(Verb::Config, "no router bgp 1")]);
}

#[test]
#[ignore = "a child process of the test below"]
fn child_that_talks_without_end() {
    lie(&std::array::from_fn::<_, 1_100, _>(|_| FromChild::Call(Call::Wait(0))));
}

#[test]
#[ignore = "a child process of the test below"]
#[expect(clippy::exit, reason = "the harness has nothing to say to the parent")]
fn child_that_talks_nonsense() {
    use std::io::Write;
    let mut stream = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    let _ = stream.write_all(b"\0\0\0\x05hello");
    let _: Result<Option<ToChild>, _> = wire::read(&mut stream);
    exit(0);
}

#[test]
#[ignore = "a child process of the test below"]
#[expect(clippy::exit, reason = "the harness has nothing to say to the parent")]
fn child_that_shouts() {
    use std::io::Write;
    let mut stream = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned().unwrap());
    let _ = stream.write_all(b"\xff\xff\xff\xff");
    let _: Result<Option<ToChild>, _> = wire::read(&mut stream);
    exit(0);
}

#[tokio::test]
async fn what_a_lying_child_wants_is_not_done() {
    let good = scripts();
    let body = file(
        "def check(event, device):\n    return True\ndef fix(event, device):\n    device.config([\"no router bgp 1\"])\n",
    );
    let remediation = loaded(&good, &body).await.unwrap();
    for entry in [
        "sends_another_command",
        "changes_while_it_looks",
        "talks_without_end",
        "talks_nonsense",
        "shouts",
    ] {
        let children = Children::new(program(&format!("children::child_that_{entry}")), 1);
        let facts = facts(&[]);
        let mut device = Device::default();
        let mut execution = Execution::new(&children, &remediation, &facts, Platform::Ios);
        let result = execution.step(Step::Check, &mut device, LONG).await;
        assert!(result.is_err(), "{entry} {result:?}");
        let sent = device.sent.iter().filter(|sent| !sent.starts_with("(wait")).count();
        assert_eq!(sent, 0, "{entry} {:?}", device.sent);
        assert!(children.idle().is_empty(), "{entry} would run again");
    }
}

#[test]
fn the_limit_of_computing_is_shorter_than_that_of_a_run() {
    assert!(COMPUTING < Duration::from_mins(1));
}
