//! The differential test: both rules decide as the reference implementation does, sample by sample.
//! `tests/golden/golden.py` wrote the files and holds their format.

use std::fs;
use std::path::{Path, PathBuf};

use detect::{Detector, Learned, Rules, Samples, Settings, Sigma};
use model::{Metric, UnixMs};

/// One series with the decisions of the reference.
struct Golden {
    metric: Metric,
    step: u32,
    seconds: Vec<i64>,
    /// Values in milliseconds or percent; NaN is missing.
    values: Vec<f64>,
    /// Samples at which the alert of `nm` and of `sigma` goes on or off.
    flips: [Vec<usize>; 2],
}

#[test]
fn nm_and_loss_decide_as_the_reference_sample_by_sample() {
    compare(0, |_| Learned::Reference);
}

#[test]
fn sigma_decides_as_the_reference_sample_by_sample() {
    compare(1, |step| {
        Learned::Sigma(Sigma { samples: Samples::Each(step.into()), ..Sigma::default() })
    });
}

fn compare(rule: usize, learned: fn(u32) -> Learned) {
    let (mut samples, mut alerts) = (0, 0);
    for path in files() {
        for (number, golden) in read(&path).iter().enumerate() {
            let found = flips(golden, learned(golden.step));
            let name = format!("{}, series {number} ({})", path.display(), golden.metric);
            let wanted = &golden.flips[rule];
            let first = found.iter().zip(wanted).position(|(a, b)| a != b);
            assert_eq!(first, None, "{name}: differs from there on");
            assert_eq!(found.len(), wanted.len(), "{name}: number of changes");
            samples += golden.values.len();
            alerts += found.len();
        }
    }
    assert!(
        samples > 500_000 && alerts > 100,
        "{samples} samples with {alerts} changes are no test"
    );
}

/// The samples at which our detector goes on or off.
fn flips(golden: &Golden, learned: Learned) -> Vec<usize> {
    let probes = Some(f64::from(golden.step) / 2.0);
    let settings = Settings { learned, probes, ..Settings::default() };
    let mut rules = Rules::new(golden.metric, &settings).unwrap();
    let mut detector = Detector::new(&rules);
    let mut firing = false;
    let mut flips = Vec::new();
    for (index, (second, value)) in golden.seconds.iter().zip(&golden.values).enumerate() {
        let judgement = detector.push(&mut rules, UnixMs(second * 1000), *value).unwrap();
        assert_eq!(judgement.change.is_some(), judgement.is_firing() != firing);
        if judgement.is_firing() != firing {
            firing = !firing;
            flips.push(index);
        }
    }
    flips
}

/// Our files and those of the folder `NETMEND_GOLDEN`.
fn files() -> Vec<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let more = std::env::var_os("NETMEND_GOLDEN").map(PathBuf::from);
    let folders = [Some(own), more].into_iter().flatten();
    let entries = folders.flat_map(|folder| {
        fs::read_dir(&folder).unwrap_or_else(|why| panic!("{}: {why}", folder.display()))
    });
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|ending| ending == "golden"));
    files.sort();
    files
}

fn read(path: &Path) -> Vec<Golden> {
    let bytes = fs::read(path).unwrap();
    let mut rest = bytes.strip_prefix(b"NMG1").unwrap_or_else(|| panic!("{}", path.display()));
    let mut all = Vec::new();
    while !rest.is_empty() {
        let metric =
            [Metric::Rtt, Metric::Jitter, Metric::Loss][usize::from(take::<1>(&mut rest)[0])];
        let step = number(&mut rest);
        let count = number(&mut rest) as usize;
        let mut second = i64::from_le_bytes(take(&mut rest));
        let steps = integers(&mut rest);
        let mut seconds = vec![second];
        seconds.extend(steps.iter().map(|step| {
            second += i64::from(*step);
            second
        }));
        let missing = |milli: i32| if milli < 0 { f64::NAN } else { f64::from(milli) / 1000.0 };
        let values: Vec<f64> = integers(&mut rest).into_iter().map(missing).collect();
        assert_eq!((seconds.len(), values.len()), (count, count), "{}", path.display());
        let flips = [indices(&mut rest), indices(&mut rest)];
        all.push(Golden { metric, step, seconds, values, flips });
    }
    all
}

fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (head, tail) = rest.split_first_chunk().expect("the file ends within a record");
    *rest = tail;
    *head
}

fn number(rest: &mut &[u8]) -> u32 {
    u32::from_le_bytes(take(rest))
}

fn integers(rest: &mut &[u8]) -> Vec<i32> {
    let bytes = number(rest) as usize;
    let (packed, tail) = rest.split_at(bytes);
    *rest = tail;
    pco::standalone::simple_decompress(packed).expect("a whole pco block")
}

fn indices(rest: &mut &[u8]) -> Vec<usize> {
    let count = number(rest);
    (0..count).map(|_| number(rest) as usize).collect()
}
