//! What keeps alerts quiet: silences that people set and maintenance windows of the configuration. A quiet
//! alert lives on; only nobody is told, except of its end where they were told of its beginning.

use std::time::Duration;

use model::alert::{AlertId, Happening, Matcher, QuietBy, Silence, SilenceId, Weekly};
use model::{Alert, UnixMs};

use super::{CommandError, Engine};
use crate::calendar::Hours;
use crate::matching::Matching;
use crate::route::{Maintenance, covers};

/// How often it is looked at whether a silence or a window has begun or ended.
const LOOK: Duration = Duration::from_secs(10);

/// A silence to be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewSilence {
    /// All must fit; at least one.
    pub matchers: Vec<Matcher>,
    /// When it begins; `None` is now.
    pub from: Option<UnixMs>,
    /// When it ends; `None` only for one that recurs.
    pub until: Option<UnixMs>,
    /// It holds only at these hours of the week.
    pub weekly: Option<Weekly>,
    /// Why.
    pub note: String,
}

/// A silence, ready to be held against alerts.
#[derive(Debug)]
pub(super) struct Kept {
    silence: Silence,
    matching: Matching,
    hours: Option<Hours>,
}

impl Kept {
    /// Makes a silence ready.
    pub(super) fn new(silence: Silence) -> Result<Self, CommandError> {
        let matching = Matching::new(&silence.matchers)?;
        let hours = silence.weekly.as_ref().map(Hours::new).transpose()?;
        Ok(Self { silence, matching, hours })
    }

    /// Whether it holds now.
    fn holds(&self, now: UnixMs) -> bool {
        self.silence.from <= now
            && !self.is_over(now)
            && self.hours.as_ref().is_none_or(|hours| hours.hold(now))
    }

    /// Whether it will never hold again.
    pub(super) fn is_over(&self, now: UnixMs) -> bool {
        self.silence.expired.is_some() || self.silence.until.is_some_and(|until| until <= now)
    }
}

impl Engine {
    /// Sets a silence. `by` is who asks.
    pub fn silence(
        &mut self,
        new: NewSilence,
        by: &str,
        now: UnixMs,
    ) -> Result<SilenceId, CommandError> {
        let from = new.from.unwrap_or(now);
        if new.matchers.is_empty() {
            return Err(CommandError::Silence(
                "a silence needs a matcher, or it would keep everything quiet; say host=~\".*\" if you mean that",
            ));
        }
        if new.until.is_none() && new.weekly.is_none() {
            return Err(CommandError::Silence(
                "a silence needs an end, such as --for 2h; only one that recurs may go without",
            ));
        }
        if new.until.is_some_and(|until| until <= now || until <= from) {
            return Err(CommandError::Silence("the silence would end before it begins"));
        }
        let silence = Silence {
            id: SilenceId(self.next.silence),
            matchers: new.matchers,
            from,
            until: new.until,
            weekly: new.weekly,
            created: now,
            by: by.to_owned(),
            note: new.note,
            expired: None,
        };
        let kept = Kept::new(silence)?;
        let id = kept.silence.id;
        self.next.silence += 1;
        self.out.silences.push(kept.silence.clone());
        self.silences.insert(id, kept);
        self.looked = None;
        self.look_at_quiet(now);
        Ok(id)
    }

    /// Ends a silence before its time.
    pub fn expire(&mut self, id: SilenceId, by: &str, now: UnixMs) -> Result<(), CommandError> {
        let kept = self.silences.get_mut(&id).filter(|kept| !kept.is_over(now));
        let kept = kept.ok_or(CommandError::NoSilence(id))?;
        kept.silence.expired = Some((now, by.to_owned()));
        self.out.silences.push(kept.silence.clone());
        self.looked = None;
        self.look_at_quiet(now);
        Ok(())
    }

    /// The silences that have not ended, and whether each holds now.
    pub fn silences(&self, now: UnixMs) -> impl Iterator<Item = (&Silence, bool)> {
        let kept = self.silences.values().filter(move |kept| !kept.is_over(now));
        kept.map(move |kept| (&kept.silence, kept.holds(now)))
    }

    /// The maintenance windows of the configuration, and whether each holds now.
    pub fn maintenance(&self, now: UnixMs) -> impl Iterator<Item = (&Maintenance, bool)> {
        self.settings.maintenance.iter().map(move |window| (window, window.holds(now)))
    }

    /// Notes what keeps each open alert quiet from now on.
    pub(super) fn look_at_quiet(&mut self, now: UnixMs) {
        if self.looked.is_some_and(|looked| now >= looked && now < looked + LOOK) {
            return;
        }
        self.looked = Some(now);
        let mut ids: Vec<AlertId> = self.held.keys().copied().collect();
        ids.sort_unstable();
        for id in ids {
            self.quieten(id, now);
        }
    }

    /// Notes what keeps one alert quiet.
    pub(super) fn quieten(&mut self, id: AlertId, now: UnixMs) {
        let alert = &self.held[&id].alert;
        if !alert.is_open() {
            return;
        }
        let quiet = self.quiet_by(alert, now);
        if quiet == alert.quiet {
            return;
        }
        let begun: Vec<QuietBy> =
            quiet.iter().filter(|by| !alert.quiet.contains(by)).cloned().collect();
        let loud = quiet.is_empty();
        self.change(id).quiet = quiet;
        for by in begun {
            self.note(id, now, Happening::Quiet(by));
        }
        if loud {
            self.note(id, now, Happening::Loud);
        }
    }

    fn quiet_by(&self, alert: &Alert, now: UnixMs) -> Vec<QuietBy> {
        let speaker = alert.quiet.iter().filter(|by| matches!(by, QuietBy::Alert(_))).cloned();
        let silences = self
            .silences
            .values()
            .filter(|kept| kept.holds(now) && covers(&kept.matching, alert))
            .map(|kept| QuietBy::Silence(kept.silence.id));
        let windows = self
            .settings
            .maintenance
            .iter()
            .filter(|window| window.holds(now) && covers(&window.matching, alert))
            .map(|window| QuietBy::Maintenance(window.name.clone()));
        speaker.chain(silences).chain(windows).collect()
    }
}
