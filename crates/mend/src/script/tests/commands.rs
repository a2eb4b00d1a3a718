//! Tests of what reaches the device: commands of the file, with arguments that are what they should be and that
//! the device has named; nothing else, whatever a message or a script says.

use super::*;

const PORT: &str = "GigabitEthernet0/1 is down, line protocol is down (notconnect)\n";

/// A file whose `check` looks at the interface, and whose `fix` is this.
fn fixing(fix: &str) -> String {
    file(&format!(
        "def check(event, device):\n    return device.interface(event.interface).oper == \"down\"\ndef fix(event, device):\n    {fix}\n"
    ))
}

/// Runs `check`, then `fix`; the outcome of `fix` and what the device was sent.
async fn fixed(fix: &str, fields: &[(&str, &str)]) -> (String, Vec<String>) {
    let children = scripts();
    let remediation = loaded(&children, &fixing(fix)).await.unwrap();
    let facts = facts(fields);
    let mut device = Device::showing(PORT);
    let mut execution = Execution::new(&children, &remediation, &facts, Platform::Ios);
    let checked = outcome(&execution.step(Step::Check, &mut device, LONG).await);
    if checked != "yes" {
        return (checked, device.sent);
    }
    (outcome(&execution.step(Step::Fix, &mut device, LONG).await), device.sent)
}

#[tokio::test]
async fn a_change_is_sent_with_the_interface_that_the_device_named() {
    let fix = "device.config([\"interface {}\", \"shutdown\", \"no shutdown\"], event.interface)";
    let (outcome, sent) = fixed(fix, &[("interface", "Gi0/1")]).await;
    assert_eq!(outcome, "yes");
    assert_eq!(sent, ["show interfaces Gi0/1", "interface Gi0/1 / shutdown / no shutdown"]);
    let fix =
        "device.command(\"clear counters {}\", event.interface, expect = [(\"[confirm]\", \"y\")])";
    let (outcome, sent) = fixed(fix, &[("interface", "Gi0/1")]).await;
    assert_eq!((outcome.as_str(), sent[1].as_str()), ("yes", "clear counters Gi0/1 [[confirm] y]"));
}

/// What a file does that looks, repairs and looks again.
const WHOLE: &str =
    "def check(event, device):\n    return device.interface(event.interface).oper == \"down\"
def fix(event, device):\n    device.command(\"clear interface {}\", event.interface)
def verify(event, device):\n    return device.interface(event.interface).oper == \"up\"\n";

#[tokio::test]
async fn a_script_that_goes_on_by_itself_sends_nothing_before_its_next_step_is_asked_for() {
    let children = scripts();
    let remediation = loaded(&children, &file(WHOLE)).await.unwrap();
    let facts = facts(&[("interface", "Gi0/1")]);
    let mut device = Device::showing(PORT);
    let before = children.started();
    let mut execution =
        Execution::new(&children, &remediation, &facts, Platform::Ios).through(Step::Verify);
    for (step, came, sent) in [
        (Step::Check, "yes", "show interfaces Gi0/1"),
        (Step::Fix, "yes", "clear interface Gi0/1"),
        (Step::Verify, "no", "show interfaces Gi0/1"),
        // Nothing goes on after a no: this one begins anew.
        (Step::Verify, "no", "show interfaces Gi0/1"),
    ] {
        assert_eq!(outcome(&execution.step(step, &mut device, LONG).await), came, "{step}");
        assert_eq!(std::mem::take(&mut device.sent), [sent], "{step}");
    }
    assert_eq!((children.started() - before, children.idle().len()), (1, 1));
}

#[tokio::test]
async fn a_script_that_went_on_in_vain_is_ended_and_its_next_step_is_never_sent() {
    let children = scripts();
    let remediation = loaded(&children, &file(WHOLE)).await.unwrap();
    let facts = facts(&[("interface", "Gi0/1")]);
    let mut device = Device::showing(PORT);
    for dropped in [false, true] {
        let begin = || Execution::new(&children, &remediation, &facts, Platform::Ios);
        let mut execution = begin().through(Step::Verify);
        assert_eq!(outcome(&execution.step(Step::Check, &mut device, LONG).await), "yes");
        if dropped {
            execution = begin();
        }
        assert!(children.idle().is_empty(), "it is at its fix");
        assert_eq!(outcome(&execution.step(Step::Verify, &mut device, LONG).await), "no");
        assert_eq!(std::mem::take(&mut device.sent), ["show interfaces Gi0/1"; 2]);
    }
}

#[tokio::test]
async fn text_of_a_message_never_becomes_a_command() {
    let fix = "device.config([\"interface {}\", \"shutdown\"], event.interface)";
    for hostile in
        ["Ethernet1\nreload", "1; reload", "$(reboot)", "Gi0/1 | tee x", "all", "Gi0/1\r", ""]
    {
        let (outcome, sent) = fixed(fix, &[("interface", hostile)]).await;
        assert!(outcome.starts_with("refused: "), "{hostile:?} {outcome}");
        assert_eq!(sent, [""; 0], "{hostile:?}");
    }
}

#[tokio::test]
async fn what_the_device_has_not_named_is_not_changed() {
    let fix = "device.config([\"interface {}\", \"shutdown\"], \"Gi0/2\")";
    let (outcome, sent) = fixed(fix, &[("interface", "Gi0/1")]).await;
    assert!(
        outcome.contains("has not named `Gi0/2`") && outcome.contains("mine.star:5:5"),
        "{outcome}"
    );
    assert_eq!(sent.len(), 1);
}

#[tokio::test]
async fn a_step_that_looks_cannot_change_by_any_trick() {
    let children = scripts();
    for body in [
        "def help(device):\n    device.config([\"shutdown\"])\n    return True\ndef check(event, device):\n    return help(device)\n",
        "def check(event, device):\n    getattr(device, \"con\" + \"fig\")([\"shutdown\"])\n    return True\n",
        "def check(event, device):\n    getattr(device, \"sh\" + \"ow\")(\"show \" + event.interface)\n    return True\n",
        "def check(event, device):\n    getattr(device, \"comm\" + \"and\")(\"reload\")\n    return True\n",
    ] {
        let mut device = Device::default();
        let outcome =
            run(&children, &file(body), Step::Check, &[("interface", "x")], &mut device).await;
        assert!(outcome.starts_with("refused: "), "{body} {outcome}");
        assert_eq!(device.sent, [""; 0], "{body}");
    }
}

#[tokio::test]
async fn arguments_come_out_of_what_the_device_showed() {
    let children = scripts();
    let body = "def check(event, device):\n    port = device.interface(event.interface)\n    print(port)\n    \
         return yes(device.show(\"show vlan id {vlan}\", 20) + port.name + port.reason + str(port.input_errors))\n";
    let mut device = Device::showing(PORT);
    let outcome =
        run(&children, &file(body), Step::Check, &[("interface", "Gi0/1")], &mut device).await;
    assert!(outcome.ends_with("GigabitEthernet0/1notconnectNone"), "{outcome}");
    assert_eq!(device.sent[1], "show vlan id 20");
}

#[tokio::test]
async fn a_missing_fact_says_what_is_missing() {
    let children = scripts();
    let mut device = Device::showing("% nothing\n");
    let body =
        "def check(event, device):\n    return device.interface(event.interface).oper == \"up\"\n";
    let outcome = run(&children, &file(body), Step::Check, &[], &mut device).await;
    assert!(outcome.contains("mine.star:3:29: the message names no interface"), "{outcome}");
    let outcome =
        run(&children, &file(body), Step::Check, &[("interface", "Gi0/1")], &mut device).await;
    assert!(
        outcome.contains("r1 shows no interface \"Gi0/1\" in `show interfaces {interface}`"),
        "{outcome}"
    );
}

#[tokio::test]
async fn a_step_says_yes_no_or_hands_over() {
    let children = scripts();
    for (body, expected) in [
        ("return True", "yes"),
        ("return no(\"fine\")", "no: fine"),
        ("escalate(\"no light\")\n    return True", "escalate: no light"),
        ("pass", "error: "),
        ("return \"yes\"", "error: "),
        ("if event.count == 1:\n        fail(\"broken\")\n    return True", "error: "),
    ] {
        let body = file(&format!("def check(event, device):\n    {body}\n"));
        let outcome = run(&children, &body, Step::Check, &[], &mut Device::default()).await;
        assert!(outcome.starts_with(expected), "{body} {outcome}");
    }
}

#[tokio::test]
async fn all_interfaces_can_be_looked_at() {
    let children = scripts();
    let body = "def check(event, device):\n    return yes(\" \".join([port.name for port in device.interfaces() if port.admin == \"up\"]))\n";
    let text = format!(
        "{PORT}GigabitEthernet0/2 is administratively down, line protocol is down\nVlan1 is up, line protocol is up\n"
    );
    let mut device = Device::showing(&text);
    let outcome = run(&children, &file(body), Step::Check, &[], &mut device).await;
    assert_eq!(outcome, "yes: GigabitEthernet0/1 Vlan1");
    assert_eq!(device.sent, ["show interfaces"]);
}
