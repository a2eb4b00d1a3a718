//! Webhooks as a web server gets them, checked with the example of `docs/notify.md`.

use std::time::Duration;

use alert::channel::{
    Channel, HttpConfig, Receiver, Secret, SendError, Sent, Webhook, WebhookConfig,
};
use model::UnixMs;
use model::alert::{Clue, Message};
use serde_json::Value;

use crate::messages::{self, NOW};
use crate::server::{Certificates, Server};

pub(crate) fn config(url: &str) -> WebhookConfig {
    WebhookConfig { http: HttpConfig::new(url), secret: None }
}

async fn send(config: &WebhookConfig, message: Message) -> Sent {
    let channels = vec![Channel::Webhook(Webhook::new(config).unwrap())];
    let notice = messages::notice(42, "hook", message);
    Receiver { name: "hook".into(), channels }.send(&notice, None, NOW).await
}

#[track_caller]
fn why(sent: &Sent) -> &SendError {
    assert_eq!(sent.delivered, [""; 0]);
    &sent.missed.first().expect("it was missed").why
}

#[tokio::test]
async fn a_signed_webhook_is_valid_by_the_documented_check_and_the_body_is_the_documented_one() {
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let server = Server::web(None, &["--secret", SECRET]);
    let mut config = config(&format!("http://127.0.0.1:{}/hook?token=hunter2", server.port));
    config.secret = Some(Secret::new(SECRET));
    let mut message = messages::firing();
    message.alerts[0].clues = vec![Clue {
        at: UnixMs(NOW.0 - 468_000),
        device: "gw1".into(),
        code: "LINK-3-UPDOWN".into(),
        text: "Interface Gi0/1, changed state to down".into(),
        count: 1,
    }];
    let sent = send(&config, message).await;
    assert_eq!(sent.delivered, [format!("http://127.0.0.1:{}", server.port)]);

    let post = server.next_post();
    assert_eq!(post["path"], "/hook?token=hunter2");
    let verdicts = "as it is, with another body, an hour late";
    assert_eq!(post["valid"], serde_json::json!([true, false, false]), "{verdicts}");
    for (header, value) in [
        ("content-type", "application/json"),
        ("webhook-id", "netmend-1795514760000-42"),
        ("webhook-timestamp", "1795514760"),
    ] {
        assert_eq!(post["headers"][header], value, "{header}");
    }
    assert_eq!(post["body"], documented(), "docs/notify.md shows another body");
}

/// The example of the manual.
fn documented() -> Value {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/notify.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, rest) = page.split_once("```json\n").unwrap();
    serde_json::from_str(rest.split_once("```").unwrap().0).unwrap()
}

#[tokio::test]
async fn https_is_trusted_only_with_the_right_ca() {
    let (ours, other) = (Certificates::of("localhost"), Certificates::of("localhost"));
    let server = Server::web(Some(&ours), &[]);
    let mut config = config(&format!("https://localhost:{}/", server.port));
    for ca in [None, Some(other.ca.clone())] {
        config.http.ca = ca;
        let sent = send(&config, messages::firing()).await;
        assert!(matches!(why(&sent), SendError::Untrusted { .. }), "{}", why(&sent));
    }
    config.http.ca = Some(ours.ca.clone());
    assert_eq!(send(&config, messages::firing()).await.missed, []);
    config.http.ca = Some(b"no PEM".to_vec());
    let refused = Webhook::new(&config).unwrap_err().to_string();
    assert!(refused.contains("holds no PEM certificate"), "{refused}");
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    let elsewhere = Server::web(None, &[]);
    let location = format!("Location=http://127.0.0.1:{}/", elsewhere.port);
    for status in ["301", "302", "307", "308"] {
        let server = Server::web(None, &["--answers", status, "--header", &location]);
        let config = config(&format!("http://127.0.0.1:{}/hunter2", server.port));
        let sent = send(&config, messages::firing()).await;
        let said = why(&sent).to_string();
        assert!(said.contains("redirects are not followed"), "{said}");
        assert!(!said.contains("hunter2") && !why(&sent).is_for_good(), "{said}");
    }
    assert_eq!(elsewhere.stop(), [] as [Value; 0]);
}

#[tokio::test]
async fn a_web_server_that_never_answers_is_left_after_the_time_limit() {
    let server = Server::web(None, &["--hang"]);
    let mut config = config(&format!("http://127.0.0.1:{}/hunter2", server.port));
    config.http.timeout = Duration::from_millis(300);
    let sent = send(&config, messages::firing()).await;
    let said = why(&sent).to_string();
    let expected = format!("http://127.0.0.1:{} did not answer within 0.3 s", server.port);
    assert_eq!(said, expected);
}

#[tokio::test]
async fn what_is_wrong_with_the_message_is_final_and_all_else_is_tried_again() {
    for (status, for_good) in [
        ("400", true),
        ("401", false),
        ("404", false),
        ("410", true),
        ("413", true),
        ("429", false),
        ("500", false),
        ("503", false),
    ] {
        let body = "because\u{1b}[31m\r\nof this";
        let options = ["--answers", status, "--body", body, "--header", "Retry-After=120"];
        let server = Server::web(None, &options);
        let config = config(&format!("http://127.0.0.1:{}/", server.port));
        let sent = send(&config, messages::firing()).await;
        assert_eq!(why(&sent).is_for_good(), for_good, "{status}");
        assert_eq!(why(&sent).retry_after(), Some(Duration::from_mins(2)));
        let said = why(&sent).to_string();
        assert!(said.contains(status) && said.ends_with("because�[31m of this"), "{said}");
    }
}

#[tokio::test]
async fn nobody_at_the_address_is_told_without_its_path() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let sent = send(&config(&format!("http://127.0.0.1:{free}/hunter2")), messages::firing()).await;
    let said = why(&sent).to_string();
    assert!(said.starts_with(&format!("cannot connect to http://127.0.0.1:{free}: ")), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}
