//! The interfaces of devices: their table on the page of the device, and the page of one.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::{
    AdminStatus, Both, Direction, Gap, InterfaceMetric, InterfaceNow, InterfaceReading, OperStatus,
    PolledDevice, Rates, interface_series,
};
use netmend_show::Interfaces;
use store::Samples as _;

use crate::http::get;
use crate::repairs::{HOSTILE, ago};
use crate::sim::small_network;
use crate::world::World;

/// Who asks devices, as the pages see it.
#[derive(Debug, Default)]
pub(crate) struct Polled(Mutex<Vec<Arc<PolledDevice>>>);

impl Polled {
    pub(crate) fn set(&self, devices: Vec<PolledDevice>) {
        *self.0.lock().unwrap() = devices.into_iter().map(Arc::new).collect();
    }
}

impl Interfaces for Polled {
    fn device(&self, name: &str) -> Option<Arc<PolledDevice>> {
        self.all().into_iter().find(|device| *device.device == *name)
    }

    fn all(&self) -> Vec<Arc<PolledDevice>> {
        self.0.lock().unwrap().clone()
    }
}

/// An interface that passes so many bits in and out, in percent of its speed.
fn interface(name: &str, alias: &str, speed: u64, share: [f64; 2]) -> InterfaceNow {
    let both =
        |of: &dyn Fn(f64) -> f64| Both { received: Some(of(share[0])), sent: Some(of(share[1])) };
    let bits = both(&|share| share / 100.0 * speed as f64);
    let wave = |poll: u32| {
        let busy = (f64::from(poll) / 9.0).sin().mul_add(0.3, 0.7);
        (share[0].max(share[1]) / 100.0 * speed as f64 * busy) as f32
    };
    InterfaceNow {
        reading: InterfaceReading {
            name: name.into(),
            index: 17,
            descr: format!("{name} of the simulation").into(),
            alias: alias.into(),
            speed_bps: Some(speed),
            admin: AdminStatus::Up,
            oper: OperStatus::Up,
            wide: true,
            ..InterfaceReading::default()
        },
        rates: Rates {
            bits,
            utilisation: both(&|share| share),
            errors: Both { received: Some(0.0), sent: Some(0.25) },
            discards: Both { received: Some(0.0), sent: Some(0.0) },
            gap: None,
        },
        since: ago(86_400 * 3),
        read: ago(20),
        recent: (0..60).map(wave).collect::<VecDeque<f32>>(),
    }
}

fn device(name: &str, interfaces: Vec<InterfaceNow>) -> PolledDevice {
    PolledDevice {
        device: name.into(),
        interval: Duration::from_mins(1),
        answered: Some(ago(20)),
        failing: None,
        uptime: Some(Duration::from_hours(53)),
        sys_name: format!("{name}.example.net"),
        took: Duration::from_millis(40),
        interfaces,
    }
}

/// A switch with one of everything, of which one interface has a past; and one that does not answer.
pub(crate) fn fill(world: &World) {
    let mut shut = interface("Ethernet1/4", "", 10_000_000_000, [0.0, 0.0]);
    shut.reading.admin = AdminStatus::Down;
    shut.reading.oper = OperStatus::Down;
    shut.rates = Rates { gap: Some(Gap::NotUp), ..Rates::default() };
    shut.recent = [f32::NAN; 60].into();
    let mut down = InterfaceNow { reading: shut.reading.clone(), ..shut.clone() };
    down.reading.name = "Ethernet1/3".into();
    down.reading.admin = AdminStatus::Up;
    down.reading.alias = "server rack 7, left".into();
    let mut gone = interface("Ethernet1/9", "taken out", 1_000_000_000, [1.0, 1.0]);
    gone.read = ago(7_200);
    let mut new = interface("Vlan10", "", 1_000_000_000, [0.0, 0.0]);
    new.reading.speed_bps = None;
    new.rates = Rates { gap: Some(Gap::First), ..Rates::default() };
    new.recent.clear();
    let interfaces = vec![
        interface(
            "Ethernet1/1",
            "core1 Ethernet1/7 (dark fibre, circuit LD-0042)",
            10_000_000_000,
            [31.4, 88.2],
        ),
        interface("Ethernet1/2", "", 10_000_000_000, [0.02, 4.1]),
        down,
        shut,
        gone,
        new,
    ];
    let mut silent =
        device("edge1", vec![interface("GigabitEthernet0/0", "uplink", 1_000_000_000, [5.0, 6.0])]);
    silent.failing = Some(("no answer within 2 s, 3 tries".into(), ago(900)));
    world.polled.set(vec![device("sw1", interfaces), silent]);
    let both = Direction::ALL
        .map(|way| interface_series(InterfaceMetric::Traffic, "sw1", "Ethernet1/1", Some(way)));
    world.past.register(&both).unwrap();
}

#[tokio::test]
async fn a_device_shows_its_interfaces_and_each_has_a_page() {
    let world = World::new(small_network());
    fill(&world);
    let devices = get(&world.router, "/devices").await.text();
    assert!(devices.contains("6, 1 down"), "{devices}");
    assert!(devices.contains("not read"), "{devices}");
    let text = get(&world.router, "/devices/sw1").await.text();
    for words in [
        "over SNMP every 1 min, last 20 s ago, up 2 d 5 h, calls itself sw1.example.net",
        "10 Gbit/s 3.14 Gbit/s 31.4 %",
        "0.25",
        "shut",
        "gone",
    ] {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
    let text = get(&world.router, "/devices/edge1").await.text();
    assert!(text.contains("has not been read for 15 min: no answer within 2 s"), "{text}");
    assert!(text.contains("no data"), "what is not read is not up: {text}");
    let page = get(&world.router, "/devices/sw1/interfaces/Ethernet1%2F1").await;
    let text = page.text();
    for words in ["sw1 Ethernet1/1", "· in 3.14 Gbit/s", "· out 8.82 Gbit/s", "number 17, 64-bit"]
    {
        assert!(text.contains(words), "no {words:?} in {text}");
    }
    assert_eq!(get(&world.router, "/devices/sw1/interfaces/nosuch").await.status, 404);
    assert_eq!(get(&world.router, "/devices/nosuch/interfaces/Ethernet1").await.status, 404);
}

#[tokio::test]
async fn what_is_not_told_of_an_interface_is_no_zero() {
    let world = World::new(small_network());
    fill(&world);
    let page = get(&world.router, "/devices/sw1/interfaces/Ethernet1%2F1").await;
    let rows = page.part("<tbody");
    let row = crate::http::text(&rows[rows.find("<tr>").unwrap()..rows.find("</tr>").unwrap()]);
    assert!(row.ends_with("bit/s – –"), "nobody counted errors and discards: {row}");
}

#[tokio::test]
async fn what_a_device_says_stays_text_and_floods_no_page() {
    let world = World::new(small_network());
    let long = format!("{HOSTILE}\u{1b}[31m{}", "x".repeat(10_000));
    let mut hostile = interface(HOSTILE, &long, u64::MAX, [f64::MAX, f64::MIN_POSITIVE]);
    hostile.reading.descr = long.as_str().into();
    let mut device = device("sw1", vec![hostile]);
    device.sys_name.clone_from(&long);
    device.failing = Some((long, ago(60)));
    world.polled.set(vec![device]);
    let mut name = String::new();
    for byte in HOSTILE.bytes() {
        write!(name, "%{byte:02X}").unwrap();
    }
    for path in ["/devices/sw1", &format!("/devices/sw1/interfaces/{name}")] {
        let page = get(&world.router, path).await;
        assert_eq!(page.status, 200, "{path}: {}", page.text());
        assert!(!page.body.contains("<script>alert"), "{path}");
        assert!(page.body.contains("&lt;script&gt;alert(1)"), "{path} shows nothing of it");
        assert!(!page.body.contains(['\u{202e}', '\u{1b}']), "{path} turns the direction of text");
        assert!(page.body.len() < 90_000, "{path}: {} bytes", page.body.len());
    }
    let nobody = get(&world.router, &format!("/devices/{name}/interfaces/{name}")).await;
    assert_eq!(nobody.status, 404);
    assert!(!nobody.body.contains("<script>alert"));
}
