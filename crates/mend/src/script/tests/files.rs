//! Tests of files that are wrong: each mistake with its place and what would be right.

use super::*;

/// The problems of a text that begins with [`HEAD`].
async fn wrong(body: &str) -> Vec<String> {
    problems(&scripts(), &file(body)).await
}

#[tokio::test]
async fn mistakes_are_told_with_line_and_column() {
    for (body, expected) in [
        ("def check(event, device)\n    return True\n", "mine.star:2:25: unexpected"),
        ("def check(event, device):\n    return succes\n", "mine.star:3:12: "),
        (
            "def check(event, device):\n    return device.shwo(\"show version\") == \"\"\n",
            "mine.star:3:19: The attribute `shwo` is not available on the type `Device`; did you mean `show`?",
        ),
        (
            "def check(event, device):\n    return device.interface(42).oper == \"up\"\n",
            "mine.star:3:",
        ),
        (
            "def check(event, device):\n    return device.interface(\"x\").opr == \"up\"\n",
            "mine.star:3:",
        ),
        ("def check(event, device):\n    return event.interfac == \"x\"\n", "mine.star:3:18: "),
        (
            "def check(event):\n    return True\n",
            "mine.star:2:5: `check` must take the event and the device; def check(event, device):",
        ),
        ("load(\"other.star\", \"x\")\n", "mine.star:2:1: "),
        (
            "def fix(event, device):\n    device.config([\"x\"])\n",
            "mine.star:1:1: `fix` without `check`",
        ),
        (
            "remediation(match = [\"X\"])\n",
            "mine.star:1:1: `remediation(...)` is called more than once",
        ),
    ] {
        let told = wrong(body).await;
        assert!(told.iter().any(|problem| problem.starts_with(expected)), "{body}\n{told:#?}");
    }
}

#[tokio::test]
async fn what_a_file_says_of_itself_is_checked() {
    for (text, expected) in [
        ("x = 1\n", "the file does not say what it is for"),
        ("remediation(match = [])\n", "`match` needs at least one code"),
        ("remediation(match = [\"a b\"])\n", "\"a b\" is no code"),
        (
            "remediation(match = [\"A\"], platforms = [\"iso\"])\n",
            "\"iso\" is no platform; allowed: ios, iosxr",
        ),
        (
            "remediation(match = [\"A\"], timeout = \"90\")\n",
            "`timeout` is \"90\"; allowed: a number and a unit",
        ),
        ("remediation(match = [\"A\"], timeout = \"99h\")\n", "at most 1h"),
        ("remediation(match = [\"A\"], retries = 99)\n", "`retries` is 99; allowed: 0 to 10"),
        (
            "remediation(match = [\"A\"], when = field(\"intrface\", \"x\"))\n",
            "no field is named \"intrface\"",
        ),
        ("remediation(match = [\"A\"], when = state())\n", "at least one value"),
    ] {
        let told = problems(&scripts(), text).await;
        assert!(told.iter().any(|problem| problem.contains(expected)), "{text}\n{told:#?}");
    }
}

#[tokio::test]
async fn commands_must_be_written_out_and_only_read_where_one_looks() {
    for (body, expected) in [
        (
            "def check(event, device):\n    return device.show(\"show \" + event.interface) == \"\"\n",
            "mine.star:3:24: a command must be written out",
        ),
        (
            "def check(event, device):\n    return device.show(f\"show {event}\") == \"\"\n",
            "mine.star:3:24: a command must be written out",
        ),
        (
            "def check(event, device):\n    ask = device.show\n    return ask(\"show version\") == \"\"\n",
            "mine.star:3:11: `show` is not called here",
        ),
        (
            "def check(event, device):\n    return device.show(\"reload\") == \"\"\n",
            "mine.star:3:24: `reload` is not known to only read on ios",
        ),
        (
            "def check(event, device):\n    return device.show(\"show {port}\", \"x\") == \"\"\n",
            "mine.star:3:24: `{port}` is no kind of argument; allowed: {}",
        ),
        (
            "def check(event, device):\n    device.config([\"shutdown\"])\n    return True\n",
            "mine.star:3:5: `check` can only look: `config` is for fix and undo",
        ),
        (
            "def check(event, device):\n    return True\ndef fix(event, device):\n    device.config(\"shutdown\")\n",
            "mine.star:5:19: `config` takes a list of lines",
        ),
        (
            "def check(event, device):\n    return True\ndef fix(event, device):\n    device.command(\"reload\", expect = [(\"confirm\", event.message)])\n",
            "mine.star:5:5: questions and answers must be written out",
        ),
    ] {
        let told = wrong(body).await;
        assert!(told.iter().any(|problem| problem.starts_with(expected)), "{body}\n{told:#?}");
    }
}

#[tokio::test]
async fn files_that_eat_memory_or_time_while_they_are_read_do_no_harm() {
    let children = scripts();
    for text in [
        "x = \"x\" * 2000000000\n".to_owned(),
        "def f(n):\n    return f(n + 1)\nx = f(0)\n".to_owned(),
        "x = [a + b + c for a in range(5000) for b in range(5000) for c in range(5000)]\n"
            .to_owned(),
        format!("x = {}1{}\n", "(".repeat(100_000), ")".repeat(100_000)),
        format!("x = {}1\n", "-".repeat(200_000)),
        "x".repeat(300_000),
    ] {
        let told = problems(&children, &file(&text)).await;
        assert_eq!(told.len(), 1, "{} {told:?}", &text[..40.min(text.len())]);
    }
    let good = file("def check(event, device):\n    return True\n");
    assert!(loaded(&children, &good).await.is_ok(), "the next file is read");
}

#[tokio::test]
async fn the_default_has_no_steps() {
    let children = scripts();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("default.star");
    std::fs::write(&path, file("def check(event, device):\n    return True\n")).unwrap();
    let told = check(&path, &children).await.unwrap_err();
    assert!(told[0].what.starts_with("`default` records"), "{told:?}");
}
