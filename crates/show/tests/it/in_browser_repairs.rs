//! Logging in, and repairs, in a real browser.

use crate::in_browser::{chromium, looks, served};
use crate::login::guarded;
use crate::repairs::{fill, repaired};

#[test]
fn somebody_logs_in_answers_a_question_and_logs_out() {
    let Some(mut browser) = chromium() else { return };
    let world = guarded();
    fill(&world);
    let (_runtime, address) = served(&world);
    browser.look_like(1400, 1000, false);
    browser.open(&format!("http://{address}/runs?state=success"));
    assert_eq!(browser.eval("location.pathname"), "/login");
    let enter = |name: &str, password: &str| {
        format!(
            "(() => {{ const f = document.querySelector('form'); f.elements.name.value = '{name}';
                f.elements.password.value = '{password}'; f.requestSubmit(); }})()"
        )
    };
    browser.eval(&enter("otto", "wrong horse"));
    browser
        .wait("it says why", "document.querySelector('.problem')?.innerText.includes('is wrong')");
    assert_eq!(browser.eval("document.querySelector('[name=name]').value"), "otto");
    browser.eval(&enter("otto", "correct horse"));
    browser.wait("and leads back", "location.pathname + location.search === '/runs?state=success'");
    browser.wait("it names them", "document.querySelector('.account')?.innerText === 'otto'");
    assert_eq!(browser.eval("document.cookie"), "", "no script sees the session");

    browser.open(&format!("http://{address}/"));
    browser.wait("the page is live", "document.getElementById('live').className === 'on'");
    browser.eval(
        "(() => { window.before = true; const f = document.querySelector('.answers'); f.elements.note.value = 'go on';
            f.querySelector('.yes').click(); })()",
    );
    browser.wait(
        "the page is loaded again",
        "!window.before && document.querySelector('.answers .no')",
    );
    let asked = world.menders.asked();
    assert_eq!(asked.len(), 1);
    let (who, order) = &asked[0];
    assert_eq!(who, "otto");
    assert_eq!(format!("{order:?}"), "Approve { event: EventId(2), note: \"go on\" }");
    browser.wait("it is live", "document.getElementById('live')?.className === 'on'");
    browser.eval("window.before = true; document.querySelector('.answers .no').click()");
    browser
        .wait("the page is loaded again", "!window.before && document.querySelector('.answers')");
    let asked = world.menders.asked();
    assert_eq!(asked.len(), 2, "no is not also yes: {asked:?}");
    assert!(format!("{:?}", asked[1].1).starts_with("Reject"), "{asked:?}");

    browser.open(&format!("http://{address}/account"));
    browser.eval("document.querySelector('form[hx-post=\"/logout\"] button').click()");
    browser.wait("the login is back", "location.pathname === '/login'");
    browser.open(&format!("http://{address}/"));
    assert_eq!(browser.eval("location.pathname"), "/login");
    let foreign = |text: &&String| !text.contains("status of 401");
    let other = browser.complaints.iter().filter(foreign);
    assert_eq!(other.count(), 0, "{:?}", browser.complaints);
}

#[test]
fn a_page_whose_session_ends_leads_to_the_login() {
    let Some(mut browser) = chromium() else { return };
    let world = guarded();
    let (_runtime, address) = served(&world);
    browser.open(&format!("http://{address}/login?to=/targets"));
    browser.eval(
        "(() => { const f = document.querySelector('form'); f.elements.name.value = 'vera';
            f.elements.password.value = 'correct horse'; f.requestSubmit(); })()",
    );
    browser.wait("the page is live", "document.getElementById('live')?.className === 'on'");
    let remove = netmend_show::login::Order::Remove { name: "vera".into() };
    world.logins.order("test", remove).unwrap();
    browser.wait(
        "it is sent to the login",
        "location.pathname === '/login' && location.search === '?to=%2Ftargets'",
    );
}

#[test]
fn a_run_under_way_is_followed_and_a_step_can_be_folded() {
    let Some(mut browser) = chromium() else { return };
    let world = repaired();
    let (_runtime, address) = served(&world);
    browser.look_like(1400, 1000, false);
    browser.open(&format!("http://{address}/runs/3"));
    browser.wait("the page is live", "document.getElementById('live').className === 'on'");
    let state = "document.querySelector('header.alert .badge').innerText.trim()";
    assert_eq!(browser.eval(state), "running");
    crate::repairs::finish(&world);
    browser.wait("its end is seen unasked", &format!("{state} === 'success'"));
    browser.open(&format!("http://{address}/runs/1"));
    browser.eval("document.querySelector('#fix > summary').click()");
    assert_eq!(browser.eval("document.querySelector('#fix').open"), false);
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
fn the_incident_is_drawn_with_its_chart_and_the_run_on_it() {
    let Some(mut browser) = chromium() else { return };
    let world = repaired();
    let (_runtime, address) = served(&world);
    browser.look_like(1400, 1000, false);
    browser.open(&format!("http://{address}/incidents/event-1"));
    browser
        .wait("the chart is drawn", "Number(document.getElementById('chart').dataset.drawn) > 10");
    assert!(browser.eval("document.querySelectorAll('.story li').length").as_u64().unwrap() >= 8);
    assert_eq!(browser.complaints, Vec::<String>::new());
}

#[test]
fn the_pages_of_repairs_fit_a_phone() {
    let Some(mut browser) = chromium() else { return };
    let world = repaired();
    let (_runtime, address) = served(&world);
    let folder = std::env::var_os("NETMEND_PICTURES").map(std::path::PathBuf::from);
    let pages = [
        ("now", "/"),
        ("runs", "/runs"),
        ("run", "/runs/1"),
        ("remediations", "/remediations"),
        ("remediation", "/remediations/bgp_reset"),
        ("incident", "/incidents/event-1"),
        ("event", "/events/2"),
        ("system", "/system"),
        ("target", "/targets?host=edge1"),
    ];
    looks(&mut browser, address, "repairs-", &pages, |_| None);
    // A page that is open would rightly complain that it needs a login from now on.
    browser.open("about:blank");
    crate::login::add_users(&world);
    for (width, dark) in [(1400, false), (390, true)] {
        browser.look_like(width, 900, dark);
        browser.open(&format!("http://{address}/login"));
        let wide = browser.eval("document.documentElement.scrollWidth");
        assert!(wide.as_u64().unwrap() <= u64::from(width), "the login is {wide} wide at {width}");
        if let Some(folder) = &folder {
            browser.picture(&folder.join(format!("repairs-login-{width}.png")));
        }
    }
    assert_eq!(browser.complaints, Vec::<String>::new());
}
