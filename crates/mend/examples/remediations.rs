//! Measures remediations: reading a thousand files, finding the one that is meant for an event, running a step that
//! asks the device one thing. Prints a JSON object; `cargo xtask bench mend` runs it.

use std::collections::BTreeMap;
use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use mend::Platform;
use mend::script::{
    Children, Execution, Facts, Found, Host, Program, Remediations, Reply, Step, load, sample,
    serve,
};
use mend::session::Expect;
use model::{Clock, SystemClock};

/// Files in the folder.
const FILES: usize = 1_000;
/// Look-ups to take the mean of.
const LOOKUPS: u32 = 100_000;
/// Runs of a step.
const RUNS: u32 = 2_000;

fn main() -> ExitCode {
    if std::env::args_os().nth(1).is_some_and(|argument| argument == "child") {
        return if serve().is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    match runtime.map_err(|why| why.to_string()).and_then(|runtime| runtime.block_on(measure())) {
        Ok(figures) => {
            // Who reads it may have gone away.
            let _ = writeln!(std::io::stdout(), "{figures}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            let _ = writeln!(std::io::stderr(), "bench: {why}");
            ExitCode::FAILURE
        }
    }
}

/// A file as people write them: each for codes of its own, every tenth with a star.
fn file(number: usize) -> String {
    let code = if number.is_multiple_of(10) {
        format!("MOD{number}-*")
    } else {
        format!("MOD{number}-5-UPDOWN")
    };
    format!(
        "\"\"\"An interface is down: take it down and up once.\"\"\"\n\n\
         remediation(match = [\"{code}\"], when = state(\"down\"), platforms = [\"ios\", \"eos\"], timeout = \"90s\")\n\n\
         def check(event, device):\n    port = device.interface(event.interface)\n    \
         if port.admin == \"down\":\n        return no(\"a person shut {{}}\".format(port.name))\n    \
         return port.oper == \"down\"\n\n\
         def fix(event, device):\n    device.config([\"interface {{interface}}\", \"shutdown\", \"no shutdown\"], event.interface)\n\n\
         def verify(event, device):\n    return device.interface(event.interface).protocol == \"up\"\n"
    )
}

fn facts(number: usize) -> Facts {
    let fields = [("interface", "GigabitEthernet0/1"), ("state", "down")];
    let fields: BTreeMap<String, String> =
        fields.map(|(name, value)| (name.into(), value.into())).into();
    sample("r1", &format!("MOD{number}-5-UPDOWN"), "GigabitEthernet0/1", "", fields)
}

/// A device that answers at once.
struct Device;

impl Host for Device {
    fn show<'a>(&'a mut self, _: &'a str) -> Reply<'a> {
        Box::pin(async {
            Ok("GigabitEthernet0/1 is down, line protocol is down (notconnect)\n".to_owned())
        })
    }

    fn configure<'a>(&'a mut self, _: &'a [String]) -> Reply<'a> {
        Box::pin(async { Ok(String::new()) })
    }

    fn command<'a>(&'a mut self, _: &'a str, _: &'a [Expect]) -> Reply<'a> {
        Box::pin(async { Ok(String::new()) })
    }

    fn wait(&mut self, _: Duration) -> Reply<'_> {
        Box::pin(async { Ok(String::new()) })
    }
}

async fn measure() -> Result<String, String> {
    let folder = tempfile::tempdir().map_err(|why| why.to_string())?;
    for number in 0..FILES {
        let path = folder.path().join(format!("r{number}.star"));
        std::fs::write(path, file(number)).map_err(|why| why.to_string())?;
    }
    let children = Children::new(
        Program { path: "/proc/self/exe".into(), arguments: vec!["child".into()] },
        1,
    );
    let clock = SystemClock;
    let start = clock.monotonic();
    let loading = load(Some(folder.path()), &Remediations::default(), &children).await;
    let load_s = clock.monotonic().saturating_sub(start).as_secs_f64();
    if let Some(problem) = loading.problems.first() {
        return Err(problem.to_string());
    }
    let remediations = loading.remediations;

    let events: Vec<Facts> = (0..FILES).map(facts).collect();
    let start = clock.monotonic();
    for number in 0..LOOKUPS {
        let found = remediations.matching(&events[number as usize % FILES], Some(Platform::Ios));
        if !matches!(found, Found::One(_)) {
            return Err(format!("{found:?} is meant for event {number}"));
        }
    }
    let match_us = clock.monotonic().saturating_sub(start).as_secs_f64() * 1e6 / f64::from(LOOKUPS);

    let remediation = remediations.named("r1").ok_or("r1 was not read")?;
    let start = clock.monotonic();
    for _ in 0..RUNS {
        let mut execution = Execution::new(&children, remediation, &events[1], Platform::Ios);
        let verdict = execution.step(Step::Check, &mut Device, Duration::from_secs(10)).await;
        verdict.map_err(|why| why.to_string())?;
    }
    let step_us = clock.monotonic().saturating_sub(start).as_secs_f64() * 1e6 / f64::from(RUNS);
    Ok(format!(
        "{{\"files\":{FILES},\"load_s\":{load_s:.3},\"match_us\":{match_us:.3},\"step_us\":{step_us:.1}}}"
    ))
}
