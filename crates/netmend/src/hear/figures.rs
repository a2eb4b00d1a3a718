//! What is heard, as numbers for `/metrics`: names and helps, nothing else.

use std::sync::atomic::{AtomicU64, Ordering};

use measure::syslog::Counters;
use show::Counter;

use super::HearCounts;

/// The numbers of the listeners and of what became of their lines.
pub(crate) fn counters(listeners: &[Counters], heard: &HearCounts) -> Vec<Counter> {
    type Read = fn(&Counters) -> u64;
    const TOTALS: [(&str, &str, Read); 9] = [
        ("netmend_syslog_lines_total", "Lines received.", |c| c.lines),
        ("netmend_syslog_bytes_total", "Bytes of lines received.", |c| c.bytes),
        ("netmend_syslog_cut_total", "Lines whose end is missing.", |c| c.cut),
        ("netmend_syslog_dropped_total", "Datagrams that the kernel dropped.", |c| c.drops),
        ("netmend_syslog_misframed_total", "Octet counts that lied.", |c| c.lies),
        ("netmend_syslog_connections_total", "Connections accepted.", |c| c.accepted),
        (
            "netmend_syslog_refused_total",
            "Connections closed since there were too many, or too many unfinished messages.",
            |c| c.refused,
        ),
        (
            "netmend_syslog_stalled_total",
            "Connections closed since their sender stopped within a message or a handshake.",
            |c| c.stalled,
        ),
        (
            "netmend_syslog_gaps_total",
            "Times a followed file was gone before all of it was read.",
            |c| c.gaps,
        ),
    ];
    let mut counters = Vec::new();
    for (name, help, read) in TOTALS {
        counters.extend(listeners.iter().map(|listener| {
            Counter::total(name, help, read(listener))
                .with("listener", listener.listener.to_string())
        }));
    }
    counters.extend(listeners.iter().map(|listener| {
        let help = "Connections that stand.";
        Counter::gauge("netmend_syslog_connections", help, listener.open as f64)
            .with("listener", listener.listener.to_string())
    }));
    let totals = [
        ("netmend_lines_stored_total", "Lines acknowledged by the store.", &heard.stored),
        (
            "netmend_lines_conflict_total",
            "Lines that name a device and came from elsewhere.",
            &heard.conflicts,
        ),
        ("netmend_lines_stranger_total", "Lines of nobody in the inventory.", &heard.strangers),
        ("netmend_event_reports_total", "Reports of events.", &heard.reports),
        (
            "netmend_lines_refused_total",
            "Times the store refused lines; they were given to it again.",
            &heard.refusals,
        ),
    ];
    let total = |(name, help, count): (_, _, &AtomicU64)| {
        Counter::total(name, help, count.load(Ordering::Relaxed))
    };
    counters.extend(totals.map(total));
    counters
}
