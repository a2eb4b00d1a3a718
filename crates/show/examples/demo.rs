//! Serves the pages over simulated data, to look at them: `cargo run -p netmend-show --example demo --
//! [ADDR:PORT] [TARGETS]`. Everything it shows is marked SIMULATION; it is no part of netmend.

#[path = "../tests/it/sim.rs"]
#[expect(dead_code, reason = "shared with the tests, which use the rest")]
mod sim;

#[path = "../tests/it/alarms.rs"]
#[expect(dead_code, reason = "shared with the tests, which use the rest")]
mod alarms;

use std::sync::Arc;
use std::time::Duration;

use alarms::Alarms;
use model::{Clock, SystemClock};
use netmend_show as show;
use sim::{Past, Sim};
use store::{Mark, State, StateFile};

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let listen = arguments.next().unwrap_or_else(|| "127.0.0.1:8421".to_owned());
    let count = arguments.next().and_then(|count| count.parse().ok());
    let clock = SystemClock;
    let now = clock.now_ms();
    let targets = count.map_or_else(sim::small_network, sim::large_network);
    let sim = Arc::new(Sim::new(targets, now));
    sim.edit_system(|system| system.warnings.push(sim::fallback_warning()));
    let past = Past::of(&*sim);
    let folder = tempfile::tempdir()?;
    let marks = StateFile::open(folder.path(), &clock).map_err(std::io::Error::other)?;
    let mark = |ago: u64, subject: &str, kind: &str, text: &str| {
        let at = now - Duration::from_mins(ago);
        let (subject, kind, text) = (subject.to_owned(), kind.to_owned(), text.to_owned());
        store::Change::Mark(Mark { at, subject, kind, text })
    };
    let made = marks.apply(vec![
        mark(3_000, "netmend", "start", "netmend 0.1.0 started"),
        mark(95, "netmend", "reload", "the configuration was read again: 3 targets added"),
        mark(40, "www.aws-london.example.net", "address", "the address changed from 198.18.9.9"),
    ]);
    made.map_err(std::io::Error::other)?;
    let state: Arc<dyn State> = Arc::new(marks);
    let alarms = Arc::new(Alarms::new(Arc::clone(&state), Arc::new(clock)));
    if count.is_none() {
        alarms::fill(&alarms, &show::Now::targets(&*sim).targets, now);
        let slow = |now: &&Arc<model::TargetNow>| now.target.host == "db1.aws-london.example.net";
        if let Some(slow) = show::Now::targets(&*sim).targets.iter().find(slow) {
            past.slow_down(slow.series.rtt, now - Duration::from_mins(27));
        }
    }
    let listener = tokio::net::TcpListener::bind(&listen).await?;
    let router = show::router(show::Deps {
        now: Arc::<Sim>::clone(&sim),
        alerts: Arc::<Alarms>::clone(&alarms),
        commands: alarms,
        mending: Arc::new(show::Unjudged),
        samples: Arc::new(past),
        access: show::Access::usual(Arc::clone(&state), Arc::new(clock))
            .map_err(std::io::Error::other)?,
        state,
        clock: Arc::new(clock),
        devices: Arc::new(model::Inventory::default()),
        interfaces: Arc::new(()),
        links: Arc::new(netmend_show::NoLinks),
        listen: listener.local_addr()?,
        hosts: Vec::new(),
        token: show::Token::random()?,
    });
    let rounds = async {
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        loop {
            ticks.tick().await;
            sim.round(clock.now_ms());
        }
    };
    tokio::select! {
        served = show::serve(listener, router, None, std::future::pending()) => served,
        () = rounds => Ok(()),
    }
}
