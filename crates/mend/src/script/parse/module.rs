//! A module, line card or supervisor as a device shows it.

use crate::platform::Platform;

/// A module.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::script) struct Module {
    /// Its slot.
    pub(in crate::script) slot: String,
    /// Its state in the device's own words, such as `ok`, `active`, `Online`, `powered-dn`.
    pub(in crate::script) status: String,
    /// It works.
    pub(in crate::script) ok: bool,
}

/// The command for all.
pub(in crate::script) fn command(platform: Platform) -> Option<&'static str> {
    match platform {
        Platform::Ios | Platform::Nxos | Platform::Eos => Some("show module"),
        Platform::IosXr => Some("show platform"),
        Platform::Junos => Some("show chassis fpc"),
        Platform::Frr | Platform::Linux | Platform::Vrp | Platform::Sros => None,
    }
}

/// States of a module that works; lower case.
const GOOD: &[&str] =
    &["ok", "active", "standby", "ha-standby", "online", "run", "pass", "operational"];
/// States of one that does not, or not yet.
const BAD: &[&str] = &[
    "offline",
    "failure",
    "faulty",
    "fail",
    "powered-dn",
    "power-deny",
    "pwr-denied",
    "pwrdown",
    "pwr-cycle",
    "testing",
    "initializing",
    "poweringup",
    "other",
    "unknown",
    "empty",
    "err-pwd-dn",
    "dumping",
    "fault",
    "present",
    "err-disabled",
    "disabled",
    "nshut",
    "shut",
    "shutdown",
    "poweredoff",
    "dead",
    "booting",
];

/// The module in this slot. Tables of several kinds may follow each other; of those that tell a state of the
/// slot the first counts, and a failed self-test after it makes the module bad.
pub(in crate::script) fn parse(slot: &str, text: &str) -> Option<Module> {
    let wanted = slot.trim().trim_start_matches(|c: char| c.is_ascii_alphabetic() || c == ' ');
    let mut found: Option<Module> = None;
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let Some(first) = words.next().filter(|first| *first == wanted || *first == slot) else {
            continue;
        };
        let state = words.rev().map(|word| word.trim_matches('*')).find_map(|word| {
            let folded = word.to_ascii_lowercase();
            let known = |list: &[&str]| list.contains(&folded.as_str());
            (known(GOOD) || known(BAD)).then(|| (word, known(GOOD)))
        });
        let Some((status, ok)) = state else { continue };
        match &mut found {
            None => found = Some(Module { slot: first.into(), status: status.into(), ok }),
            Some(module) if module.ok && !ok => (module.status, module.ok) = (status.into(), false),
            Some(_) => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_of_a_slot_is_found_in_its_row() {
        let nxos = "\
Mod Ports             Module-Type                      Model           Status
--- ----- ------------------------------------- --------------------- ---------
1    48   1/10 Gbps Ethernet Module             N7K-F248XP-25         ok
2    48   1/10 Gbps Ethernet Module             N7K-F248XP-25         powered-dn
5    0    Supervisor Module-2                   N7K-SUP2              active *

Mod  Online Diag Status
---  ------------------
1    Pass
5    Fail
";
        let module = |slot| parse(slot, nxos).unwrap();
        assert_eq!((module("1").ok, module("1").status.as_str()), (true, "ok"));
        assert_eq!((module("2").ok, module("2").status.as_str()), (false, "powered-dn"));
        assert_eq!((module("5").ok, module("5").status.as_str()), (false, "Fail"));
        assert_eq!(parse("9", nxos), None);
        let junos = "\
                     Temp  CPU Utilization (%)   CPU Utilization (%)  Memory    Utilization (%)
Slot State            (C)  Total  Interrupt      1min   5min   15min  DRAM (MB) Heap     Buffer
  0  Online            35     12          0       11     12     12    2048       20         25
  1  Empty
";
        assert!(parse("0", junos).unwrap().ok);
        assert!(parse("FPC 0", junos).unwrap().ok);
        assert!(!parse("1", junos).unwrap().ok);
        let xr = "\
Node              Type                       State             Config state
0/0/CPU0          A9K-MOD80-TR               IOS XR RUN        PWR,NSHUT,MON
";
        assert_eq!(parse("0/0/CPU0", xr).unwrap().status, "RUN");
    }
}
