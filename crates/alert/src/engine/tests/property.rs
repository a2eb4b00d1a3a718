//! Whatever happens in whatever order: every beginning that was told is followed by exactly one end.

use proptest::prelude::*;

use super::*;

/// Something that happens to the world.
#[derive(Clone, Debug)]
enum Event {
    Bad(usize, usize),
    Good(usize, bool),
    Lost(usize),
    Seen(usize),
    Silent(usize),
    Ack(u64),
    Silence(usize),
    Expire(u64),
    Restart,
    Remove(usize),
    Pass(u32),
}

const HOSTS: usize = 12;

fn event() -> impl Strategy<Value = Event> {
    let host = 0..HOSTS;
    prop_oneof![
        6 => (host.clone(), 0..3_usize).prop_map(|(host, metric)| Event::Bad(host, metric)),
        6 => (host.clone(), any::<bool>()).prop_map(|(host, accepted)| Event::Good(host, accepted)),
        3 => host.clone().prop_map(Event::Lost),
        3 => host.clone().prop_map(Event::Seen),
        1 => host.clone().prop_map(Event::Silent),
        1 => (1..8_u64).prop_map(Event::Ack),
        1 => host.clone().prop_map(Event::Silence),
        1 => (1..4_u64).prop_map(Event::Expire),
        1 => Just(Event::Restart),
        1 => host.prop_map(Event::Remove),
        8 => (1..600_u32).prop_map(Event::Pass),
        1 => (600..20_000_u32).prop_map(Event::Pass),
    ]
}

fn network() -> Vec<Target> {
    (0..HOSTS)
        .map(|n| {
            let gateway = if n < 6 { "gw1" } else { "gw2" };
            let host = target(&format!("h{n}"), &format!("r{}", n % 3), &[("gateway", gateway)]);
            let parent = (1..4).contains(&n).then(|| "h0".to_owned());
            Target { parent, ..host }
        })
        .collect()
}

fn happen(world: &mut World, event: &Event, bad: &mut [[bool; 3]; HOSTS]) {
    match *event {
        Event::Bad(host, metric) if host < world.targets.len() => {
            bad[host][metric] = true;
            world.bad_at(host, Metric::ALL[metric]);
        }
        Event::Good(host, accepted) if host < world.targets.len() => {
            let change = if accepted { Changed::Accepted } else { Changed::Cleared };
            for (metric, bad) in Metric::ALL.into_iter().zip(&mut bad[host]) {
                if std::mem::take(bad) {
                    world.judge(host, metric, Standing::Usual, change);
                }
            }
        }
        Event::Lost(host) if host < world.targets.len() => world.reach_at(host, Reach::Lost),
        Event::Seen(host) if host < world.targets.len() => world.reach_at(host, Reach::Seen),
        Event::Silent(host) if host < world.targets.len() => world.reach_at(host, Reach::Silent),
        Event::Ack(id) => drop(world.ack(AlertId(id))),
        Event::Silence(host) => drop(world.silence(&format!("host=h{host}"), 3000)),
        Event::Expire(id) => {
            drop(world.engine.expire(SilenceId(id), "x", world.now));
            world.store();
        }
        Event::Restart => {
            world.restart();
            // The judge says of each series how it stands.
            for (host, bad) in bad.iter().enumerate().take(world.targets.len()) {
                for (metric, bad) in Metric::ALL.into_iter().zip(bad) {
                    if *bad {
                        world.bad_at(host, metric);
                    } else {
                        world.judge(host, metric, Standing::Usual, Changed::Cleared);
                    }
                }
                world.reach_at(host, Reach::Seen);
            }
        }
        // Only the last, so that places stay.
        Event::Remove(host) if host + 1 == world.targets.len() && host > 6 => {
            world.targets.pop();
            bad[host] = [false; 3];
            world.set();
            world.store();
        }
        Event::Pass(seconds) => world.pass(seconds),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn every_beginning_that_was_told_is_followed_by_exactly_one_end(
        events in prop::collection::vec(event(), 1..60)
    ) {
        let mut world = World::with(
            network(),
            vec![route("noc", &[]), route("pager", &["severity=critical"]), route("r1", &["region=r1"])],
        );
        let mut bad = [[false; 3]; HOSTS];
        for event in &events {
            happen(&mut world, event, &mut bad);
        }
        // All is well in the end.
        for host in 0..world.targets.len() {
            world.reach_at(host, Reach::Seen);
            happen(&mut world, &Event::Good(host, false), &mut bad);
        }
        world.pass(2 * 3600);
        let open: Vec<_> = world.engine.open().map(|alert| alert.subject.to_string()).collect();
        prop_assert!(open.is_empty(), "still open: {open:?}");
        let notices: Vec<Notice> =
            world.memory.notices.lock().unwrap().values().cloned().collect();
        prop_assert_eq!(check_threads(notices), Ok(true));
        for alert in world.memory.alerts.lock().unwrap().values() {
            prop_assert!(!alert.is_open() && alert.ended.is_some(), "{alert:?}");
        }
    }
}
