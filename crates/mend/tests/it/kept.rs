//! Sessions that stay open from one run to the next.

use std::sync::Arc;
use std::time::Duration;

use lab::Misbehaviour;
use mend::Platform;
use mend::session::Kept;
use model::Secret;
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::lab_device::Bench;

fn kept() -> Kept {
    let kept = Kept::default();
    kept.keep_for(Duration::from_secs(30));
    kept
}

#[tokio::test(start_paused = true)]
async fn a_session_is_kept_for_a_while_for_who_logs_in_the_same_way() {
    for platform in [Platform::Ios, Platform::Junos, Platform::Linux] {
        let bench = Bench::new(platform);
        let (kept, endpoint) = (kept(), &bench.endpoint);
        let said = kept.put(endpoint, bench.open().await.unwrap()).await;
        assert!(said.to_string().contains("login as netmend"), "{platform}: {said}");
        sleep(Duration::from_secs(29)).await;
        let mut session = kept.take(endpoint, &bench.limits).await.expect("it is kept");
        let look = if platform == Platform::Linux { "uname -s" } else { "show version" };
        session.show(look).await.unwrap_or_else(|why| panic!("{platform}: {why}"));
        assert!(kept.take(endpoint, &bench.limits).await.is_none(), "it has been taken");
        let said = kept.put(endpoint, session).await.to_string();
        assert!(said.contains("open session") && !said.contains("login as"), "{platform}: {said}");
        sleep(Duration::from_secs(31)).await;
        assert!(kept.take(endpoint, &bench.limits).await.is_none(), "{platform}: for too long");
        kept.put(endpoint, bench.open().await.unwrap()).await;
        let mut other = endpoint.clone();
        other.login.password = Some(Secret::new("another"));
        assert!(kept.take(&other, &bench.limits).await.is_none(), "{platform}");
        assert_eq!(bench.device.logins(), 2, "{platform}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_is_in_doubt_or_whose_device_has_gone_is_not_taken() {
    let bench = Bench::wrong(Platform::Eos, Misbehaviour::Hang);
    let mut session = bench.open().await.unwrap();
    session.show("show version").await.unwrap_err();
    let kept = kept();
    kept.put(&bench.endpoint, session).await;
    assert!(kept.take(&bench.endpoint, &bench.limits).await.is_none());

    let bench = Bench::new(Platform::Eos);
    let (session, device) = bench.open_until(&bench.device).await;
    kept.put(&bench.endpoint, session.unwrap()).await;
    device.abort();
    sleep(Duration::from_secs(2)).await;
    assert!(kept.take(&bench.endpoint, &bench.limits).await.is_none());

    kept.put(&bench.endpoint, bench.open().await.unwrap()).await;
    kept.close().await;
    assert!(kept.take(&bench.endpoint, &bench.limits).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_device_is_asked_whether_it_is_there_unless_it_was_a_moment_ago() {
    let (bench, kept) = (Bench::new(Platform::Eos), kept());
    let silence = Arc::new(Notify::new());
    let (session, _device) = bench.open_over(&bench.device, Arc::clone(&silence)).await;
    kept.put(&bench.endpoint, session.unwrap()).await;
    silence.notify_one();
    let session = kept.take(&bench.endpoint, &bench.limits).await.expect("it is not asked");
    kept.put(&bench.endpoint, session).await;
    sleep(Duration::from_secs(2)).await;
    assert!(kept.take(&bench.endpoint, &bench.limits).await.is_none(), "it says nothing");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_kept_unless_told() {
    let (bench, kept) = (Bench::new(Platform::Ios), Kept::default());
    kept.put(&bench.endpoint, bench.open().await.unwrap()).await;
    assert!(kept.take(&bench.endpoint, &bench.limits).await.is_none());
}
