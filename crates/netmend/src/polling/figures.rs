//! What was asked and heard over SNMP, as numbers for `/metrics`: names and helps, nothing else.

use measure::snmp::PollCounters;
use measure::snmp::traps::TrapCounters;
use show::Counter;

/// The numbers of the poller and of the listeners.
pub(super) fn counters(polled: &PollCounters, heard: &TrapCounters) -> Vec<Counter> {
    let polls = [
        ("read", polled.polls),
        ("silent", polled.silent),
        ("credential", polled.credential),
        ("failed", polled.failed),
        ("missed", polled.missed),
    ];
    let traps = [("heard", heard.heard), ("dropped", heard.dropped), ("refused", heard.refused)];
    let help = "Devices that are asked over SNMP.";
    let mut counters = vec![Counter::gauge("netmend_snmp_devices", help, polled.devices as f64)];
    let help =
        "Polls of devices over SNMP, by what became of them; missed ones were not even begun.";
    counters.extend(polls.map(|(outcome, value)| {
        Counter::total("netmend_snmp_polls_total", help, value).with("outcome", outcome)
    }));
    counters.extend([
        Counter::total(
            "netmend_snmp_requests_total",
            "Requests that were answered.",
            polled.requests,
        ),
        Counter::total(
            "netmend_snmp_malformed_total",
            "Datagrams that are no SNMP message.",
            polled.malformed,
        ),
        Counter::total(
            "netmend_snmp_discarded_total",
            "Answers that nobody waited for: late, twice, or from somebody else.",
            polled.discarded,
        ),
    ]);
    let help = "SNMP traps and informs, by what became of them.";
    counters.extend(traps.map(|(outcome, value)| {
        Counter::total("netmend_snmp_traps_total", help, value).with("outcome", outcome)
    }));
    counters
}
