//! Mail as a real server takes it, read by Python's email package.

use std::time::Duration;

use alert::channel::{
    Channel, Login, Missed, Receiver, Secret, SendError, Sent, Smtp, SmtpConfig, SmtpTimeouts,
};
use alert::render::{self, Curve, subject};
use model::alert::{
    Alert, AlertId, AlertState, GroupSubject, LinkSubject, Member, Message, MessageKind, Subject,
    words,
};
use model::wan::{Link, LinkState};
use model::{Metric, UnixMs};

use crate::messages::{self, NOW, ago};
use crate::server::{Certificates, Mail, Server};

/// Mail to `to` over `server`, a full address.
pub(crate) fn config(server: &str, to: &[&str]) -> SmtpConfig {
    SmtpConfig {
        server: server.parse().unwrap(),
        login: None,
        from: "netmend <netmend@example.com>".parse().unwrap(),
        to: to.iter().map(|to| to.parse().unwrap()).collect(),
        ca: None,
        hello: "london-1.example.com".into(),
        timeouts: SmtpTimeouts::default(),
    }
}

fn receiver(config: SmtpConfig) -> Receiver {
    let smtp = Smtp::new(config).unwrap();
    Receiver { name: "noc".into(), channels: vec![Channel::Smtp(smtp)] }
}

async fn send(config: SmtpConfig, message: Message) -> Sent {
    let notice = messages::notice(1, "noc", message);
    receiver(config).send(&notice, Some(&curve()), NOW).await
}

/// An hour of latency, too high for the last minutes.
fn curve() -> Curve {
    let level = |minute: i64| {
        let wave = (minute as f64 * 0.7).sin() * 1_500.0;
        if minute <= 4 { 61_000.0 + wave } else { 24_000.0 + wave }
    };
    let edges = |value| vec![(ago(120), value), (NOW, value)];
    Curve {
        metric: Metric::Rtt,
        from: ago(120),
        until: NOW,
        level: (0..=120).rev().map(|minute| (ago(minute), level(minute))).collect(),
        usual: edges(24_000.0),
        varies: 3_000.0,
        limit: edges(36_000.0),
        bad: (ago(4), NOW),
        step: Duration::from_mins(1),
    }
}

#[track_caller]
fn why(sent: &Sent) -> &SendError {
    assert_eq!(sent.delivered, [""; 0]);
    &sent.missed.first().expect("it was missed").why
}

#[tokio::test]
async fn mail_over_implicit_tls_arrives_with_text_html_chart_and_headers() {
    let certificates = Certificates::of("localhost");
    let options = ["--tls", "implicit", "--login", "netmend:hunter2"];
    let server = Server::mail(&certificates, &options);
    let mut config =
        config(&format!("smtps://localhost:{}", server.port), &["NOC <noc@example.com>"]);
    config.ca = Some(certificates.ca.clone());
    config.login = Some(Login { user: "netmend".into(), password: Secret::new("hunter2") });
    let sent = send(config, messages::firing()).await;
    assert_eq!(
        (&sent.delivered[..], &sent.missed[..]),
        (&["noc@example.com".to_owned()][..], &[][..])
    );

    let mail = server.next_mail();
    assert_eq!(mail.get("encrypted"), true);
    assert_eq!(mail.get("authenticated"), true);
    assert_eq!(mail.get("defects"), &serde_json::json!([]));
    for (header, value) in [
        ("From", "netmend <netmend@example.com>"),
        ("To", "NOC <noc@example.com>"),
        ("Subject", "WARNING edge7/wan1: latency 62 ms, usual 24 ms [london-1]"),
        ("Message-ID", "<a17-1795514700.1.netmend@example.com>"),
        ("Date", "Tue, 24 Nov 2026 10:06:00 +0000"),
        ("Auto-Submitted", "auto-generated"),
        ("X-Netmend-Kind", "firing"),
        ("X-Netmend-Severity", "warning"),
        ("MIME-Version", "1.0"),
    ] {
        assert_eq!(mail.header(header), Some(value), "{header}");
    }
    assert_eq!(mail.header("In-Reply-To"), None);
    let structure =
        ["multipart/alternative", "text/plain", "multipart/related", "text/html", "image/png"];
    assert_eq!(mail.get("structure"), &serde_json::json!(structure));
    let facts = "Latency edge7/wan1 62 ms, usual 24 ms at Tue 10:00 UTC (varies ±3, limit +12): above \
                 the limit for 78 % of the last 4 min, since 10:02 UTC. Loss and jitter normal. 2 of 8 \
                 with gateway gw1 affected.";
    assert!(mail.part("text/plain").contains(facts), "{}", mail.part("text/plain"));
    assert!(mail.part("text/html").contains(facts), "{}", mail.part("text/html"));
    assert!(mail.part("text/html").contains("https://netmend.example.com/alerts/17"));
    assert!(mail.part("text/html").contains("cid:chart@netmend"));
    assert!(mail.part("image/png").starts_with("iVBORw0KGgo"), "a PNG's signature in base64");
    assert!(mail.get("longest").as_u64().unwrap() <= 998, "RFC 5322, 2.1.1");
    keep(&mail, "firing");
}

/// Leaves the mail where `NETMEND_KEEP_MAIL` says, to be opened and looked at.
fn keep(mail: &Mail, name: &str) {
    if let Some(folder) = std::env::var_os("NETMEND_KEEP_MAIL") {
        let path = std::path::Path::new(&folder).join(name).with_extension("eml");
        std::fs::write(path, mail.get("raw").as_str().unwrap()).unwrap();
    }
}

#[tokio::test]
async fn mail_over_starttls_arrives_and_the_end_hangs_below_the_beginning() {
    let certificates = Certificates::of("localhost");
    let server = Server::mail(&certificates, &["--tls", "starttls", "--login", "n@x:hunter2"]);
    let address = format!("starttls://localhost:{}", server.port);
    for (kind, number) in [(MessageKind::Firing, 1), (MessageKind::Resolved, 2)] {
        let mut config = config(&address, &["noc@example.com"]);
        config.ca = Some(certificates.ca.clone());
        config.login = Some(Login { user: "n@x".into(), password: Secret::new("hunter2") });
        let alert = messages::alert("edge7/wan1");
        let alert = if number == 1 { alert } else { messages::over(alert) };
        let sent = send(config, messages::message(kind, number, vec![alert])).await;
        assert_eq!(sent.missed, []);
    }
    let (first, last) = (server.next_mail(), server.next_mail());
    assert_eq!(first.get("encrypted"), true);
    assert_eq!(last.header("In-Reply-To"), first.header("Message-ID"));
    assert_eq!(last.header("References"), first.header("Message-ID"));
    assert_ne!(last.header("Message-ID"), first.header("Message-ID"));
    let subject = last.header("Subject").unwrap();
    assert!(subject.starts_with("RESOLVED edge7/wan1: latency up to 71.5 ms"), "{subject}");
    keep(&last, "resolved");
}

#[tokio::test]
async fn a_plain_server_gets_mail_only_when_asked_for_and_never_a_password() {
    let certificates = Certificates::of("localhost");
    let server = Server::mail(&certificates, &["--tls", "none"]);
    let address = format!("smtp://127.0.0.1:{}", server.port);
    let sent = send(config(&address, &["noc@example.com"]), messages::firing()).await;
    assert_eq!(sent.missed, []);
    assert_eq!(server.next_mail().get("encrypted"), false);

    let mut with_login = config(&address, &["noc@example.com"]);
    with_login.login = Some(Login { user: "n".into(), password: Secret::new("hunter2") });
    let refused = Smtp::new(with_login.clone()).unwrap_err().to_string();
    assert!(refused.contains("in the clear") && refused.contains("starttls://"), "{refused}");
    assert!(!format!("{with_login:?}").contains("hunter2"));
    let starttls = config(&format!("starttls://127.0.0.1:{}", server.port), &["noc@example.com"]);
    let sent = send(starttls, messages::firing()).await;
    assert!(why(&sent).to_string().contains("offers no STARTTLS"), "{}", why(&sent));
}

#[tokio::test]
async fn an_address_that_is_refused_does_not_stop_the_others() {
    let certificates = Certificates::of("localhost");
    let gone = "gone@example.com=550 5.1.1 no such user";
    let grey = "grey@example.com=451 4.7.1 come back later";
    let options = ["--tls", "none", "--refuse", gone, "--refuse", grey];
    let server = Server::mail(&certificates, &options);
    let address = format!("smtp://127.0.0.1:{}", server.port);
    let to = ["a@example.com", "gone@example.com", "grey@example.com", "b@example.com"];
    let sent = send(config(&address, &to), messages::firing()).await;
    assert_eq!(sent.delivered, ["a@example.com", "b@example.com"]);
    let missed: Vec<(&str, bool)> =
        sent.missed.iter().map(|Missed { to, why }| (to.as_str(), why.is_for_good())).collect();
    assert_eq!(missed, [("gone@example.com", true), ("grey@example.com", false)]);
    let said = sent.missed[0].why.to_string();
    assert!(
        said.ends_with("refused the address <gone@example.com>: 550 5.1.1 no such user"),
        "{said}"
    );
    assert_eq!(
        server.next_mail().get("to"),
        &serde_json::json!(["a@example.com", "b@example.com"])
    );
}

#[tokio::test]
async fn a_certificate_that_is_not_right_is_refused_with_what_to_do() {
    let (ours, other) = (Certificates::of("localhost"), Certificates::of("mail.example.com"));
    let server = Server::mail(&ours, &["--tls", "implicit"]);
    let address = format!("smtps://localhost:{}", server.port);
    let mut untrusted = config(&address, &["noc@example.com"]);
    let said = why(&send(untrusted.clone(), messages::firing()).await).to_string();
    assert!(said.contains("name that CA's file with `ca`"), "{said}");
    untrusted.ca = Some(other.ca.clone());
    let said = why(&send(untrusted, messages::firing()).await).to_string();
    assert!(said.contains("is not trusted"), "{said}");

    for (tls, scheme) in [("implicit", "smtps"), ("starttls", "starttls")] {
        let server = Server::mail(&other, &["--tls", tls]);
        let mut misnamed =
            config(&format!("{scheme}://localhost:{}", server.port), &["n@example.com"]);
        misnamed.ca = Some(other.ca.clone());
        let said = why(&send(misnamed, messages::firing()).await).to_string();
        assert!(said.contains("not valid for name") || said.contains("is not for"), "{said}");
        assert!(server.stop().iter().all(|said| said["event"] != "mail"));
    }
    let mut empty = config(&address, &["noc@example.com"]);
    empty.ca = Some(b"no PEM".to_vec());
    let refused = Smtp::new(empty).unwrap_err().to_string();
    assert!(refused.contains("holds no PEM certificate"), "{refused}");
}

#[tokio::test]
async fn a_self_signed_certificate_is_trusted_if_it_is_the_one_that_was_named_for_this_host() {
    let (named, another) =
        (Certificates::self_signed("localhost"), Certificates::self_signed("localhost"));
    let server = Server::mail(&named, &["--tls", "implicit"]);
    let mut config = config(&format!("smtps://localhost:{}", server.port), &["noc@example.com"]);
    config.ca = Some(another.ca.clone());
    let said = why(&send(config.clone(), messages::firing()).await).to_string();
    assert!(said.contains("is not trusted"), "{said}");
    config.ca = Some(named.ca.clone());
    let sent = send(config.clone(), messages::firing()).await;
    assert_eq!(sent.delivered, ["noc@example.com"], "{sent:?}");
    config.server = format!("smtps://127.0.0.1:{}", server.port).parse().unwrap();
    let said = why(&send(config, messages::firing()).await).to_string();
    assert!(said.contains("is not trusted"), "another name: {said}");
}

#[tokio::test]
async fn a_wrong_password_is_told_without_it_and_tried_again() {
    let certificates = Certificates::of("localhost");
    let server = Server::mail(&certificates, &["--tls", "implicit", "--login", "n:right"]);
    let mut config = config(&format!("smtps://localhost:{}", server.port), &["noc@example.com"]);
    config.ca = Some(certificates.ca.clone());
    config.login = Some(Login { user: "n".into(), password: Secret::new("hunter2") });
    let sent = send(config, messages::firing()).await;
    let said = why(&sent).to_string();
    assert!(said.contains("refused the login of n: 535"), "{said}");
    assert!(!format!("{sent:?} {said}").contains("hunter2"));
    assert!(!why(&sent).is_for_good(), "somebody will put the password right");
}

#[tokio::test]
async fn nobody_home_and_tls_where_there_is_none_are_told_apart() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let nobody = config(&format!("smtps://127.0.0.1:{free}"), &["noc@example.com"]);
    let said = why(&send(nobody, messages::firing()).await).to_string();
    assert!(said.starts_with(&format!("cannot connect to smtps://127.0.0.1:{free}: ")), "{said}");
    assert!(said.contains("refused"), "{said}");
    let nowhere = config("smtps://nowhere.invalid", &["noc@example.com"]);
    let said = why(&send(nowhere, messages::firing()).await).to_string();
    assert!(said.starts_with("cannot connect to smtps://nowhere.invalid:465: "), "{said}");

    let server = Server::mail(&Certificates::of("localhost"), &["--tls", "starttls"]);
    let wrong = config(&format!("smtps://localhost:{}", server.port), &["noc@example.com"]);
    let said = why(&send(wrong, messages::firing()).await).to_string();
    assert!(said.contains("try starttls://"), "{said}");
}

#[tokio::test]
async fn a_server_that_says_nothing_more_is_left_after_the_time_limit() {
    let certificates = Certificates::of("localhost");
    let short = Duration::from_millis(300);
    for (silent, what) in [
        ("EHLO", "greet us"),
        ("RCPT", "take an address"),
        ("DATA", "start to take the message"),
        ("END", "confirm the message"),
    ] {
        let server = Server::mail(&certificates, &["--tls", "none", "--silent-at", silent]);
        let mut config = config(&format!("smtp://127.0.0.1:{}", server.port), &["noc@example.com"]);
        let long = Duration::from_mins(1);
        config.timeouts = SmtpTimeouts { connect: long, command: long, message: long };
        match silent {
            "EHLO" => config.timeouts.connect = short,
            "END" => config.timeouts.message = short,
            _ => config.timeouts.command = short,
        }
        let sent = send(config, messages::firing()).await;
        let SendError::Timeout { what: said, after, .. } = why(&sent) else {
            panic!("{silent}: {:?}", why(&sent));
        };
        assert!(said.starts_with(what) && *after == short, "{silent}: {said}");
    }
}

#[tokio::test]
async fn a_slow_server_gets_the_mail_once() {
    let server = Server::plain_mail(&["--slow", "1"]);
    let mut config = config(&format!("smtp://127.0.0.1:{}", server.port), &["noc@example.com"]);
    // Shorter than the server's pause: once it has the message, another limit holds.
    config.timeouts.command = Duration::from_millis(900);
    assert_eq!(send(config, messages::firing()).await.missed, []);
    server.next_mail();
    assert!(server.stop().iter().all(|said| said["event"] != "mail"));
}

#[tokio::test]
async fn a_message_that_is_refused_for_good_is_not_tried_again() {
    let options = ["--reply", "554 5.6.0 too spammy\u{1b}[31m"];
    let server = Server::plain_mail(&options);
    let address = format!("smtp://127.0.0.1:{}", server.port);
    let sent = send(config(&address, &["noc@example.com"]), messages::firing()).await;
    assert!(why(&sent).is_for_good());
    let said = why(&sent).to_string();
    assert!(said.ends_with("refused the message: 554 5.6.0 too spammy�[31m"), "{said}");
}

#[tokio::test]
async fn no_name_of_a_target_becomes_a_header_an_address_or_markup() {
    let server = Server::plain_mail(&[]);
    let address = format!("smtp://127.0.0.1:{}", server.port);
    let evil =
        "a\r\nBcc: victim@example.com\r\n\r\n.\r\nMAIL FROM:<x>\u{202e}<script>alert(1)</script>";
    let mut message = messages::message(MessageKind::Firing, 1, vec![messages::alert(evil)]);
    message.site = "lon\r\nX-Evil: 1".into();
    if let Subject::Target(target) = &mut message.alerts[0].subject {
        target.region = "r\r\nX-Evil: 2\r\n.\r\n".into();
        target.tags.insert("<b>".into(), "\u{202e}\u{0}".into());
    }
    let sent = send(config(&address, &["noc@example.com"]), message).await;
    assert_eq!(sent.missed, []);
    let mail = server.next_mail();
    assert_eq!(mail.get("to"), &serde_json::json!(["noc@example.com"]));
    for header in ["Bcc", "X-Evil"] {
        assert_eq!(mail.header(header), None);
    }
    let subject = mail.header("Subject").unwrap();
    assert!(subject.starts_with("WARNING a Bcc: victim@example.com . MAIL FROM:"), "{subject}");
    assert_eq!(mail.get("defects"), &serde_json::json!([]));
    assert!(!mail.part("text/html").contains("<script>"));
    for part in ["text/plain", "text/html"] {
        assert!(!mail.part(part).contains(['\u{202e}', '\u{0}']), "{part}");
        assert!(!mail.part(part).contains("\nX-Evil"), "{part}");
    }
    assert!(server.stop().iter().all(|said| said["event"] != "mail"));
}

#[tokio::test]
async fn other_scripts_and_very_long_names_arrive_whole_or_shortened() {
    let server = Server::plain_mail(&[]);
    let mut config =
        config(&format!("smtp://127.0.0.1:{}", server.port), &["Störung <noc@example.com>"]);
    config.from = "Überwachung 東京 <netmend@example.com>".parse().unwrap();
    let message =
        |host: &str| messages::message(MessageKind::Firing, 1, vec![messages::alert(host)]);
    assert_eq!(send(config.clone(), message("Zürich–東京")).await.missed, []);
    let mail = server.next_mail();
    let subject = "WARNING Zürich–東京: latency 62 ms, usual 24 ms [london-1]";
    assert_eq!(mail.header("Subject"), Some(subject));
    assert_eq!(mail.header("From"), Some("Überwachung 東京 <netmend@example.com>"));
    assert_eq!(mail.header("To"), Some("Störung <noc@example.com>"));
    assert!(mail.part("text/plain").contains("Latency Zürich–東京 62 ms"));

    assert_eq!(mail.get("utf8"), false, "names are encoded; addresses are ASCII");

    config.to = vec!["störung@example.com".parse().unwrap()];
    assert_eq!(send(config.clone(), message("edge7")).await.missed, []);
    let mail = server.next_mail();
    assert_eq!(mail.get("utf8"), true);
    assert_eq!(mail.get("to"), &serde_json::json!(["störung@example.com"]));

    assert_eq!(send(config, message(&"長".repeat(5_000))).await.missed, []);
    let mail = server.next_mail();
    assert!(mail.header("Subject").unwrap().chars().count() <= 160);
    assert!(mail.get("longest").as_u64().unwrap() <= 998, "RFC 5322, 2.1.1");
}

#[tokio::test]
async fn many_alerts_are_one_mail_that_tells_the_first_in_full_and_counts_the_rest() {
    let server = Server::plain_mail(&[]);
    let config = config(&format!("smtp://127.0.0.1:{}", server.port), &["noc@example.com"]);
    let alert = |number| Alert { id: AlertId(number), ..messages::alert(&format!("edge{number}")) };
    let alerts = (0..50).map(alert).collect();
    let mut message = messages::message(MessageKind::Firing, 1, alerts);
    message.open = 10_000;
    assert_eq!(send(config, message).await.missed, []);
    let mail = server.next_mail();
    let subject = mail.header("Subject").unwrap();
    assert!(subject.ends_with("usual 24 ms and 9999 more [london-1]"), "{subject}");
    for part in ["text/plain", "text/html"] {
        let text = mail.part(part);
        assert!(text.contains("10000 open") && text.contains("and 9950 more"), "{text}");
        assert_eq!(text.matches("above the limit for").count(), 5);
    }
    assert_eq!(mail.part("text/html").matches("cid:").count(), 1);
    assert!(mail.get("raw").as_str().unwrap().len() < 100_000, "Gmail cuts mails off at 102 kB");
    keep(&mail, "many");
}

#[test]
fn a_subject_begins_with_the_state_and_ends_with_the_site() {
    for (kind, start) in [
        (MessageKind::Firing, "WARNING edge7: latency 62 ms"),
        (MessageKind::Update, "UPDATE WARNING edge7: latency 62 ms"),
        (MessageKind::Repeat, "STILL WARNING edge7: latency 62 ms"),
        (MessageKind::Accepted, "ACCEPTED edge7: latency 62 ms"),
    ] {
        let subject = subject(&messages::message(kind, 2, vec![messages::alert("edge7")]));
        assert!(subject.starts_with(start) && subject.ends_with(" [london-1]"), "{subject}");
    }
    let none = messages::message(MessageKind::Resolved, 2, vec![]);
    assert_eq!(subject(&none), "RESOLVED nothing is open any more [london-1]");
}

#[test]
fn each_kind_of_alert_says_the_same_in_both_parts() {
    let group = GroupSubject { tag: "gateway".into(), value: "gw1".into() };
    let target = messages::alert("edge7");
    let silent =
        Alert { state: AlertState::NoData, findings: vec![], normal: vec![], ..target.clone() };
    let many = |subject| Alert { subject, affected: 7, total: 9, ..silent.clone() };
    let alerts = [
        messages::over(target.clone()),
        silent.clone(),
        Alert { state: AlertState::Firing, ..many(Subject::Group(group)) },
        Alert { state: AlertState::Firing, ..many(Subject::Site { site: "london-1".into() }) },
    ];
    for alert in alerts {
        let message = messages::message(MessageKind::Firing, 1, vec![alert.clone()]);
        let mail = render::mail(&message, None);
        assert_eq!(mail.chart, None);
        for words in [words::facts(&alert, NOW), words::headline(&alert)] {
            assert!(!words.is_empty() && mail.html.contains(&words), "{words}: {}", mail.html);
        }
        assert!(mail.text.contains(&words::facts(&alert, NOW)), "{}", mail.text);
    }
}

#[tokio::test]
async fn a_test_says_that_it_is_one_and_that_nothing_is_wrong() {
    let server = Server::plain_mail(&[]);
    let config = config(&format!("smtp://127.0.0.1:{}", server.port), &["noc@example.com"]);
    let message = messages::message(MessageKind::Test, 1, vec![]);
    assert_eq!(send(config, message).await.missed, []);
    let mail = server.next_mail();
    assert_eq!(mail.header("Subject"), Some("TEST netmend at london-1 reaches you"));
    for part in ["text/plain", "text/html"] {
        let text = mail.part(part);
        assert!(text.contains("This is a test. Nothing is wrong"), "{text}");
        assert!(text.contains("edge7.invalid: latency") || text.contains("Latency edge7.invalid"));
        assert!(!text.contains("alerts/0") && !text.contains("netmend ack"), "{text}");
    }
    assert!(mail.part("image/png").starts_with("iVBORw0KGgo"));
    keep(&mail, "test");
}

#[test]
fn a_chart_of_nothing_is_none_and_of_nonsense_still_a_picture() {
    let png = |curve: &Curve| render::Chart::of(curve).map(|chart| chart.png());
    let mut odd = curve();
    odd.level = vec![(ago(9), f64::NAN), (ago(8), f64::INFINITY)];
    assert_eq!(png(&odd), None);
    odd.level =
        vec![(ago(9), 1e300), (ago(8), -5.0), (UnixMs(i64::MAX), 0.0), (UnixMs(i64::MIN), 7.0)];
    odd.limit = vec![(ago(9), f64::NAN)];
    odd.bad = (UnixMs(i64::MIN), UnixMs(i64::MAX));
    assert!(png(&odd).unwrap().starts_with(b"\x89PNG\r\n\x1a\n"));
    odd.until = odd.from;
    assert_eq!(png(&odd), None);
}

#[test]
fn the_one_reading_that_an_alert_is_about_is_within_its_chart() {
    let flat = |value| vec![(ago(125), value), (NOW, value)];
    let level = |n: i64| (ago(5 * n), if n == 1 { 169_000.0 } else { 20_000.0 });
    let mut short = Curve {
        from: ago(125),
        level: (1..=25).rev().map(level).collect(),
        usual: flat(20_000.0),
        limit: flat(21_000.0),
        bad: (ago(5), NOW),
        step: Duration::from_mins(5),
        ..curve()
    };
    let scale = |curve: &Curve| render::Chart::of(curve).map(|chart| chart.scale());
    assert_eq!(scale(&short).as_deref(), Some("Latency 0 to 200 ms"));
    // An outlier that it is not about leaves at the top.
    short.bad = (NOW, NOW);
    assert_eq!(scale(&short).as_deref(), Some("Latency 0 to 50 ms"));
}

#[test]
fn a_group_of_links_is_one_alert_with_the_list() {
    let link = |number: u32| Link {
        enterprise: Some(1),
        customer: "A".into(),
        edge: number.to_string(),
        edge_name: format!("edge-{number:03}"),
        id: format!("u-{number}"),
        name: "WAN <1>".into(),
        interface: None,
        isp: None,
        gateway: Some("gw1".into()),
        site: None,
        state: LinkState::Active,
    };
    let member = |number: u32| Member {
        subject: Subject::Link(LinkSubject::of("corp", &link(number))),
        alert: Some(AlertId(number.into())),
        since: ago(4),
        state: AlertState::Firing,
    };
    let subject = Subject::Group(GroupSubject { tag: "gateway".into(), value: "gw1".into() });
    let members: Vec<Member> = (1..=30).rev().map(member).collect();
    let group = Alert {
        subject,
        members,
        affected: 32,
        total: 40,
        findings: vec![],
        ..messages::alert("x")
    };
    let example =
        Alert { subject: Subject::Link(LinkSubject::of("corp", &link(1))), ..messages::alert("x") };
    let mut message = messages::message(MessageKind::Firing, 1, vec![group, example]);
    message.open = 1;
    let mail = render::mail(&message, None);
    let start = "WAN Anomaly Alert: WARNING gateway gw1: 32 of 40 links are bad [";
    assert!(mail.subject.starts_with(start), "{}", mail.subject);
    assert!(!mail.text.contains("1 open"), "an example is no alert beside it: {}", mail.text);
    let list = "\n- edge-001 WAN <1>\n- edge-002 WAN <1>\n";
    assert!(mail.text.contains(list), "{}", mail.text);
    assert!(mail.text.contains("\n- edge-030 WAN <1>\n- and 2 more\n"), "{}", mail.text);
    assert!(mail.html.contains("<li>edge-030 WAN &lt;1&gt;</li>"), "{}", mail.html);
}
