//! Delivery from the real queue on disk to real servers, at a time that the tests set.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use alert::channel::{Channel, Receiver, Smtp, Webhook};
use alert::delivery::{Backoff, Counts, Delivery, Parts, Receivers};
use alert::outbox::StateOutbox;
use alert::render::StoreCurves;
use model::alert::{MessageKind, Notice, NoticeState};
use model::{Clock, ManualClock, UnixMs};
use store::{Change, Query, State, Store, Value};
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use crate::messages::{self, NOW};
use crate::server::Server;
use crate::{mail, webhook};

/// A daemon's delivery: its store, its time and its stage.
struct Daemon {
    clock: Arc<ManualClock>,
    state: Arc<dyn State>,
    receivers: watch::Sender<Arc<Receivers>>,
    delivery: Delivery,
    _store: Store,
}

impl Daemon {
    /// Starts on what lies in `folder`, at `now`.
    fn start(folder: &Path, now: UnixMs, receivers: Vec<Receiver>) -> Self {
        let clock = Arc::new(ManualClock::new(now.to_ns()));
        let store = Store::open(folder, Arc::<ManualClock>::clone(&clock)).unwrap();
        let state = store.state();
        let (receivers, newest) = watch::channel(named(receivers));
        let delivery = Delivery::new(Parts {
            outbox: Arc::new(StateOutbox::new(Arc::clone(&state))),
            curves: Arc::new(StoreCurves::new(store.samples())),
            clock: Arc::<ManualClock>::clone(&clock),
            receivers: newest,
            backoff: Backoff::default(),
        });
        Self { clock, state, receivers, delivery, _store: store }
    }

    fn write(&self, notices: impl IntoIterator<Item = Notice>) {
        let put = |notice| Change::Notice(Box::new(notice));
        self.state.apply(notices.into_iter().map(put).collect()).unwrap();
    }

    /// Lets `span` pass, in steps of 10 s.
    async fn pass(&mut self, span: Duration) {
        let until = self.clock.now_ms() + span;
        while self.clock.now_ms() < until {
            self.clock.advance(Duration::from_secs(10));
            self.delivery.round().await;
        }
    }

    /// A notice as it lies in the queue.
    fn notice(&self, id: u64) -> Notice {
        let found = self.state.find(&Query::Notices { state: None, limit: 100 }).unwrap();
        let notices = found.into_iter().filter_map(|record| match record.value {
            Value::Notice(notice) => Some(*notice),
            _ => None,
        });
        notices.into_iter().find(|notice| notice.id.0 == id).unwrap()
    }

    fn counts(&self) -> Counts {
        self.delivery.counters().read()
    }
}

fn named(receivers: Vec<Receiver>) -> Arc<Receivers> {
    let named = receivers.into_iter().map(|receiver| (receiver.name.clone(), Arc::new(receiver)));
    Arc::new(named.collect::<HashMap<_, _>>())
}

fn by_mail(name: &str, port: u16, to: &[&str]) -> Receiver {
    let smtp = Smtp::new(mail::config(&format!("smtp://127.0.0.1:{port}"), to)).unwrap();
    Receiver { name: name.into(), channels: vec![Channel::Smtp(smtp)] }
}

fn by_webhook(name: &str, port: u16) -> Receiver {
    let hook = Webhook::new(&webhook::config(&format!("http://127.0.0.1:{port}/"))).unwrap();
    Receiver { name: name.into(), channels: vec![Channel::Webhook(hook)] }
}

/// The beginning and the end of one thread.
fn thread(receiver: &str) -> [Notice; 2] {
    let alert = messages::alert("edge7/wan1");
    let end = messages::message(MessageKind::Resolved, 2, vec![messages::over(alert)]);
    [messages::notice(1, receiver, messages::firing()), messages::notice(2, receiver, end)]
}

/// A port on which nobody listens.
fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_down_for_an_hour_loses_nothing_gets_no_double_and_keeps_the_order() {
    let folder = tempfile::tempdir().unwrap();
    let port = free_port();
    let noc = || vec![by_mail("noc", port, &["a@example.com", "b@example.com"])];
    let mut daemon = Daemon::start(folder.path(), NOW, noc());
    let mut other = messages::notice(3, "noc", messages::firing());
    other.message.thread = "other".into();
    daemon.write(thread("noc").into_iter().chain([other]));
    daemon.pass(Duration::from_mins(30)).await;
    let waiting = daemon.notice(1);
    assert_eq!(waiting.state, NoticeState::Waiting);
    assert!(waiting.last_error.unwrap().starts_with("cannot connect to smtp://127.0.0.1:"));
    assert!((6..=9).contains(&daemon.counts().failed), "{:?}", daemon.counts());
    assert_eq!(daemon.notice(3).attempts, 0, "who cannot be reached is not asked for each thread");

    // The daemon is restarted in the middle of it.
    let now = daemon.clock.now_ms();
    drop(daemon);
    let mut daemon = Daemon::start(folder.path(), now, noc());
    daemon.pass(Duration::from_mins(30)).await;
    assert_eq!(daemon.counts().sent, 0);
    let server = Server::plain_mail(&["--port", &port.to_string()]);
    daemon.pass(Duration::from_mins(15)).await;
    assert_eq!(daemon.counts().sent, 3);
    let said = server.stop();
    let mails: Vec<_> = said.iter().filter(|said| said["event"] == "mail").collect();
    let mut subjects: Vec<&str> = mails.iter().map(|mail| subject(mail)).collect();
    assert_eq!(subjects.len(), 3, "{subjects:?}");
    subjects.retain(|subject| subject.starts_with("RESOLVED"));
    assert_eq!(subjects.len(), 1);
    let end = mails.iter().position(|mail| subject(mail).starts_with("RESOLVED"));
    let start = mails.iter().position(|mail| mail.to_string().contains("<a17-1795514700.1."));
    assert!(start < end, "the end came before the beginning");
    assert!(mails.iter().all(|mail| mail["to"].as_array().unwrap().len() == 2));
    assert_eq!(daemon.notice(2).state, NoticeState::Sent);
}

fn subject(mail: &serde_json::Value) -> &str {
    let headers = mail["headers"].as_array().unwrap();
    headers.iter().find(|header| header[0] == "Subject").unwrap()[1].as_str().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_breaks_in_mid_message_is_tried_again_and_the_mail_arrives_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::plain_mail(&["--break-in-message", "2"]);
    let noc = by_mail("noc", server.port, &["noc@example.com"]);
    let mut daemon = Daemon::start(folder.path(), NOW, vec![noc]);
    daemon.write([messages::notice(1, "noc", messages::firing())]);
    daemon.delivery.round().await;
    let error = daemon.notice(1).last_error.unwrap();
    assert!(error.contains("broke off"), "{error}");
    daemon.pass(Duration::from_mins(2)).await;
    assert_eq!(daemon.counts(), Counts { sent: 1, failed: 2, ..Counts::default() });
    let said = server.stop();
    assert_eq!(said.iter().filter(|said| said["event"] == "mail").count(), 1);
    assert_eq!(said.iter().filter(|said| said["event"] == "broken").count(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_address_that_was_put_off_is_written_to_again() {
    let folder = tempfile::tempdir().unwrap();
    let grey = "b@example.com=451 4.7.1 come back later";
    let first = Server::plain_mail(&["--refuse", grey]);
    let port = first.port;
    let noc = by_mail("noc", port, &["a@example.com", "b@example.com"]);
    let mut daemon = Daemon::start(folder.path(), NOW, vec![noc]);
    daemon.write([messages::notice(1, "noc", messages::firing())]);
    daemon.delivery.round().await;
    assert_eq!(first.next_mail().get("to"), &serde_json::json!(["a@example.com"]));
    drop(first);
    assert_eq!(daemon.notice(1).delivered, ["a@example.com"]);
    let second = Server::plain_mail(&["--port", &port.to_string()]);
    daemon.pass(Duration::from_mins(1)).await;
    assert_eq!(second.next_mail().get("to"), &serde_json::json!(["b@example.com"]));
    assert_eq!(daemon.notice(1).state, NoticeState::Sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_does_not_exist_ends_the_notice_and_the_next_one_follows() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::plain_mail(&["--refuse", "gone@example.com=550 5.1.1 no such user"]);
    let noc = by_mail("noc", server.port, &["gone@example.com"]);
    let mut daemon = Daemon::start(folder.path(), NOW, vec![noc]);
    daemon.write(thread("noc"));
    daemon.pass(Duration::from_secs(20)).await;
    for id in [1, 2] {
        let notice = daemon.notice(id);
        assert_eq!((notice.state, notice.attempts), (NoticeState::GivenUp, 1));
        assert!(notice.last_error.unwrap().contains("550 5.1.1 no such user"));
    }
    assert_eq!(daemon.counts(), Counts { given_up: 2, ..Counts::default() });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_web_server_that_fails_once_gets_the_same_message_with_the_same_id_again() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::web(None, &["--answers", "500,200"]);
    let mut daemon = Daemon::start(folder.path(), NOW, vec![by_webhook("hook", server.port)]);
    daemon.write(thread("hook"));
    daemon.pass(Duration::from_mins(1)).await;
    assert_eq!(daemon.counts(), Counts { sent: 2, failed: 1, ..Counts::default() });
    let posts = [server.next_post(), server.next_post(), server.next_post()];
    assert_eq!(posts[0]["body"], posts[1]["body"]);
    assert_eq!(posts[0]["headers"]["webhook-id"], posts[1]["headers"]["webhook-id"]);
    let stamp = |post: &serde_json::Value| post["headers"]["webhook-timestamp"].to_string();
    assert!(stamp(&posts[0]) < stamp(&posts[1]), "each try is signed anew");
    assert_eq!(posts[2]["body"]["kind"], "resolved");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_hangs_holds_up_nobody_else() {
    let folder = tempfile::tempdir().unwrap();
    let hanging = Server::plain_mail(&["--silent-at", "END"]);
    let well = Server::plain_mail(&[]);
    let receivers = vec![
        by_mail("hangs", hanging.port, &["noc@example.com"]),
        by_mail("well", well.port, &["noc@example.com"]),
    ];
    let daemon = Daemon::start(folder.path(), NOW, receivers);
    daemon.write([messages::notice(1, "hangs", messages::firing())]);
    let (written, stop) = (Arc::new(Notify::new()), CancellationToken::new());
    let counters = daemon.delivery.counters();
    let run = daemon.delivery.run(Arc::clone(&written), stop.clone(), Duration::ZERO);
    let running = tokio::spawn(run);
    hanging.until("connection").expect("the first receiver is being told, for ever");
    let later = messages::notice(2, "well", messages::firing());
    daemon.state.apply(vec![Change::Notice(Box::new(later))]).unwrap();
    written.notify_one();
    well.next_mail();
    stop.cancel();
    running.await.unwrap();
    assert_eq!(counters.read().failed, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_messages_for_somebody_who_is_away_do_not_crowd_out_one_for_another() {
    let folder = tempfile::tempdir().unwrap();
    let well = Server::plain_mail(&[]);
    let receivers = vec![
        by_mail("away", free_port(), &["noc@example.com"]),
        by_mail("well", well.port, &["noc@example.com"]),
    ];
    let mut daemon = Daemon::start(folder.path(), NOW, receivers);
    let away = (1..=1_000).map(|id| {
        let mut notice = messages::notice(id, "away", messages::firing());
        notice.message.thread = format!("thread-{id}");
        notice
    });
    daemon.write(away.chain([messages::notice(1_001, "well", messages::firing())]));
    daemon.delivery.round().await;
    daemon.delivery.round().await;
    well.next_mail();
    assert_eq!(daemon.counts(), Counts { sent: 1, failed: 1, ..Counts::default() });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_the_configuration_lost_gets_its_messages_when_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut daemon = Daemon::start(folder.path(), NOW, vec![]);
    daemon.write([messages::notice(1, "noc", messages::firing())]);
    daemon.delivery.round().await;
    let error = daemon.notice(1).last_error.unwrap();
    assert!(error.contains("the configuration has no receiver of this name"), "{error}");
    let server = Server::plain_mail(&[]);
    let noc = by_mail("noc", server.port, &["noc@example.com"]);
    daemon.receivers.send(named(vec![noc])).unwrap();
    daemon.pass(Duration::from_mins(1)).await;
    assert_eq!(daemon.notice(1).state, NoticeState::Sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_three_days_a_message_is_given_up_with_what_stood_in_its_way() {
    let folder = tempfile::tempdir().unwrap();
    let noc = || vec![by_mail("noc", free_port(), &["noc@example.com"])];
    let later = NOW + Duration::from_hours(73);
    let mut daemon = Daemon::start(folder.path(), later, noc());
    daemon.write([messages::notice(1, "noc", messages::firing())]);
    daemon.delivery.round().await;
    let notice = daemon.notice(1);
    assert_eq!(notice.state, NoticeState::GivenUp);
    let error = notice.last_error.unwrap();
    assert!(error.starts_with("given up after 73 h and 1 tries: cannot connect"), "{error}");
}
