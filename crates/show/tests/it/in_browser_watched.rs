//! WAN links, devices and interfaces in a real browser.

use crate::in_browser::{chromium, looks, served};
use crate::world::World;

#[test]
fn the_pages_of_links_and_interfaces_fit_a_phone() {
    let Some(mut browser) = chromium() else { return };
    let world = World::alarmed();
    crate::links::fill(&world);
    crate::interfaces::fill(&world);
    crate::events::fill(&world);
    let (_runtime, address) = served(&world);
    let now = netmend_show::Links::links(&*world.links);
    let link = format!("/links/{}", now.links[2].subject.series);
    let pages = [
        ("links", "/links"),
        ("link", &*link),
        ("alert", "/alerts/901"),
        ("devices", "/devices"),
        ("device", "/devices/sw1"),
        ("silent", "/devices/edge1"),
        ("interface", "/devices/sw1/interfaces/Ethernet1%2F1?span=30h"),
    ];
    let drawn =
        |name: &str| (name == "interface").then_some("document.querySelector('#flow canvas')");
    looks(&mut browser, address, "watched-", &pages, drawn);
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
fn what_a_page_fetches_by_itself_is_told_from_what_somebody_chose() {
    let Some(mut browser) = chromium() else { return };
    let world = World::alarmed();
    crate::links::fill(&world);
    let (_runtime, address) = served(&world);
    browser.open(&format!("http://{address}/links"));
    browser.wait("the page is live", "document.getElementById('live').className === 'on'");
    browser.eval(
        "(() => { window.sent = []; document.addEventListener('htmx:configRequest', (e) =>
            window.sent.push(e.detail.headers['X-Netmend-Unasked'] || 'chosen')); })()",
    );
    browser.eval(
        "htmx.ajax('GET', '/links', { target: '#list', select: '#list', swap: 'outerHTML' })",
    );
    browser.eval(
        "(() => { const s = document.querySelector('select[name=quality]'); s.value = 'good';
            s.dispatchEvent(new Event('change', { bubbles: true })); })()",
    );
    browser.wait("both were sent", "window.sent.length === 2");
    assert_eq!(browser.eval("window.sent.join()"), "yes,chosen");
    browser.wait("the URL says so", "location.search.includes('quality=good')");
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
fn moments_stand_in_the_time_of_who_reads_and_in_utc_when_asked() {
    let Some(mut browser) = chromium() else { return };
    let world = World::alarmed();
    crate::links::fill(&world);
    crate::interfaces::fill(&world);
    let (_runtime, address) = served(&world);
    // Nine hours ahead, and without summer time.
    let zone = serde_json::json!({ "timezoneId": "Asia/Tokyo" });
    browser.call("Emulation.setTimezoneOverride", &zone);
    let page = format!("http://{address}/devices/sw1/interfaces/Ethernet1%2F1");
    browser.open(&page);
    browser.wait("the chart is drawn", "document.querySelector('#flow canvas')");
    let shown = "document.querySelector('.spans').innerText";
    browser.wait(
        "its span",
        &format!("{shown}.includes('2026-11-22 04:49:07 to 2026-11-22 07:49:07')"),
    );
    let times = "document.querySelectorAll('.spans time')";
    assert_eq!(browser.eval(&format!("{times}[1].title")), "2026-11-21 22:49:07 UTC");
    let heading = "document.querySelector('.numbers .zone').innerText";
    assert_eq!(browser.eval(heading), "local time");
    browser.wait("the feed", "document.getElementById('live').innerText.includes('07:49:07')");
    assert_eq!(browser.eval("document.getElementById('zone').innerText"), "Times: Asia/Tokyo");
    browser.eval("document.getElementById('zone').click()");
    browser.wait("loaded again", "document.getElementById('zone')?.innerText === 'Times: UTC'");
    browser.wait("its span", &format!("{shown}.includes('22:49:07 UTC')"));
    assert_eq!(browser.eval(heading), "UTC");
    browser.call("Emulation.setTimezoneOverride", &serde_json::json!({ "timezoneId": "" }));
    assert_eq!(browser.complaints, Vec::<String>::new());
}
