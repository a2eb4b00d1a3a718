//! Chats and pagers as they get their messages, held against the requests of their documentation; and a real
//! Alertmanager.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};

use alert::Letter;
use alert::channel::{
    Alertmanager, AlertmanagerConfig, Channel, Chat, HttpConfig, PagerDuty, PagerDutyConfig,
    Receiver, Secret, Sent, Service,
};
use model::alert::{Alert, Entry, Happening, LinkSubject, Message, MessageKind, Subject};
use model::{Severity, wan};
use serde_json::{Value, json};

use crate::messages::{self, NOW};
use crate::server::Server;

/// An integration key as PagerDuty makes them.
const KEY: &str = "0123456789abcdef0123456789abcdef";

fn slack(url: &str) -> Channel {
    Channel::Chat(Chat::new(Service::Slack, &HttpConfig::new(url)).unwrap())
}

fn teams(url: &str) -> Channel {
    Channel::Chat(Chat::new(Service::Teams, &HttpConfig::new(url)).unwrap())
}

fn pagerduty(url: &str) -> Channel {
    let config = PagerDutyConfig { http: HttpConfig::new(url), routing_key: Secret::new(KEY) };
    Channel::PagerDuty(PagerDuty::new(&config).unwrap())
}

fn alertmanager(url: &str) -> Channel {
    let config = AlertmanagerConfig { http: HttpConfig::new(url), login: None };
    Channel::Alertmanager(Alertmanager::new(&config).unwrap())
}

async fn tell(channel: Channel, message: Message) -> Sent {
    let notice = messages::notice(42, "them", message);
    Receiver { name: "them".into(), channels: vec![channel] }.send(&notice, None, NOW).await
}

/// What a server got for `message`.
async fn posted(make: fn(&str) -> Channel, message: Message, posts: usize) -> Vec<Value> {
    let server = Server::web(None, &[]);
    let url = format!("http://127.0.0.1:{}/hunter2", server.port);
    let sent = tell(make(&url), message).await;
    assert_eq!(sent.missed, []);
    (0..posts).map(|_| server.next_post()).collect()
}

/// Every key of `ours` is in `known` with a value of the same type; of lists, one entry must fit. An empty object
/// in `known` takes any keys, and `null` there any value.
fn assert_documented(ours: &Value, known: &Value, path: &str) {
    match (ours, known) {
        (_, Value::Null)
        | (Value::String(_), Value::String(_))
        | (Value::Bool(_), Value::Bool(_)) => {}
        (Value::Object(_), Value::Object(known)) if known.is_empty() => {}
        (Value::Object(ours), Value::Object(known)) => {
            for (key, value) in ours {
                let known = known.get(key);
                let known = known.unwrap_or_else(|| panic!("{path}.{key} is not documented"));
                assert_documented(value, known, &format!("{path}.{key}"));
            }
        }
        (Value::Array(ours), Value::Array(known)) => {
            for (place, value) in ours.iter().enumerate() {
                let same = |one: &&Value| one["type"] == value["type"];
                let one = known.iter().find(same);
                let one =
                    one.unwrap_or_else(|| panic!("{path}[{place}]: {value} is not documented"));
                assert_documented(value, one, &format!("{path}[{place}]"));
            }
        }
        _ => panic!("{path} is {ours}, documented is {known}"),
    }
}

fn documented(name: &str) -> Value {
    let path = format!("{}/tests/it/documented/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// All texts within a value.
fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(texts).collect(),
        Value::Object(entries) => entries.values().flat_map(texts).collect(),
        _ => vec![],
    }
}

/// A message about more alerts than are told, with names that want to be more than text.
fn hostile() -> Message {
    let host = "<!channel> [x](http://evil) *b* <http://evil|x> &lt; \"\\";
    let alerts = (0..50).map(|_| messages::alert(host)).collect();
    messages::message(MessageKind::Firing, 1, alerts)
}

#[tokio::test]
async fn slack_gets_a_documented_message_in_which_no_name_is_markup() {
    for message in [messages::firing(), hostile()] {
        let post = &posted(slack, message, 1).await[0];
        assert_eq!(post["path"], "/hunter2");
        let body = &post["body"];
        assert_documented(body, &documented("slack"), "slack");
        let blocks = body["attachments"][0]["blocks"].as_array().unwrap();
        assert!(blocks.len() <= 50, "{} blocks", blocks.len());
        for block in blocks {
            let text = block["text"]["text"].as_str().unwrap_or_default();
            let most = if block["type"] == "header" { 150 } else { 3_000 };
            assert!(text.chars().count() <= most, "{block}");
            for element in block["elements"].as_array().into_iter().flatten() {
                if element["type"] == "mrkdwn" {
                    let text = element["text"].as_str().unwrap();
                    assert_eq!(text, "<https://netmend.example.com/alerts/17|Alert 17>");
                }
            }
        }
        assert!(!body["text"].as_str().unwrap().contains('<'), "{}", body["text"]);
    }
    let body = posted(slack, messages::firing(), 1).await.remove(0)["body"].take();
    assert_eq!(body["attachments"][0]["color"], "#e8a200");
    let title = "WARNING edge7/wan1: latency 62 ms, usual 24 ms [london-1]";
    assert_eq!(body["text"], title);
}

#[tokio::test]
async fn teams_gets_a_documented_card_below_its_limit_in_which_no_name_is_markup() {
    for message in [messages::firing(), hostile()] {
        let body = posted(teams, message, 1).await.remove(0)["body"].take();
        assert_documented(&body, &documented("teams"), "teams");
        assert!(body.to_string().len() < 21_000, "{} bytes", body.to_string().len());
        let card = &body["attachments"][0]["content"];
        let marked = texts(&card["body"]).into_iter().any(|text| text == "TextBlock");
        assert!(!marked, "a TextBlock knows Markdown");
        for action in card["actions"].as_array().unwrap() {
            assert_eq!(action["url"], "https://netmend.example.com/alerts/17");
        }
    }
}

#[tokio::test]
async fn pagerduty_gets_one_incident_a_thread_which_the_last_message_resolves() {
    let event = posted(pagerduty, messages::firing(), 1).await.remove(0)["body"].take();
    assert_documented(&event, &documented("pagerduty"), "pagerduty");
    assert_eq!(event["routing_key"], KEY);
    assert_eq!(
        (&event["event_action"], &event["payload"]["severity"]),
        (&json!("trigger"), &json!("warning"))
    );
    assert_eq!(event["payload"]["source"], "edge7/wan1");
    let over = messages::over(messages::alert("edge7/wan1"));
    let end = messages::message(MessageKind::Resolved, 2, vec![over]);
    let end = posted(pagerduty, end, 1).await.remove(0)["body"].take();
    let key = json!("netmend/london-1/a17-1795514700");
    assert_eq!(event["dedup_key"], key);
    assert_eq!(end, json!({ "event_action": "resolve", "dedup_key": key, "routing_key": KEY }));

    let huge = Message { site: "ä".repeat(128), ..hostile() };
    let event = posted(pagerduty, huge, 1).await.remove(0)["body"].take();
    let length = |value: &Value| value.as_str().unwrap().chars().count();
    assert!(length(&event["dedup_key"]) <= 255 && length(&event["payload"]["summary"]) <= 1_024);
    assert!(event.to_string().len() < 512_000);
}

#[tokio::test]
async fn nothing_of_a_test_stays_at_pagerduty() {
    let test = messages::message(MessageKind::Test, 1, vec![]);
    let posts = posted(pagerduty, test, 2).await;
    let actions = posts.iter().map(|post| &post["body"]["event_action"]).collect::<Vec<_>>();
    assert_eq!(actions, ["trigger", "resolve"]);
    assert_eq!(posts[0]["body"]["dedup_key"], posts[1]["body"]["dedup_key"]);
    assert_eq!(posts[0]["body"]["payload"]["severity"], "info");
}

#[tokio::test]
async fn what_slows_down_or_quotes_us_is_obeyed_and_not_repeated() {
    for make in [slack, teams, pagerduty, alertmanager] {
        let body = format!("no such key: {KEY}");
        let options = ["--answers", "429", "--body", &body, "--header", "Retry-After=30"];
        let server = Server::web(None, &options);
        let sent =
            tell(make(&format!("http://127.0.0.1:{}/hunter2", server.port)), messages::firing());
        let missed = &sent.await.missed[0];
        assert_eq!(missed.why.retry_after(), Some(std::time::Duration::from_secs(30)));
        assert!(!missed.why.is_for_good());
        let said = format!("{missed:?} {}", missed.why);
        assert!(!said.contains("hunter2"), "{said}");
        if missed.to.starts_with("pagerduty") {
            assert!(!said.contains(KEY), "{said}");
        }
    }
}

#[tokio::test]
async fn a_report_goes_to_chats_and_pagers_too() {
    let paragraphs = ["edge1 <b>".to_owned(), "latency 20 ms".to_owned()];
    let letter =
        Letter::new(("here", NOW, "wan-1"), "WAN Anomaly Alert", &paragraphs, b"{}".to_vec());
    for (make, name) in [
        (slack as fn(&str) -> Channel, "slack"),
        (teams, "teams"),
        (pagerduty, "pagerduty"),
        (alertmanager, "alertmanager"),
    ] {
        let server = Server::web(None, &[]);
        let url = format!("http://127.0.0.1:{}", server.port);
        let receiver = Receiver { name: "them".into(), channels: vec![make(&url)] };
        let sent = receiver.post(&letter, NOW).await;
        assert_eq!(sent.delivered, [format!("{name} {url}")]);
        let body = server.next_post()["body"].take();
        assert_documented(&body, &documented(name), name);
        let said = texts(&body).join("\n");
        assert!(said.contains("WAN Anomaly Alert") && said.contains("edge1 <b>"), "{said}");
    }
}

#[test]
fn what_is_no_key_or_address_is_refused_without_being_shown() {
    let config = |url: &str, key: &str| PagerDutyConfig {
        http: HttpConfig::new(url),
        routing_key: Secret::new(key),
    };
    let refused = PagerDuty::new(&config(PagerDutyConfig::URL, "hunter2")).unwrap_err();
    assert!(!refused.to_string().contains("hunter2"), "{refused}");
    let shown = format!("{:?}", PagerDuty::new(&config(PagerDutyConfig::URL, KEY)).unwrap());
    assert!(!shown.contains(KEY), "{shown}");
    let config = HttpConfig::new("hooks.example.com/hunter2");
    let refused = Chat::new(Service::Slack, &config).unwrap_err().to_string();
    assert!(refused.contains("slack") && !refused.contains("hunter2"), "{refused}");
}

#[tokio::test]
async fn a_link_is_one_alert_though_more_of_it_is_found_out_meanwhile() {
    let found = |gateway: Option<&str>| {
        let link = LinkSubject {
            series: wan::key("vco", "7"),
            orchestrator: "vco".into(),
            enterprise: "Acme".into(),
            edge: "london".into(),
            wan: "GE3".into(),
            id: "7".into(),
            interface: Some("GE3".into()),
            isp: gateway.map(|_| "Carrier".into()),
            gateway: gateway.map(Into::into),
            site: gateway.map(|_| "London office".into()),
        };
        let alert = Alert { subject: Subject::Link(link), ..messages::alert("unused") };
        messages::message(MessageKind::Firing, 1, vec![alert])
    };
    let mut alerts = Vec::new();
    for gateway in [None, Some("gw1")] {
        let post = posted(alertmanager, found(gateway), 1).await.remove(0);
        assert_documented(&post["body"], &documented("alertmanager"), "alertmanager");
        alerts.push(post["body"][0].clone());
    }
    let expected = json!({
        "alertname": "netmend_link", "severity": "warning", "site": "london-1", "orchestrator": "vco",
        "enterprise": "Acme", "edge": "london", "wan": "GE3", "link": "7", "interface": "GE3",
    });
    assert_eq!((&alerts[0]["labels"], &alerts[1]["labels"]), (&expected, &expected));
    let annotations = &alerts[1]["annotations"];
    assert_eq!((&annotations["gateway"], &annotations["isp"]), (&json!("gw1"), &json!("Carrier")));
}

/// A real Alertmanager from Debian's packages, on loopback.
struct RealAlertmanager {
    child: Child,
    address: String,
    _folder: tempfile::TempDir,
}

impl RealAlertmanager {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("alertmanager.yml");
        std::fs::write(&config, "route: { receiver: nobody }\nreceivers: [{ name: nobody }]\n")
            .unwrap();
        let mut child = Command::new("prometheus-alertmanager")
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.path={}", folder.path().display()))
            .args(["--web.listen-address=127.0.0.1:0", "--cluster.listen-address="])
            .stderr(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .expect("the tests need Debian's prometheus-alertmanager");
        let lines = BufReader::new(child.stderr.take().unwrap());
        let mut lines = lines.lines().map_while(Result::ok);
        let line = lines.find(|line| line.contains("\"Listening on\"")).expect("it listens");
        let address = line.split("address=").nth(1).unwrap().trim().to_owned();
        // Nobody may wait for a full pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, address, _folder: folder }
    }

    /// The alerts that fire: severity and annotations by host.
    fn firing(&self) -> Vec<Value> {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        let request =
            format!("GET /api/v2/alerts?active=true HTTP/1.0\r\nhost: {}\r\n\r\n", self.address);
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap_or_else(|why| panic!("{why}: {answer}"))
    }
}

impl Drop for RealAlertmanager {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// An alert of now, since Alertmanager goes by its own clock.
fn present(severity: Severity, before: Option<Severity>) -> Message {
    use model::{Clock as _, SystemClock};
    let now = SystemClock.now_ms();
    let change =
        before.map(|from| Entry { at: now, what: Happening::Severity { from, to: severity } });
    let since = model::UnixMs(now.0 - 240_000);
    let history = change.into_iter().collect();
    let alert = Alert { severity, since, history, ..messages::alert("edge7 \"x\"") };
    Message { at: now, ..messages::message(MessageKind::Firing, 1, vec![alert]) }
}

#[tokio::test]
async fn a_real_alertmanager_has_each_alert_once_until_it_is_over() {
    let server = RealAlertmanager::start();
    let url = format!("http://{}", server.address);
    let first = present(Severity::Warning, None);
    assert_eq!(tell(alertmanager(&url), first).await.missed, []);
    let firing = server.firing();
    assert_eq!(firing.len(), 1, "{firing:?}");
    let expected = json!({
        "alertname": "netmend_target", "severity": "warning", "site": "london-1", "host": "edge7 \"x\"",
        "target": "edge7 \"x\"", "region": "emea", "protocol": "icmp", "family": "4", "tag_gateway": "gw1",
    });
    assert_eq!(firing[0]["labels"], expected);
    assert_eq!(firing[0]["generatorURL"], "https://netmend.example.com/alerts/17");
    assert_eq!(firing[0]["annotations"]["netmend_alert"], "17");

    let worse = present(Severity::Critical, Some(Severity::Warning));
    assert_eq!(tell(alertmanager(&url), worse.clone()).await.missed, []);
    let firing = server.firing();
    let severities: Vec<&Value> = firing.iter().map(|alert| &alert["labels"]["severity"]).collect();
    assert_eq!(severities, ["critical"], "the warning is over");

    let mut end = Message { kind: MessageKind::Resolved, ..worse };
    end.alerts = end
        .alerts
        .into_iter()
        .map(|alert| Alert { ended: Some(end.at), ..messages::over(alert) })
        .collect();
    assert_eq!(tell(alertmanager(&url), end).await.missed, []);
    assert_eq!(server.firing(), [] as [Value; 0]);

    let test = Message {
        at: present(Severity::Info, None).at,
        ..messages::message(MessageKind::Test, 1, vec![])
    };
    assert_eq!(tell(alertmanager(&url), test).await.missed, []);
    assert_eq!(server.firing()[0]["labels"]["alertname"], "netmend_test");
}
