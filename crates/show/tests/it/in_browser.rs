//! The pages in a real browser, from a real port, with data that moves.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use netmend_show::serve;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::browser::{Browser, may_be_missing};
use crate::sim::{Manner, fallback_warning, large_network, small_network};
use crate::world::World;

/// Starts Chromium, or says why the test is left out.
pub(crate) fn chromium() -> Option<Browser> {
    let browser = Browser::start();
    if browser.is_none() {
        assert!(may_be_missing(), "chromium is not installed, and CI=true asks for it");
        eprintln!("left out: chromium is not installed");
    }
    browser
}

/// Opens each page, live and with its chart drawn, at a desk and on a phone, light and dark, and gives their
/// backgrounds: none is wider than its window. With `NETMEND_PICTURES=DIR` it writes how they look, for people to
/// judge.
pub(crate) fn looks(
    browser: &mut Browser,
    address: SocketAddr,
    prefix: &str,
    pages: &[(&str, &str)],
    drawn: impl Fn(&str) -> Option<&'static str>,
) -> Vec<Value> {
    let folder = std::env::var_os("NETMEND_PICTURES").map(PathBuf::from);
    let mut papers = Vec::new();
    let windows = [(1400, 1050), (390, 1300)];
    for ((width, height), dark) in windows.into_iter().flat_map(|of| [(of, false), (of, true)]) {
        for (name, path) in pages {
            browser.look_like(width, height, dark);
            browser.open(&format!("http://{address}{path}"));
            browser.wait("the page is live", "document.getElementById('live').className === 'on'");
            if let Some(drawn) = drawn(name) {
                browser.wait("the chart is drawn", drawn);
            }
            let wide = browser.eval("document.documentElement.scrollWidth").as_u64().unwrap();
            assert!(wide <= u64::from(width), "{name} is {wide} wide on a screen of {width}");
            papers.push(browser.eval("getComputedStyle(document.documentElement).backgroundColor"));
            if let Some(folder) = &folder {
                let theme = if dark { "dark" } else { "light" };
                browser.picture(&folder.join(format!("{prefix}{name}-{width}-{theme}.png")));
            }
        }
    }
    papers
}

/// Serves a world on a port of its own, on threads of its own.
pub(crate) fn served(world: &World) -> (tokio::runtime::Runtime, SocketAddr) {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    let runtime = runtime.unwrap();
    let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
    let address = listener.local_addr().unwrap();
    runtime.spawn(serve(listener, world.router.clone(), None, std::future::pending()));
    (runtime, address)
}

#[test]
fn the_front_page_names_every_target_and_follows_them_live() {
    let Some(mut browser) = chromium() else { return };
    let world = World::new(small_network());
    let (_runtime, address) = served(&world);
    browser.look_like(1400, 1000, false);
    browser.open(&format!("http://{address}/"));
    let text = browser.eval("document.body.innerText").to_string();
    for (target, _) in small_network() {
        assert!(text.contains(&target.host), "{} is missing", target.host);
    }
    browser.wait("the feed is live", "document.getElementById('live').className === 'on'");

    // One more target dies: its row, the counts and the list of what is wrong all follow, unasked.
    let host = "www.gateway.example.net";
    let row = format!(
        "[...document.querySelectorAll('.targets tr')].find((r) => r.innerText.includes('{host}'))"
    );
    assert_eq!(browser.eval(&format!("{row}.querySelector('.v-state').textContent")), "up");
    let wrong = "document.getElementById('wrong').innerText";
    assert_eq!(browser.eval(&format!("{wrong}.includes('{host}')")), false);
    world.sim.turn(0, Manner::Died);
    for _ in 0..3 {
        world.second();
    }
    browser
        .wait("the row turns", &format!("{row}.querySelector('.v-state').textContent === 'down'"));
    browser.wait("its RTT is gone", &format!("{row}.querySelector('.v-rtt').textContent === '–'"));
    browser.wait("the list follows", &format!("{wrong}.includes('{host}')"));
    let down = "document.querySelector('[data-count=down] b').textContent";
    browser.wait("the count follows", &format!("{down} === '2'"));
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
fn a_tile_far_down_has_its_numbers_when_somebody_gets_there() {
    let Some(mut browser) = chromium() else { return };
    let world = World::new(large_network(1_500));
    let (_runtime, address) = served(&world);
    browser.look_like(1400, 1000, false);
    browser.open(&format!("http://{address}/"));
    browser.wait("the feed is live", "document.getElementById('live').className === 'on'");
    assert_eq!(browser.eval("document.querySelectorAll('.tile').length"), 1_500);
    let folded = "document.querySelectorAll('.tile[data-v]')";
    assert!(browser.eval(&format!("{folded}.length")).as_u64().unwrap() > 500);
    let name = browser.eval(&format!("(window.far = [...{folded}].pop()).textContent"));
    browser.eval("window.far.scrollIntoView()");
    browser.wait("it is unfolded", "window.far.querySelector('.v-rtt')?.textContent > 0");
    assert_eq!(browser.eval("window.far.querySelector('.h').textContent"), name);
    world.second();
    let now = world.target(name.as_str().unwrap());
    let rtt = f64::from(now.rtt_us.unwrap()) / 1_000.0;
    let shown = "window.far.querySelector('.v-rtt').textContent";
    browser.wait("its number follows", &format!("{shown} === '{rtt:.2}'"));
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
fn the_charts_are_drawn_and_dragging_zooms_into_the_url() {
    let Some(mut browser) = chromium() else { return };
    let world = World::new(small_network());
    let (_runtime, address) = served(&world);
    let id = world.target("db1.aws-london.example.net").series.rtt;
    browser.look_like(1400, 1000, false);
    browser.open(&format!("http://{address}/targets/{id}?span=30h"));
    browser.wait(
        "the charts are drawn",
        "Number(document.getElementById('chart').dataset.drawn) > 100",
    );
    // The colour of a median without loss is on the canvas, and so is that of heavy loss in the strip.
    let inked = |canvas: &str, dark: bool| {
        let red = if dark { "p[i] > 180 && p[i + 1] < 80" } else { "p[i + 1] > p[i] + 60" };
        format!(
            "(() => {{ const c = document.querySelector('{canvas} canvas'), p = c.getContext('2d')
                .getImageData(0, 0, c.width, c.height).data; let n = 0;
                for (let i = 0; i < p.length; i += 4) if ({red}) n++; return n; }})()"
        )
    };
    let green = browser.eval(&inked("#smoke", false)).as_u64().unwrap();
    assert!(green > 500, "{green} green pixels of median");
    let red = browser.eval(&inked("#loss", true)).as_u64().unwrap();
    assert!(red > 50, "{red} red pixels of loss");

    let over = "document.querySelector('#smoke .u-over').getBoundingClientRect()";
    let at = |browser: &mut Browser, what: &str| {
        browser.eval(&format!("{over}.{what}")).as_f64().unwrap()
    };
    let (x, y) = (at(&mut browser, "x"), at(&mut browser, "y"));
    let width = at(&mut browser, "width");
    browser.drag((x + width * 0.25, y + 40.0), (x + width * 0.5, y + 60.0));
    browser.wait("the URL has the span", "location.search.startsWith('?from=')");
    browser.wait(
        "the zoomed charts are drawn",
        "Number(document.getElementById('chart')?.dataset.drawn) > 100",
    );
    let hours = browser.eval(
        "(() => { const q = new URLSearchParams(location.search); return (q.get('until') - q.get('from')) / 3.6e6; })()",
    );
    let hours = hours.as_f64().unwrap();
    assert!((7.0..8.0).contains(&hours), "a quarter of 30 h and not {hours} h");
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
fn the_span_that_is_named_goes_on_with_the_charts() {
    let Some(mut browser) = chromium() else { return };
    let world = World::new(small_network());
    let (_runtime, address) = served(&world);
    let id = world.target("db1.aws-london.example.net").series.rtt;
    // What the page does every 15 s is done when the test says so.
    let held = "window.held = []; window.setInterval = (work) => held.push(work)";
    browser.call("Page.addScriptToEvaluateOnNewDocument", &json!({ "source": held }));
    browser.open(&format!("http://{address}/targets/{id}"));
    browser.wait("drawn", "document.getElementById('chart').dataset.drawn");
    let shown = "document.getElementById('shown').textContent";
    assert_eq!(browser.eval(shown), "2026-11-21 19:49:07 to 2026-11-21 22:49:07 UTC");
    world.clock.advance(Duration::from_mins(10));
    browser.eval("held.forEach((work) => work())");
    let later = "2026-11-21 19:59:07 to 2026-11-21 22:59:07 UTC";
    browser.wait("the words follow", &format!("{shown} === '{later}'"));
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
fn the_filter_answers_from_the_server_and_stands_in_the_url() {
    let Some(mut browser) = chromium() else { return };
    let world = World::new(small_network());
    let (_runtime, address) = served(&world);
    browser.look_like(1400, 1000, false);
    browser.open(&format!("http://{address}/targets"));
    let rows = "document.querySelectorAll('#list tbody tr').length";
    assert_eq!(browser.eval(rows), 32);
    browser.eval(
        "(() => { const s = document.querySelector('select[name=region]'); s.value = 'tokyo';
            s.dispatchEvent(new Event('change', { bubbles: true })); })()",
    );
    browser.wait("only that region is left", &format!("{rows} === 8"));
    browser.wait("the URL says so", "location.search.includes('region=tokyo')");
    assert_eq!(browser.eval("location.search.includes('host=')"), false, "empty fields stay out");
    browser.wait("the new rows are live", "document.getElementById('live').className === 'on'");
    world.second();
    let first = world.target("www.tokyo.example.net").rtt_us.unwrap() / 1_000.0;
    let shown = "document.querySelector('#list tbody .v-rtt').textContent";
    browser.wait("their numbers follow", &format!("{shown} === '{first:.2}'"));
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
fn the_pages_fit_a_phone_and_both_themes() {
    let Some(mut browser) = chromium() else { return };
    let world = World::alarmed();
    crate::events::fill(&world);
    world.sim.edit_system(|system| system.warnings.push(fallback_warning()));
    world.mark(40, "db1.aws-london.example.net", "address", "the address changed from 198.18.9.9");
    world.mark(170, "netmend", "reload", "the configuration was read again: 3 targets added");
    let (_runtime, address) = served(&world);
    let id = world.target("db1.aws-london.example.net").series.rtt;
    let chart = format!("/targets/{id}?span=30h");
    let pages = [
        ("now", "/"),
        ("targets", "/targets?sort=loss"),
        ("target", &*chart),
        ("alerts", "/alerts"),
        ("past", "/alerts?state=resolved,accepted"),
        ("alert", "/alerts/21"),
        ("group", "/alerts/30"),
        ("silences", "/silences?label=region&value=tokyo#new"),
        ("events", "/events"),
        ("lossy", "/alerts/17"),
        ("device", "/devices/db1"),
        ("devices", "/devices"),
        ("system", "/system"),
    ];
    let drawn = |name: &str| {
        let has_chart = ["target", "alert", "lossy"].contains(&name);
        has_chart.then_some("document.getElementById('chart').dataset.drawn")
    };
    let papers = looks(&mut browser, address, "", &pages, drawn);
    assert_ne!(papers[0], papers[pages.len()], "light and dark differ");
    assert_eq!(browser.complaints, Vec::<String>::new());
}
