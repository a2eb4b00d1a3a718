//! Where `chart.js` draws a target's past: one metric with the detector's lines, the loss below it, marks and
//! alerts. It must not read the past itself: the script asks the API.

use maud::{Markup, html};
use model::{AlertId, Band, Labels, Metric, Series, SeriesId, TargetNow, TargetSeries, UnixMs};

use crate::assets;
use crate::history::Span;

/// Whose past it is.
pub(super) struct Subject {
    /// Its name among marks.
    pub(super) host: String,
    /// Its series.
    pub(super) series: TargetSeries,
    /// For a target that is not probed any more, the labels of its series.
    left: Option<Labels>,
}

impl Subject {
    /// A target of now.
    pub(super) fn of(now: &TargetNow) -> Self {
        Self { host: now.target.host.clone(), series: now.series, left: None }
    }

    /// A target of which only the store knows, by the labels of its series.
    pub(super) fn left(labels: &Labels) -> Self {
        let id = |metric| Series { metric, labels: labels.clone() }.id();
        let series = TargetSeries {
            rtt: id(Metric::Rtt),
            jitter: id(Metric::Jitter),
            loss: id(Metric::Loss),
        };
        let host = labels.get("host").unwrap_or_default().to_owned();
        Self { host, series, left: Some(labels.clone()) }
    }

    /// Whether it is still probed.
    pub(super) fn is_present(&self) -> bool {
        self.left.is_none()
    }

    /// The address of its page.
    pub(super) fn link(&self) -> String {
        format!("/targets/{}", self.series.rtt)
    }

    /// What the script asks for if the target is not there any more, in the order it expects: the metric,
    /// the loss, and the lines of the detector.
    fn series_of(&self, metric: Metric) -> Option<String> {
        let labels = self.left.clone()?;
        let main = Series { metric, labels };
        let lines = Band::ALL.map(|band| main.band(band).id());
        let ids: [SeriesId; 4] = [main.id(), self.series.loss, lines[0], lines[1]];
        Some(ids.map(|id| id.to_string()).join(","))
    }
}

/// What is drawn.
pub(super) struct Figure<'a> {
    /// Whose.
    pub(super) subject: &'a Subject,
    /// Which metric above the loss.
    pub(super) metric: Metric,
    /// The span, if it goes on with time only its beginning counts.
    pub(super) span: Span,
    /// The name of a span that ends now and goes on with time.
    pub(super) follows: Option<&'a str>,
    /// Whether the end goes on with time while the beginning stays.
    pub(super) open_end: bool,
    /// The alert that the page is about; others are drawn fainter.
    pub(super) alert: Option<AlertId>,
}

impl Figure<'_> {
    /// The figure, and the scripts that draw it.
    pub(super) fn markup(&self) -> Markup {
        let until = (!self.open_end).then(|| self.span.until.0.to_string());
        let main = match self.metric {
            Metric::Rtt => "RTT",
            Metric::Jitter => "Jitter",
            Metric::Loss => "Loss",
            Metric::Interface(of) => of.as_str(),
        };
        html! {
            figure #chart data-target=(self.subject.series.rtt) data-metric=(self.metric)
                data-from=(self.span.from.0) data-until=[until] data-span=[self.follows]
                data-series=[self.subject.series_of(self.metric)] data-subject=(self.subject.host)
                data-alert=[self.alert]
                aria-label={ (main) " and loss over time; the same numbers stand in the tables of this page" }
            {
                div #smoke {} div #loss {} div #legend {}
                figcaption {
                    span.key.k0 { "no loss" } span.key.k1 { "up to 5 %" } span.key.k2 { "up to 20 %" }
                    span.key.k3 { "up to 50 %" } span.key.k4 { "more" }
                    span.key.band1 { "10 to 90 %" } span.key.band2 { "min to max" }
                    span.key.usual { "usual" } span.key.limit { "limit" } span.key.alerted { "alert" }
                    span #chart-note role="status" {}
                }
                noscript { p.empty { "The charts need JavaScript; the numbers below do not." } }
            }
            script defer src=(assets::url("uPlot.iife.min.js")) {}
            script defer src=(assets::url("chart.js")) {}
        }
    }
}

/// The span around an alert: an hour or its own length before it, and half of that after it.
pub(super) fn around(since: UnixMs, ended: Option<UnixMs>, now: UnixMs) -> Span {
    const HOUR: i64 = 3_600_000;
    let end = ended.unwrap_or(now).0.max(since.0);
    let length = (end - since.0).clamp(HOUR, 7 * 24 * HOUR);
    let until = end.saturating_add(length / 2).min(now.0).max(end).max(since.0 + 1);
    Span { from: UnixMs(since.0.saturating_sub(length)), until: UnixMs(until) }
}
