//! The detectors of all series of a daemon, each found by its series' number. Samples come in the unit of
//! their metric and judgements leave in it. It must not know targets.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{BuildHasherDefault, Hash, Hasher};
use std::time::Duration;

use model::{Judgement, Metric, Sample, SeriesId, UnixMs};

use crate::detector::Detector;
use crate::settings::{Rules, Settings, SettingsError};
use crate::snapshot::{self, SnapshotError};

/// Microseconds of the samples in a millisecond of the rules.
const PER_MS: f32 = 1000.0;

/// Judges samples of many series.
#[derive(Debug, Default)]
pub struct Judge {
    series: HashMap<Key, Watched, BuildHasherDefault<Plain>>,
    /// Rules in use, each shared by the series that are judged alike.
    rules: Vec<Shared>,
    refused: u64,
}

#[derive(Debug)]
struct Watched {
    detector: Detector,
    rules: u32,
}

#[derive(Debug)]
struct Shared {
    settings: Settings,
    rules: Rules,
}

impl Judge {
    /// A judge of no series yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Judges a series from now on, or by other settings from now on. What was learned stays, unless the
    /// kind of rule changes.
    pub fn watch(
        &mut self,
        series: SeriesId,
        metric: Metric,
        settings: &Settings,
    ) -> Result<(), SettingsError> {
        let number = self.share(metric, settings)?;
        let rules = &self.rules[number].rules;
        match self.series.entry(Key::of(series)) {
            Entry::Vacant(free) => {
                free.insert(Watched { detector: Detector::new(rules), rules: number as u32 });
            }
            Entry::Occupied(mut held) => {
                let watched = held.get_mut();
                if !watched.detector.fits(rules) {
                    watched.detector = Detector::new(rules);
                }
                watched.rules = number as u32;
            }
        }
        Ok(())
    }

    /// Judges a series no longer and forgets what was learned; whether it was judged.
    pub fn forget(&mut self, series: SeriesId) -> bool {
        self.series.remove(&Key::of(series)).is_some()
    }

    /// Forgets what was learned of a series, and judges it on by the same settings; whether it is judged.
    /// Then replay it.
    pub fn renew(&mut self, series: SeriesId) -> bool {
        let Some(watched) = self.series.get_mut(&Key::of(series)) else { return false };
        watched.detector = Detector::new(&self.rules[watched.rules as usize].rules);
        true
    }

    /// Judges one sample. `None` if its series is not watched, or if the sample changes nothing since it
    /// cannot be or is not newer than the last; those are counted in [`Judge::refused`].
    pub fn push(&mut self, sample: &Sample) -> Option<Judgement> {
        let watched = self.series.get_mut(&Key::of(sample.series))?;
        let rules = &mut self.rules[watched.rules as usize].rules;
        let unit = unit(rules.metric);
        let judged = watched.detector.push(rules, sample.at, sample.value / f64::from(unit));
        self.refused += u64::from(judged.is_none());
        judged.map(|judgement| scaled(judgement, unit))
    }

    /// How a series stands at a time, without a new sample; `None` if it is not watched.
    pub fn now(&mut self, series: SeriesId, at: UnixMs) -> Option<Judgement> {
        let watched = self.series.get(&Key::of(series))?;
        let rules = &mut self.rules[watched.rules as usize].rules;
        let judgement = watched.detector.now(rules, at);
        Some(scaled(judgement, unit(rules.metric)))
    }

    /// How long a series must be good until what is wrong with it is over, where somebody decided.
    pub fn clear_after(&self, series: SeriesId) -> Option<Duration> {
        let watched = self.series.get(&Key::of(series))?;
        let settings = &self.rules[watched.rules as usize].settings;
        settings.clear_after.map(Duration::from_secs_f64)
    }

    /// The time of the last sample of a series that was judged: where a replay has to go on.
    pub fn last(&self, series: SeriesId) -> Option<UnixMs> {
        self.series.get(&Key::of(series))?.detector.last()
    }

    /// What was learned of all series, alerts included, for [`Judge::restore`].
    pub fn snapshot(&self) -> Vec<u8> {
        let series = self.series.iter().map(|(key, watched)| (key.series(), &watched.detector));
        snapshot::write(series)
    }

    /// Takes over a snapshot for the series that are watched by now, and returns how many went on. A
    /// series that is not in it, or was judged by another kind of rule, knows nothing yet. Refused bytes
    /// change nothing. Then replay: each series from [`Judge::last`] on.
    pub fn restore(&mut self, bytes: &[u8]) -> Result<usize, SnapshotError> {
        let mut held = Vec::new();
        snapshot::read(bytes, |series, detector| held.push((Key::of(series), detector)))?;
        let mut restored = 0;
        for (key, detector) in held {
            let Some(watched) = self.series.get_mut(&key) else { continue };
            if detector.fits(&self.rules[watched.rules as usize].rules) {
                watched.detector = detector;
                restored += 1;
            }
        }
        Ok(restored)
    }

    /// Number of series that are judged.
    pub fn len(&self) -> usize {
        self.series.len()
    }

    /// Whether no series is judged.
    pub fn is_empty(&self) -> bool {
        self.series.is_empty()
    }

    /// Samples of watched series that could not be or came out of order, since the start.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    /// The place of the rules that these settings make.
    fn share(&mut self, metric: Metric, settings: &Settings) -> Result<usize, SettingsError> {
        let same = |shared: &Shared| shared.rules.metric == metric && shared.settings == *settings;
        if let Some(number) = self.rules.iter().position(same) {
            return Ok(number);
        }
        let rules = Rules::new(metric, settings)?;
        self.rules.push(Shared { settings: settings.clone(), rules });
        Ok(self.rules.len() - 1)
    }
}

/// What one unit of the rules is in the unit of the samples.
fn unit(metric: Metric) -> f32 {
    match metric {
        Metric::Rtt | Metric::Jitter => PER_MS,
        Metric::Loss | Metric::Interface(_) => 1.0,
    }
}

fn scaled(judgement: Judgement, unit: f32) -> Judgement {
    Judgement {
        value: judgement.value * unit,
        usual: judgement.usual * unit,
        varies: judgement.varies * unit,
        limit: judgement.limit * unit,
        ..judgement
    }
}

/// A series number in two words: half the alignment of a `u128`, and a table of half the padding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key([u64; 2]);

impl Key {
    fn of(series: SeriesId) -> Self {
        Self([(series.0 >> 64) as u64, series.0 as u64])
    }

    fn series(self) -> SeriesId {
        SeriesId(u128::from(self.0[0]) << 64 | u128::from(self.0[1]))
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.0[1]);
    }
}

/// Takes the number as its own hash: it is one already.
#[derive(Debug, Default)]
struct Plain(u64);

impl Hasher for Plain {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = word;
    }
}
