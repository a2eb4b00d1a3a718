//! What must hold of a session, whatever a device prints: it comes to an end in its time, nothing is typed but
//! what was asked to, and what is kept can be shown to people. The tests and the fuzz target both call it.

use std::time::Duration;

use model::{Login, Secret};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::{Instant, sleep};

use super::limits::Limits;
use super::redact::Redactor;
use super::screen::Screen;
use super::shell::{Ask, Failure, Place, Shell};
use super::{answer, prompt};
use crate::platform::{Access, Platform};

/// What a device must never be told by itself, and people never be shown.
const SECRET: &str = "hunter2";
/// Most bytes of an answer.
const MOST: usize = 8 << 10;
/// All that may be typed beside the commands: a page turned, a key pressed, an order to stop.
const KEYS: [&[u8]; 5] = [b"\n", b" ", b"q", b"n\n", b"\x03"];

/// A dialogue with a device whose platform and habits are in the first two bytes, and what it prints in the
/// others.
pub fn dialogue(bytes: &[u8]) {
    let Some((&[kind, habits], printed)) = bytes.split_first_chunk() else { return };
    screen(printed);
    let terminals: Vec<Platform> = Platform::ALL
        .into_iter()
        .filter(|platform| platform.definition().access != Access::Exec)
        .collect();
    let platform = terminals[usize::from(kind) % terminals.len()];
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .expect("a runtime needs no more than memory");
    let typed = runtime.block_on(async {
        let (ours, theirs) = tokio::io::duplex(1 << 10);
        let device = tokio::spawn(device(platform, habits, printed.to_vec(), theirs));
        talk(platform, ours).await;
        device.await.expect("the device of the test does not panic")
    });
    only_what_was_asked(&typed);
}

/// The bytes as one piece and as two show the same, and nothing that a terminal obeys.
fn screen(printed: &[u8]) {
    let show = |pieces: &[&[u8]]| {
        let mut screen = Screen::default();
        for piece in pieces {
            screen.push(piece);
        }
        (screen.text(), screen.line())
    };
    let (text, line) = show(&[printed]);
    let (head, tail) = printed.split_at(printed.len() / 2);
    assert_eq!(show(&[head, tail]), (text.clone(), line.clone()));
    shows_well(&text);
    shows_well(&line);
    assert!(!line.contains('\n'), "{line:?}");
    prompt::halt(&line);
}

/// A device that echoes, or does not, and answers each line with the next piece of what it prints.
async fn device(
    platform: Platform,
    habits: u8,
    printed: Vec<u8>,
    mut wire: DuplexStream,
) -> Vec<u8> {
    let definition = platform.definition();
    let prompt = format!("r1{}", definition.ends[usize::from(habits >> 4) % definition.ends.len()]);
    let (honest, echoes) = (habits & 1 == 0, habits & 2 == 0);
    let mut typed = Vec::new();
    let mut pieces = printed.split(|byte| *byte == 0xff);
    let mut lines = 0;
    let mut next = format!("\r\nWelcome\r\n{prompt}").into_bytes();
    loop {
        // 0xfe is a pause, 0xfd its own prompt.
        for (number, part) in next.split(|byte| *byte == 0xfe).enumerate() {
            if number > 0 {
                sleep(Duration::from_millis(30)).await;
            }
            for (number, part) in part.split(|byte| *byte == 0xfd).enumerate() {
                let again = if number > 0 { prompt.as_bytes() } else { b"" };
                let written = async {
                    wire.write_all(again).await?;
                    wire.write_all(part).await
                };
                if written.await.is_err() {
                    return typed;
                }
            }
        }
        let mut line = Vec::new();
        while line.last() != Some(&b'\n') {
            let mut key = [0];
            let Ok(1) = wire.read(&mut key).await else {
                typed.extend(line);
                return typed;
            };
            line.push(key[0]);
        }
        typed.extend_from_slice(&line);
        lines += 1;
        next = if echoes { line } else { Vec::new() };
        // What learns the prompt is answered with it, so that most get beyond.
        match pieces.next() {
            _ if honest && lines == 1 => next.extend(format!("\r\n{prompt}").bytes()),
            Some(piece) => next.extend_from_slice(piece),
            None => next.extend(format!("\r\n{prompt}").bytes()),
        }
    }
}

async fn talk(platform: Platform, wire: DuplexStream) {
    let limits = Limits { output: MOST, ..Limits::default() };
    let start = Instant::now();
    let opened = Shell::open(Box::new(wire), platform.definition(), limits.clone()).await;
    assert!(start.elapsed() <= limits.prompt * 2, "learning the prompt took {:?}", start.elapsed());
    let Ok(mut shell) = opened else { return };
    let mut login = Login::new("netmend");
    login.password = Some(Secret::new(SECRET));
    let redactor = Redactor::of(&login);
    for (commands, place, reads) in [
        (&["show x"][..], Place::Normal, true),
        (&["clear x"], Place::Normal, false),
        (&["one", "two"], Place::Anywhere, false),
    ] {
        let start = Instant::now();
        let ask = Ask { commands, place, expect: &[], reads, limit: limits.command };
        let answered = shell.ask(&ask).await;
        let took = start.elapsed();
        assert!(took <= limits.command + limits.no_echo, "{commands:?} took {took:?}");
        match answered {
            Ok(text) => kept(&redactor.own(&text), commands, platform, &redactor),
            Err(Failure::Silent(line) | Failure::Question(line)) => {
                shows_well(&line);
                if !shell.rescue().await {
                    return;
                }
            }
            Err(Failure::Closed | Failure::TooLong) => return,
        }
    }
    shell.leave().await;
}

/// What is made of an answer can be kept and shown.
fn kept(text: &str, commands: &[&str], platform: Platform, redactor: &Redactor) {
    let (clean, logs) = answer::clean(text, commands, "r1#", platform.definition());
    let refusal = answer::refusal(&clean, platform.definition());
    assert!(refusal.is_none_or(|said| !said.contains('\n')), "a refusal is one line");
    for text in logs.iter().chain([&clean, &redactor.all(&clean)]) {
        shows_well(text);
        assert!(!text.contains(SECRET), "{text:?}");
    }
}

fn shows_well(text: &str) {
    let odd = text.chars().find(|c| c.is_control() && !matches!(c, '\n' | '\t'));
    assert_eq!(odd, None, "{text:?}");
}

/// Nothing was typed but commands and keys.
fn only_what_was_asked(typed: &[u8]) {
    const COMMANDS: [&[u8]; 5] = [b"show x\n", b"clear x\n", b"one\n", b"two\n", b"exit\n"];
    let mut rest = typed;
    while !rest.is_empty() {
        let known = COMMANDS.iter().chain(&KEYS).find_map(|known| rest.strip_prefix(*known));
        rest = known.unwrap_or_else(|| panic!("{:?} was typed", String::from_utf8_lossy(rest)));
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Bytes that devices are made of.
    fn words() -> impl Strategy<Value = Vec<u8>> {
        let word = proptest::sample::select(vec![
            &b"r1#"[..],
            &b"r1(config)#"[..],
            &b"\r\n"[..],
            &b"\xff"[..],
            &b"\xfe"[..],
            &b"\xfd"[..],
            &b" --More-- "[..],
            &b"Proceed? [confirm]"[..],
            &b"Password: "[..],
            &b"hunter2"[..],
            &b"*Nov 22 03:00:00: %SYS-5-CONFIG_I: x\r\n"[..],
            &b"% Invalid input"[..],
            &b"\x1b[2K\x08"[..],
            &b"show x"[..],
            &b"one\r\ntwo"[..],
        ]);
        let any = proptest::collection::vec(any::<u8>(), 0..4);
        let some = prop_oneof![4 => word.prop_map(<[u8]>::to_vec), 1 => any];
        proptest::collection::vec(some, 0..40).prop_map(|words| words.concat())
    }

    proptest! {
        #[test]
        fn a_dialogue_ends_and_nothing_is_typed_that_nobody_asked_for(
            kind: u8,
            habits: u8,
            printed in words(),
        ) {
            dialogue(&[&[kind, habits], &printed[..]].concat());
        }
    }
}
