//! The Silences page: lists, the form, and what it refuses.

use std::time::Duration;

use model::alert::{Operator, SilenceId, Weekday};
use netmend_show::{Command, NewSilence};

use crate::http::{get, send, text};
use crate::sim::small_network;
use crate::world::{NOW, World};

fn set(world: &World) -> NewSilence {
    match world.alarms.asked().pop() {
        Some((_, Command::Silence(silence))) => silence,
        other => panic!("no silence was set: {other:?}"),
    }
}

#[tokio::test]
async fn silences_are_listed_by_how_they_stand() {
    let world = World::alarmed();
    let page = get(&world.router, "/silences").await;
    let list = text(page.part("<section id=\"silences\""));
    for words in [
        "in 10 h #3 gateway=~\"gw[12]\" 2026-11-22 13:49:07 UTC CHG-20031: new line cards bo, by the pages 0",
        "active #2 region=~\"tokyo\" 2026-11-21 23:39:07 UTC CHG-20031: new line cards bo, by the pages 1",
    ] {
        assert!(list.contains(words), "no {words:?} in {list}");
    }
    assert!(!list.contains("#1"), "it has ended: {list}");
    let all = page.text();
    assert!(all.contains("#1 host=~\"cache.*\" 2026-11-20 00:09:07 UTC 3 h 20 min"), "{all}");
    assert!(
        all.contains(
            "not now weekend backups region=~\"aws-.*\" Sat Sun 22:00-06:00 Europe/London"
        )
    );
    let empty = get(&World::new(small_network()).router, "/silences").await.text();
    assert!(
        empty.contains("Nothing is silenced.") && empty.contains("None is configured"),
        "{empty}"
    );
}

#[tokio::test]
async fn a_silence_is_set_by_the_form_and_listed_at_once() {
    let world = World::alarmed();
    let form = "label=region&operator=%3D~&value=aws-.*&label=&operator=%3D&value=\
                &label=severity&operator=%21%3D&value=critical&duration=8h&from=&until=&note=work&by=bo\
                &day_from=22%3A00&day_until=06%3A00&zone=";
    let answer = send(&world, "POST", "/silences", form).await;
    assert_eq!(answer.status, 204, "{}", answer.body);
    assert_eq!(answer.headers["hx-redirect"], "/silences?set=4#silence-4");
    let silence = set(&world);
    assert_eq!(silence.matchers.len(), 2, "the empty row is left out");
    assert_eq!(silence.matchers[0].to_string(), "region=~\"aws-.*\"");
    assert_eq!(silence.matchers[1].operator, Operator::IsNot);
    assert_eq!((silence.from, silence.until), (None, Some(NOW + Duration::from_hours(8))));
    assert_eq!((silence.weekly, silence.note.as_str()), (None, "work"), "no day is named");
    let list = get(&world.router, "/silences").await.text();
    assert!(list.contains("active #4 region=~\"aws-.*\" severity!=\"critical\""), "{list}");
}

#[tokio::test]
async fn a_silence_may_begin_later_and_recur() {
    let world = World::alarmed();
    let at =
        "label=host&operator=%3D&value=db1&note=n&from=2026-11-23T08%3A00&until=2026-11-23T09%3A30";
    assert_eq!(send(&world, "POST", "/silences", at).await.status, 204);
    let silence = set(&world);
    let from = silence.from.unwrap();
    assert_eq!(silence.until.unwrap() - Duration::from_mins(90), from);
    let weekly = "label=host&operator=%3D&value=db1&note=n&duration=2h&day=Sun&day=Sat&day=Sat\
                  &day_from=22%3A00&day_until=00%3A00&zone=Europe%2FLondon&for_ever=yes";
    assert_eq!(send(&world, "POST", "/silences", weekly).await.status, 204);
    let silence = set(&world);
    assert_eq!(silence.until, None);
    let weekly = silence.weekly.unwrap();
    assert_eq!(weekly.days, [Weekday::Sat, Weekday::Sun]);
    assert_eq!((weekly.from, weekly.until, weekly.zone.as_str()), (1_320, 1_440, "Europe/London"));
}

#[tokio::test]
async fn what_cannot_be_meant_is_refused_in_words() {
    let world = World::alarmed();
    let whole = "label=host&operator=%3D&value=db1&duration=2h&note=n";
    for (form, words) in [
        ("duration=2h&note=n", "a silence needs a matcher"),
        ("value=x&operator=%3D&label=&duration=2h&note=n", "stands without a label"),
        (
            "label=host&operator=~&value=x&duration=2h&note=n",
            "an operator is one of =, !=, =~ and !~",
        ),
        ("label=host&operator=%3D&value=x&note=n", "a silence needs an end"),
        ("label=host&operator=%3D&value=x&duration=2h", "a silence needs a reason"),
        ("label=host&operator=%3D&value=x&duration=soon&note=n", "\"soon\" is no length"),
        ("label=host&operator=%3D&value=x&duration=0h&note=n", "\"0h\" is no length"),
        ("label=host&operator=%3D&value=x&duration=60w&note=n", "a year at most"),
        ("label=host&operator=%3D&value=x&duration=99999999999999999999w&note=n", "is no length"),
        (&*format!("{whole}&until=yesterday"), "until: \"yesterday\" is no time"),
        (&*format!("{whole}&until=2020-01-01T00%3A00"), "must end after it begins, and after now"),
        (&*format!("{whole}&day=funday"), "\"funday\" is no day of the week"),
        (&*format!("{whole}&day=mon&day_from=25%3A00&day_until=6"), "no time of day such as 22:00"),
        (
            &*format!("{whole}&day=mon&day_from=22%3A00&day_until=06%3A00&zone=Mars%2FBase"),
            "no time zone is called \"Mars/Base\"",
        ),
    ] {
        let answer = send(&world, "POST", "/silences", form).await;
        assert_eq!(answer.status, 422, "{form}: {}", answer.body);
        assert!(answer.text().contains(words), "{form}: {}", answer.text());
    }
    assert_eq!(world.alarms.asked(), [], "nothing of it was handed on");
}

#[tokio::test]
async fn a_silence_is_expired_once() {
    let world = World::alarmed();
    let answer = send(&world, "POST", "/silences/2/expire", "").await;
    assert_eq!(answer.status, 204, "{}", answer.body);
    assert_eq!(answer.headers["hx-redirect"], "/silences");
    let expired = Command::Expire(SilenceId(2));
    assert_eq!(world.alarms.asked(), [("somebody, by the pages".to_owned(), expired)]);
    let page = get(&world.router, "/silences").await.text();
    assert!(page.contains("bo, by the pages , ended by somebody, by the pages"), "{page}");
    let again = send(&world, "POST", "/silences/2/expire", "").await;
    assert_eq!(again.status, 404);
    assert!(again.text().contains("no silence has the number 2"), "{}", again.text());
}

#[tokio::test]
async fn the_form_is_filled_in_from_the_url() {
    let world = World::alarmed();
    let page = get(&world.router, "/silences?label=target&value=%22%3E%3Cb%3E").await;
    let form = page.part("<form class=\"act wide\"");
    assert!(
        form.contains("value=\"target\"") && form.contains("value=\"&quot;&gt;&lt;b&gt;\""),
        "{form}"
    );
    assert!(page.body.contains("<option value=\"gateway\">"), "the user's own tags are offered");
}
