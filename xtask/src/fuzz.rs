//! `cargo xtask fuzz`: cargo-fuzz on the parsers, a fixed time each. The tests run a short form of the
//! same with proptest.

use crate::{command, packages};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Only these targets; all without.
    targets: Vec<String>,
    /// Seconds for each target.
    #[arg(long, default_value_t = 600)]
    seconds: u32,
}

pub(crate) fn run(args: &Args) -> Result<(), String> {
    packages::install_cargo("cargo-fuzz")?;
    let targets = if args.targets.is_empty() { all()? } else { args.targets.clone() };
    let time = format!("-max_total_time={}", args.seconds);
    for target in &targets {
        // The sanitizer's coverage flags are unstable; RUSTC_BOOTSTRAP lets the stable compiler take them.
        let (corpus, seeds) = (format!("fuzz/corpus/{target}"), format!("fuzz/seeds/{target}"));
        let folder = command::root().join(&corpus);
        std::fs::create_dir_all(&folder).map_err(|why| format!("{}: {why}", folder.display()))?;
        let run = ["fuzz", "run", "--sanitizer", "none"];
        let needs: &[&str] = match target.as_str() {
            "config" => &["--features", "config"],
            "facts" | "session" => &["--features", "devices"],
            _ => &[],
        };
        let what = [target.as_str(), &corpus, &seeds, "--", &time, "-rss_limit_mb=2048"];
        let line = [&run[..], needs, &what].concat();
        command::run_in("cargo", &line, &[("RUSTC_BOOTSTRAP", "1")])?;
    }
    println!("xtask: {} targets, {} s each, no crash", targets.len(), args.seconds);
    Ok(())
}

/// Names of the fuzz targets: the files of the folder that cargo-fuzz reads.
fn all() -> Result<Vec<String>, String> {
    let folder = command::root().join("fuzz/fuzz_targets");
    let entries =
        std::fs::read_dir(&folder).map_err(|why| format!("{}: {why}", folder.display()))?;
    let mut names: Vec<String> = entries
        .filter_map(Result::ok)
        .filter_map(|entry| entry.path().file_stem()?.to_str().map(str::to_owned))
        .collect();
    names.sort();
    Ok(names)
}
