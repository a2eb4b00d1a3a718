//! The account: each fault and the alert that told of it, each alert and the fault it was about, each message and
//! the mail that arrived. It judges by what the truth promises, never by what it finds.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;

use model::alert::{MessageKind, Notice};
use model::{Alert, AlertId, AlertState, Subject};

use super::fast::{Bed, Mail, minutes};
use super::mail_server::header;
use super::truth::{EACH, Fault, Truth, What};

/// What became of the faults and of the alerts.
pub(super) struct Account {
    text: String,
    /// What is not as it has to be.
    wrong: Vec<String>,
}

/// What was said of one fault.
struct Told {
    /// Minutes from its beginning to the first message of it, and from its end to the last.
    began: Option<f64>,
    ended: Option<f64>,
    /// How often it was said that it begins.
    beginnings: usize,
}

impl Account {
    pub(super) fn of(truth: &Truth, bed: &Bed) -> Self {
        let (alerts, notices) = (bed.alerts(), bed.notices());
        let mut account = Self { text: String::new(), wrong: Vec::new() };
        let owners: HashMap<AlertId, Option<usize>> =
            alerts.iter().map(|alert| (alert.id, owner(truth, alert))).collect();
        let mut delays: BTreeMap<String, Vec<(f64, f64)>> = BTreeMap::new();
        for (number, fault) in truth.faults.iter().enumerate() {
            let ours = |id: &AlertId| owners.get(id) == Some(&Some(number));
            let told = Told::of(fault, &notices, &ours);
            account.fault(fault, &told, &alerts, &ours);
            if let (Some(began), Some(ended)) = (told.began, told.ended) {
                let kind = fault.what.to_string();
                let kind = kind.split([' ', '-']).next().unwrap_or_default().to_owned();
                delays.entry(kind).or_default().push((began, ended));
            }
        }
        for alert in &alerts {
            account.alert(alert, owners[&alert.id]);
        }
        for notice in &notices {
            account.message(notice);
        }
        account.mails(&notices, &bed.mails);
        account.sum(truth, bed, &alerts, &delays);
        account
    }

    pub(super) fn print(&self) {
        print!("{}", self.text);
        for wrong in &self.wrong {
            println!("WRONG: {wrong}");
        }
    }

    pub(super) fn check(&self) {
        assert!(self.wrong.is_empty(), "{:#?}", self.wrong);
    }

    fn line(&mut self, line: impl AsRef<str>) {
        self.text.push_str(line.as_ref());
        self.text.push('\n');
    }

    /// One fault: whether it was told when it had to be, and no more often.
    fn fault(
        &mut self,
        fault: &Fault,
        told: &Told,
        alerts: &[Alert],
        ours: &dyn Fn(&AlertId) -> bool,
    ) {
        let ids: Vec<String> = alerts
            .iter()
            .filter(|alert| ours(&alert.id))
            .map(|alert| format!("#{}{}", alert.id, if alert.told { "" } else { " untold" }))
            .collect();
        let minute = |found: Option<f64>| found.map_or("never".into(), |at| format!("{at:.1} min"));
        let words = if told.began.is_none() {
            "told to nobody".to_owned()
        } else {
            let (began, ended) = (minute(told.began), minute(told.ended));
            format!("told after {began}, its end after {ended}")
        };
        let line = format!("{fault}: {words}; alerts: {}", ids.join(", "));
        match (fault.what.told_within(), told.began) {
            (None, None) => {}
            (None, Some(_)) => self.wrong.push(format!("is nobody's business: {line}")),
            (Some(_), None) => self.wrong.push(format!("missed: {line}")),
            (Some(within), Some(began)) => {
                if began > within {
                    self.wrong.push(format!("told later than after {within} min: {line}"));
                }
                let over = fault.what.over_within();
                if told.ended.is_none_or(|ended| ended > over) {
                    self.wrong.push(format!("its end not told within {over} min: {line}"));
                }
                // What comes and goes is told again, if it stays, until it is known to flap: three times.
                let most = if fault.what == What::Flap { 4 } else { 1 };
                if told.beginnings > most {
                    let times = told.beginnings;
                    self.wrong.push(format!("its beginning was told {times} times: {line}"));
                }
            }
        }
        self.line(line);
    }

    /// One alert: what it was about.
    fn alert(&mut self, alert: &Alert, owner: Option<usize>) {
        let line = format!(
            "alert #{} {} of minute {:.1}, {}",
            alert.id,
            alert.subject,
            minutes(alert.since),
            alert.state
        );
        if owner.is_none() && alert.told {
            self.wrong.push(format!("false: {line}: {:?}", alert.findings));
        } else if owner.is_none() {
            self.line(format!("{line}: of no fault, told to nobody"));
        }
        if matches!(alert.state, AlertState::Firing | AlertState::NoData) {
            self.wrong.push(format!("still open: {line}"));
        }
    }

    /// One message: when it was written, and about whom.
    fn message(&mut self, notice: &Notice) {
        let alerts = &notice.message.alerts;
        let some: Vec<String> =
            alerts.iter().take(6).map(|alert| format!("#{} {}", alert.id, alert.subject)).collect();
        let more = if alerts.len() > 6 { ", ..." } else { "" };
        let (kind, some) = (notice.message.kind.name(), some.join(", "));
        self.line(format!("minute {:6.1} {kind:8} {some}{more}", minutes(notice.created)));
    }

    /// Each message was sent, arrived once and is about alerts.
    fn mails(&mut self, notices: &[Notice], mails: &[Mail]) {
        let mut seen = HashMap::new();
        for mail in mails {
            *seen.entry(header(&mail.mail, "Message-ID")).or_insert(0) += 1;
            let broken = mail.mail["encrypted"] != true
                || mail.mail["authenticated"] != true
                || mail.mail["defects"] != serde_json::json!([]);
            if broken {
                self.wrong.push(format!("a mail is not as it should be: {:#}", mail.mail));
            }
        }
        if let Some((id, times)) = seen.iter().find(|(_, times)| **times > 1) {
            self.wrong.push(format!("the mail {id} came {times} times"));
        }
        if mails.len() != notices.len() {
            let (came, written) = (mails.len(), notices.len());
            self.wrong.push(format!("{came} mails came of {written} messages"));
        }
        for (notice, mail) in notices.iter().zip(mails) {
            let (written, came) = (minutes(notice.created), mail.at);
            let kind = header(&mail.mail, "X-Netmend-Kind");
            // What is written while the daemon stops is sent after its next start.
            if came - written > 0.5 || kind != notice.message.kind.name() {
                let wanted = notice.message.kind;
                let line = format!("a {wanted} of minute {written:.1} came as {kind} at {came:.1}");
                self.wrong.push(line);
            }
        }
    }

    fn sum(
        &mut self,
        truth: &Truth,
        bed: &Bed,
        alerts: &[Alert],
        delays: &BTreeMap<String, Vec<(f64, f64)>>,
    ) {
        for (kind, all) in delays {
            let median = |of: &dyn Fn(&(f64, f64)) -> f64| {
                let mut all: Vec<f64> = all.iter().map(of).collect();
                all.sort_by(f64::total_cmp);
                (all[all.len() / 2], all[all.len() - 1])
            };
            let ((began, latest), (ended, last)) = (median(&|of| of.0), median(&|of| of.1));
            self.line(format!(
                "{kind:8} {} told, after {began:.1} min (median) to {latest:.1}; their ends after \
                 {ended:.1} to {last:.1}",
                all.len()
            ));
        }
        let lasting = truth.faults.iter().filter(|fault| fault.what.told_within().is_some());
        let (counters, told) = (bed.counters(), alerts.iter().filter(|alert| alert.told).count());
        self.line(format!(
            "{:.1} h of seed {}: {} faults, {} of them to be told; {} alerts, {told} told; {} mails; since \
             the last start {} probes sent, {} lost, {} unsent",
            bed.minute() / 60.0,
            truth.seed,
            truth.faults.len(),
            lasting.count(),
            alerts.len(),
            bed.mails.len(),
            counters.sent,
            counters.lost,
            counters.unsent
        ));
    }
}

impl Told {
    fn of(fault: &Fault, notices: &[Notice], ours: &dyn Fn(&AlertId) -> bool) -> Self {
        let about = |notice: &&Notice| notice.message.alerts.iter().any(|alert| ours(&alert.id));
        let of_kind = |kinds: &'static [MessageKind]| {
            let fits = |notice: &&Notice| kinds.contains(&notice.message.kind);
            notices.iter().filter(about).filter(fits).map(|notice| minutes(notice.message.at))
        };
        let mut beginnings = of_kind(&[MessageKind::Firing]);
        let began = beginnings.next().map(|at| at - fault.from as f64);
        let beginnings = usize::from(began.is_some()) + beginnings.count();
        // A message may speak for the ends of several alerts before the last of them is over.
        let over = |notice: &&Notice| {
            let alerts = &notice.message.alerts;
            alerts.iter().any(|alert| ours(&alert.id) && alert.state.is_over())
        };
        let last = notices.iter().rfind(over);
        let end = if matches!(fault.what, What::Shift(_)) { fault.from + 240 } else { fault.until };
        let ended = last.map(|notice| minutes(notice.message.at) - end as f64);
        Self { began, ended, beginnings }
    }
}

/// The fault that an alert is about, if there is one: of its target, region or site, and there when it began.
fn owner(truth: &Truth, alert: &Alert) -> Option<usize> {
    let since = minutes(alert.since);
    let is_of = |fault: &Fault| match &alert.subject {
        Subject::Site { .. } => fault.what == What::Site,
        Subject::Group(group) => {
            let first = fault.at[0] / EACH;
            matches!(fault.what, What::Region) && group.value == format!("r{first}")
        }
        Subject::Target(target) => {
            let hosts = Truth::targets();
            fault.at.iter().any(|place| hosts[*place].host == target.host)
        }
        Subject::Link(_) | Subject::Repair(_) => false,
    };
    truth.faults.iter().position(|fault| {
        // A clock step of a minute is what "since" may be off by.
        let there = fault.from as f64 - 1.0 <= since && since <= fault.until as f64 + 1.0;
        there && is_of(fault)
    })
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut head = String::new();
        let (hour, past, length) = (self.from / 60, self.from % 60, self.until - self.from);
        write!(head, "{hour:3}:{past:02} {length:3} min {:16}", self.what)?;
        match self.what {
            What::Site => f.write_str(&head),
            What::Region => write!(f, "{head} r{}", self.at[0] / EACH),
            _ => write!(f, "{head} r{} host {}", self.at[0] / EACH, self.at[0] % EACH + 1),
        }
    }
}
