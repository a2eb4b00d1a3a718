//! Alerts in a real browser: what appears unasked, what forms do, what is drawn.

use model::{AlertState, Severity};
use serde_json::json;

use crate::alarms::{firing, over, slow};
use crate::browser::Browser;
use crate::in_browser::{chromium, served};
use crate::world::{NOW, World};

fn open(browser: &mut Browser, address: std::net::SocketAddr, path: &str) {
    browser.look_like(1400, 1000, false);
    browser.open(&format!("http://{address}{path}"));
    browser.wait("the page is live", "document.getElementById('live').className === 'on'");
}

#[test]
fn an_alert_appears_and_goes_unasked_and_the_badge_counts() {
    let Some(mut browser) = chromium() else { return };
    let world = World::alarmed();
    let (_runtime, address) = served(&world);
    open(&mut browser, address, "/alerts?severity=critical");
    let badge = "document.querySelector('.calling').textContent";
    let list = "document.getElementById('alerts').innerText";
    assert_eq!(browser.eval(badge), "4");
    let now = world.target("www.tokyo.example.net");
    let alert = firing(40, &now.target, Severity::Critical, vec![slow(&now, NOW, 1)]);
    world.alarms.put(alert.clone());
    browser.wait("it is listed", &format!("{list}.includes('www.tokyo.example.net')"));
    browser.wait("it is counted", &format!("{badge} === '5'"));
    assert_eq!(
        browser.eval("document.querySelectorAll('#alerts tbody tr:not(.below)').length"),
        3,
        "the filter stands"
    );
    world.alarms.put(over(alert, AlertState::Resolved, NOW));
    browser.wait("it is gone", &format!("!{list}.includes('www.tokyo.example.net')"));
    browser.wait("it is not counted", &format!("{badge} === '4'"));
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
fn a_target_says_live_what_the_detector_says() {
    let Some(mut browser) = chromium() else { return };
    let world = World::alarmed();
    let (_runtime, address) = served(&world);
    open(&mut browser, address, "/targets?region=tokyo");
    let row = "[...document.querySelectorAll('.targets tbody tr')].find((row) => row.innerText.includes('www.tokyo'))";
    assert_eq!(browser.eval(&format!("{row}.querySelector('.v-alert')")), serde_json::Value::Null);
    let now = world.target("www.tokyo.example.net");
    let alert = firing(40, &now.target, Severity::Warning, vec![slow(&now, NOW, 1)]);
    world.alarms.put(alert.clone());
    world.second();
    browser.wait(
        "it says so",
        &format!(
            "{row}.querySelector('.c-state .v-alert')?.innerText.trim() === 'latency above usual'"
        ),
    );
    let link = format!("{row}.querySelector('.v-alert').getAttribute('href')");
    assert_eq!(browser.eval(&link), "/alerts/40");
    world.alarms.put(over(alert, AlertState::Resolved, NOW));
    world.second();
    browser.wait("and no more", &format!("!{row}.querySelector('.v-alert')"));
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
fn an_alert_is_acknowledged_by_its_form_and_its_page_follows() {
    let Some(mut browser) = chromium() else { return };
    let world = World::alarmed();
    let (_runtime, address) = served(&world);
    open(&mut browser, address, "/alerts/21");
    browser.wait("the chart is drawn", "document.getElementById('chart').dataset.drawn > 100");
    assert_eq!(browser.eval("document.getElementById('chart').dataset.shaded"), "1");
    let lines = browser.eval("Number(document.getElementById('chart').dataset.lines)");
    assert!(lines.as_u64().unwrap() > 80, "{lines} points of what was usual");
    // The colour of the limit is on the canvas.
    let limit = "(() => { const c = document.querySelector('#smoke canvas'), p = c.getContext('2d')
        .getImageData(0, 0, c.width, c.height).data; let n = 0;
        for (let i = 0; i < p.length; i += 4) if (p[i] > 150 && p[i + 1] < 140 && p[i + 2] < 100 && p[i + 3] > 100) n++;
        return n; })()";
    let drawn = browser.eval(limit).as_u64().unwrap();
    assert!(drawn > 200, "{drawn} pixels of the limit and the alert's beginning");

    browser.eval(
        "(() => { const f = document.querySelector('form.act'); f.elements.by.value = 'anna';
            f.elements.by.dispatchEvent(new Event('change', { bubbles: true }));
            f.elements.note.value = '<b>carrier</b> knows'; f.querySelector('button').click(); })()",
    );
    let now = "document.getElementById('alert-now')?.innerText";
    browser.wait("it is known", &format!("{now}?.includes('known to anna, by the pages')"));
    let text = browser.eval("document.body.innerText");
    assert!(text.as_str().unwrap().contains("<b>carrier</b> knows"), "{text}");
    browser.wait(
        "who it was stays in the form",
        "document.querySelector('form.act').elements.by.value === 'anna'",
    );

    // Its end is seen without a reload, and is not fetched for ever.
    browser.wait("the page is live", "document.getElementById('live').className === 'on'");
    let present = netmend_show::Alerts::present(&*world.alarms);
    let alert = present.open.iter().find(|alert| alert.id.0 == 21).unwrap();
    world.alarms.put(over((**alert).clone(), AlertState::Resolved, NOW));
    browser.wait("it ended", &format!("{now}?.includes('resolved')"));
    assert_eq!(
        browser.eval("document.getElementById('alert-now').hasAttribute('data-over')"),
        true
    );
    let mut again = (**alert).clone();
    again.note(NOW, model::alert::Happening::Reopened);
    again.reopened = 1;
    world.alarms.put(again);
    browser.wait("it is bad again", &format!("{now}?.includes('bad again 1×')"));
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
fn a_form_says_what_could_not_be_done() {
    let Some(mut browser) = chromium() else { return };
    let world = World::alarmed();
    let (_runtime, address) = served(&world);
    open(&mut browser, address, "/silences?label=region&value=tokyo");
    let problem = "document.querySelector('#new .problem').innerText";
    let submit = "document.querySelector('#new form').requestSubmit()";
    let field = |name: &str, value: &str| {
        format!("document.querySelector('#new form').elements.{name}.value = '{value}'")
    };
    browser.eval(&field("note", "work"));
    browser.eval(&field("until", "2020-01-01T00:00"));
    browser.eval(submit);
    browser.wait("it says why", &format!("{problem}.includes('must end after it begins')"));
    assert_eq!(browser.eval(&field("note", "work")), "work", "what was typed stays");
    // A page from before a restart has the wrong token.
    browser.eval("document.querySelector('meta[name=netmend-token]').content = 'old'");
    browser.eval(submit);
    browser.wait("it says what to do", &format!("{problem}.includes('load it again')"));
    assert_eq!(world.alarms.asked(), []);
    // The refusals themselves are in the browser's log; nothing else is.
    let expected = ["status of 422", "status of 403"];
    let foreign = |text: &&String| !expected.iter().any(|words| text.contains(words));
    let other = browser.complaints.iter().filter(foreign);
    assert_eq!(other.count(), 0, "{:?}", browser.complaints);
}

#[test]
fn an_event_appears_unasked_and_a_storm_can_be_opened() {
    let Some(mut browser) = chromium() else { return };
    let world = World::new(crate::sim::small_network());
    let (_runtime, address) = served(&world);
    open(&mut browser, address, "/events");
    let list = "document.getElementById('events').innerText";
    assert_eq!(browser.eval(&format!("{list}.includes('No device has told')")), true);
    crate::events::fill(&world);
    browser.wait("they are listed", &format!("{list}.includes('BGP-3-NOTIFICATION')"));
    assert_eq!(browser.eval(&format!("{list}.includes('GigabitEthernet1/0/7')")), false);
    browser.eval("document.querySelector('.storm summary').click()");
    browser.wait("the storm is open", &format!("{list}.includes('GigabitEthernet1/0/7')"));
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
fn the_filter_of_alerts_answers_from_the_server_and_stands_in_the_url() {
    let Some(mut browser) = chromium() else { return };
    let world = World::alarmed();
    let (_runtime, address) = served(&world);
    open(&mut browser, address, "/alerts");
    browser.eval(
        "(() => { const s = document.querySelector('select[name=severity]'); s.value = 'info';
            s.dispatchEvent(new Event('change', { bubbles: true })); })()",
    );
    browser.wait("one is left", "document.querySelectorAll('#alerts tbody tr').length === 1");
    browser.wait("the URL says so", "location.search === '?severity=info'");
    browser.call("Page.reload", &json!({}));
    browser
        .wait("and it stays", "document.querySelector('select[name=severity]')?.value === 'info'");
    assert_eq!(browser.complaints, Vec::<String>::new());
}
