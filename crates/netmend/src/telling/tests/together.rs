//! Hours of faults that come together or are kept quiet, at accelerated time: a group, a parent and what is
//! behind it, a silence that covers a fault and one that ends within it. Of each there is one beginning and one
//! end, or nothing. `NETMEND_SOAK_HOURS` makes it longer.

use super::*;

/// Minutes of learning before the first fault, and between two.
const LEARN: u64 = 240;
const APART: u64 = 210;

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    /// Four of eight behind a gateway are down.
    Group,
    /// A parent is down, and all that is behind it.
    Parent,
    /// A silence holds for longer than the fault.
    Silenced,
    /// A silence ends in the midst of the fault.
    Outlasts,
}

impl Scene {
    const ALL: [Scene; 4] = [Scene::Group, Scene::Parent, Scene::Silenced, Scene::Outlasts];

    /// How long it lasts, in minutes.
    fn length(self) -> u64 {
        if self == Scene::Outlasts { 90 } else { 30 }
    }

    /// Who is down.
    fn hosts(self) -> &'static [&'static str] {
        match self {
            Scene::Group => &["g0", "g1", "g2", "g3"],
            Scene::Parent => &["p", "c0", "c1", "c2"],
            Scene::Silenced => &["s0"],
            Scene::Outlasts => &["s1"],
        }
    }

    /// Who is told of, and within which minutes after the beginning.
    fn told(self) -> Option<(&'static str, std::ops::Range<u64>)> {
        match self {
            Scene::Group => Some(("gateway gw1", 0..5)),
            Scene::Parent => Some(("p", 0..5)),
            Scene::Silenced => None,
            Scene::Outlasts => Some(("s1", 25..35)),
        }
    }

    /// The silence that is set five minutes before, and for how many minutes.
    fn silence(self) -> Option<u64> {
        match self {
            Scene::Group | Scene::Parent => None,
            Scene::Silenced => Some(120),
            Scene::Outlasts => Some(30),
        }
    }
}

fn targets() -> Vec<Target> {
    let mut targets: Vec<Target> = (0..8)
        .map(|n| {
            let mut target = host(&format!("g{n}"), &format!("g{n}"));
            target.tags.insert("gateway".into(), "gw1".into());
            target
        })
        .collect();
    targets.extend(["p", "s0", "s1"].map(|name| host(name, name)));
    targets.extend((0..3).map(|n| {
        let mut target = host(&format!("c{n}"), &format!("c{n}"));
        target.parent = Some("p".into());
        target
    }));
    targets.extend((0..6).map(|n| host(&format!("w{n}"), &format!("w{n}"))));
    targets
}

fn silence(stages: &Stages, host: &str, minutes: u64) {
    let silence = Command::Silence(show::NewSilence {
        matchers: vec![alert::matching::parse(&format!("host={host}")).unwrap()],
        from: None,
        until: Some(stages.clock.now_ms() + Duration::from_mins(minutes)),
        weekly: None,
        note: "work".into(),
    });
    stages.telling.submit("uid 7", silence).unwrap();
}

#[test]
fn groups_parents_and_silences_are_told_once_or_not_at_all() {
    let hours = std::env::var("NETMEND_SOAK_HOURS").ok().and_then(|hours| hours.parse().ok());
    let hours: u64 = hours.unwrap_or(15);
    let folder = tempfile::tempdir().unwrap();
    let (targets, clock) = (targets(), clock());
    let mut stages = Stages::start(folder.path(), targets.clone(), Arc::clone(&clock));
    let scenes: Vec<(u64, Scene)> = (LEARN..)
        .step_by(usize::try_from(APART).unwrap())
        .zip(Scene::ALL.into_iter().cycle())
        .take_while(|(from, _)| from + APART <= LEARN + hours * 60)
        .collect();
    assert!(scenes.len() >= 4, "each scene comes");
    for minute in 0..LEARN + hours * 60 {
        for (from, scene) in &scenes {
            if let (true, Some(minutes)) = (minute + 5 == *from, scene.silence()) {
                silence(&stages, scene.hosts()[0], minutes);
            }
        }
        let now =
            scenes.iter().find(|(from, scene)| (*from..from + scene.length()).contains(&minute));
        let down = |place: usize| {
            now.is_some_and(|(_, scene)| scene.hosts().contains(&targets[place].host.as_str()))
        };
        stages.minutes(1, |place| (!down(place)).then_some(20.0 + place as f64));
        if minute % 170 == 169 {
            stages.judging.keep_now();
            drop(stages);
            stages = Stages::start(folder.path(), targets.clone(), Arc::clone(&clock));
        }
    }
    check(&stages.notices(), &scenes);
    assert!(stages.alerts().iter().all(|alert| alert.state == AlertState::Resolved));
}

/// That there is a beginning and an end for each scene that has them, and nothing else.
fn check(notices: &[Notice], scenes: &[(u64, Scene)]) {
    let minute = |at: UnixMs| ((at.0 - START) / 60_000).cast_unsigned();
    let told: Vec<(u64, MessageKind, String)> = notices
        .iter()
        .filter(|notice| notice.message.kind != MessageKind::Update)
        .map(|notice| {
            let message = &notice.message;
            (minute(message.at), message.kind, message.alerts[0].subject.to_string())
        })
        .collect();
    let mut expected = told.iter();
    for (from, scene) in scenes {
        let Some((subject, within)) = scene.told() else { continue };
        let (began, ended) = (expected.next(), expected.next());
        let (Some(began), Some(ended)) = (began, ended) else {
            panic!("{scene:?} at {from}: nobody was told, or not its end: {told:?}")
        };
        let first = (began.1, began.2.as_str(), within.contains(&(began.0 - from)));
        assert_eq!(first, (MessageKind::Firing, subject, true), "{scene:?} at {from}: {began:?}");
        let after = ended.0 - from - scene.length();
        let last = (ended.1, ended.2.as_str(), after < 45);
        assert_eq!(last, (MessageKind::Resolved, subject, true), "{scene:?} at {from}: {ended:?}");
    }
    assert_eq!(expected.next(), None, "nothing else was told: {told:?}");
}
