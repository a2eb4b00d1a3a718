//! The live table on a real terminal, which `script` of util-linux provides.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};

use super::NETMEND;

/// `netmend probe` of these words on a terminal of 20 rows and 110 columns.
fn on_terminal(words: &str) -> Child {
    let line = format!("stty rows 20 cols 110; exec {NETMEND} probe {words}");
    // A test that waits for what never comes is to fail, not to wait.
    Command::new("timeout")
        .args(["30", "script"])
        .args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"])
        .env("TERM", "xterm")
        .env("SHELL", "/bin/sh")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("`script` is there")
}

/// Reads until the terminal has been told each of these texts, in this order; gives back all it was told.
fn read_until(child: &mut Child, texts: &[&str]) -> String {
    let out = child.stdout.as_mut().expect("a pipe");
    let (mut told, mut from) = (String::new(), 0);
    let mut bytes = Vec::new();
    let mut chunk = [0; 4096];
    for text in texts {
        while !told[from..].contains(text) {
            let length = out.read(&mut chunk).expect("the terminal lives");
            assert!(length > 0, "{text:?} never came: {told:?}");
            bytes.extend_from_slice(&chunk[..length]);
            told = String::from_utf8_lossy(&bytes).into_owned();
        }
        from += told[from..].find(text).map_or(0, |at| at + text.len());
    }
    told
}

/// Reads the summary up to the last of `texts`; the exit code is that of its words, since nobody knows how
/// many answers there were when the key came.
fn ends_with_summary(mut child: Child, texts: &[&str]) {
    let told = read_until(&mut child, texts);
    let code = i32::from(!told.contains("2 targets: 2 up."));
    assert_eq!(child.wait().expect("it ends").code(), Some(code), "{told}");
}

#[test]
fn q_leaves_the_table_and_prints_the_summary() {
    let mut child = on_terminal("-i 50ms 127.0.0.1 127.0.0.2");
    // The first picture is drawn whole, from top to bottom; later ones are differences only.
    read_until(&mut child, &["\x1b[?1049h", "2 targets", "127.0.0.1", "127.0.0.2", "q quit"]);
    child.stdin.as_mut().expect("a pipe").write_all(b"q").expect("it reads keys");
    ends_with_summary(child, &["\x1b[?1049l", "host", "127.0.0.1", "2 targets: ", "probes in"]);
}

#[test]
fn what_is_told_at_the_end_alone_comes_to_one_without_being_asked() {
    let mut child = on_terminal("--no-live 127.0.0.1");
    read_until(&mut child, &["host", "127.0.0.1", "1 target: 1 up."]);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
    let mut child = on_terminal("--output json 127.0.0.1");
    read_until(&mut child, &["\"sent\":1,"]);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn a_given_number_of_rounds_ends_the_table_by_itself() {
    let mut child = on_terminal("-c 3 -i 50ms 127.0.0.1");
    read_until(&mut child, &["\x1b[?1049h", "\x1b[?1049l", "1 target: 1 up. 3 probes"]);
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn keys_sort_and_hold_and_control_c_quits() {
    let mut child = on_terminal("-i 50ms 127.0.0.1 127.0.0.2");
    read_until(&mut child, &["as listed"]);
    child.stdin.as_mut().expect("a pipe").write_all(b"w").expect("it reads keys");
    read_until(&mut child, &["worst first"]);
    child.stdin.as_mut().expect("a pipe").write_all(b"\x03").expect("it reads keys");
    ends_with_summary(child, &["\x1b[?1049l", "2 targets: ", "probes in"]);
}

#[test]
fn no_live_stays_on_the_normal_screen() {
    let mut child = on_terminal("--no-live -c 2 -i 50ms 127.0.0.1");
    let told = read_until(&mut child, &["1 target: 1 up. 2 probes"]);
    assert!(!told.contains("\x1b[?1049h"), "{told:?}");
    assert_eq!(child.wait().expect("it ends").code(), Some(0));
}
