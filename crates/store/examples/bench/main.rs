//! Measures the store. `bench local DIR` measures it alone,
//! `bench ask` one question again and again on what `local` left, for a profiler, `bench many` keeps 100,000 series at
//! 10 s; `cargo xtask bench store` runs `bench round` for
//! it and for each peer, one after the other on the same work, and prints the table.

#![expect(clippy::print_stdout, reason = "figures are its output")]

use std::path::Path;

mod data;
mod http;
mod local;
mod many;
mod round;
mod side;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["local", dir] => local::run(Path::new(dir)),
        ["ask", question, times, dir] => local::repeat(question, times.parse()?, Path::new(dir)),
        ["many", minutes, dir] => many::run(minutes.parse()?, Path::new(dir)),
        ["serve", address, dir] => local::serve(address, Path::new(dir)),
        ["round", side, address, dir] => {
            let side = side::Side::from_name(side).ok_or("no such side")?;
            println!("{}", round::run(side, address, Path::new(dir))?);
            Ok(())
        }
        _ => Err("usage: bench local DIR | ask [exact-]day|hour TIMES DIR | many MINUTES DIR | serve ADDRESS DIR | round SIDE ADDRESS DIR".into()),
    }
}
