//! `netmend syslog parse`: lines in, JSON lines out, in order, whatever the bytes are. It contacts nobody
//! and keeps nothing.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use jiff::Timestamp;
use measure::wire::syslog::{self, Meanings};
use model::{Clock, SystemClock, UnixMs};

use super::json;
use crate::config;
use crate::report::Report;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Keys of each object, null where the line does not say: format, device, relay, app, pid, seq,
facility, severity, code, code_norm, device_time, time_quality, message, raw. With --meaning also
kind, condition (fault, clear or note), object, fields. Bytes that are not UTF-8 are shown as U+FFFD.

Exit codes: 0 all lines were read, 1 a pattern file is wrong, 3 bad arguments, 4 standard input or
output failed.")]
pub(crate) struct Args {
    /// When the lines were received, for times without a year: RFC 3339, now if not given.
    #[arg(long, value_name = "TIME")]
    received: Option<Timestamp>,
    /// Believe the outer of two headers: the lines came through a relay that you trust.
    #[arg(long)]
    trust_relay: bool,
    /// Tell what the messages mean, too.
    #[arg(long)]
    meaning: bool,
    /// Folder of pattern files that count before the shipped ones; implies --meaning.
    #[arg(long, value_name = "FOLDER")]
    patterns: Option<PathBuf>,
}

/// Bytes read at once. What has been read is written before more is waited for, so that a pipe that
/// pauses leaves no line behind and a file is written in large pieces.
const CHUNK: usize = 256 << 10;

pub(crate) fn run(args: &Args) -> Result<ExitCode, Report> {
    let mut input = io::stdin().lock();
    let mut output = io::stdout().lock();
    let wanted = args.meaning || args.patterns.is_some();
    let meanings = if wanted { Some(meanings(args)?) } else { None };
    let printer = Printer { meanings, trust_relay: args.trust_relay };
    let received = args.received.map(|at| UnixMs(at.as_millisecond()));
    match copy(&mut input, &mut output, &printer, received, &SystemClock) {
        // A reader that has gone away is not a failure.
        Err(Failure::Write(why)) if why.kind() == io::ErrorKind::BrokenPipe => {
            Ok(ExitCode::SUCCESS)
        }
        Err(Failure::Write(why)) => {
            Err(Report::because("cannot write to standard output", &why).code(4))
        }
        Err(Failure::Read(why)) => Err(Report::because("cannot read standard input", &why).code(4)),
        Ok(()) => Ok(ExitCode::SUCCESS),
    }
}

fn meanings(args: &Args) -> Result<Meanings, Report> {
    config::load_patterns(args.patterns.as_deref())
        .map_err(|problems| Report::because("cannot take the patterns", &problems))
}

/// How lines are printed.
struct Printer {
    meanings: Option<Meanings>,
    trust_relay: bool,
}

impl Printer {
    fn line(&self, out: &mut Vec<u8>, line: &[u8], received: UnixMs) {
        let record = match &self.meanings {
            Some(meanings) => meanings.read(line, received),
            None => syslog::parse(line, received),
        };
        json::record(out, &record, self.trust_relay);
        if let Some(meanings) = &self.meanings {
            json::meaning(out, meanings.of(&record).as_ref());
        }
    }
}

/// Which side failed.
enum Failure {
    Read(io::Error),
    Write(io::Error),
}

fn copy(
    input: &mut impl Read,
    output: &mut impl Write,
    printer: &Printer,
    given: Option<UnixMs>,
    clock: &dyn Clock,
) -> Result<(), Failure> {
    let mut buffer = vec![0; CHUNK];
    let mut written = Vec::with_capacity(2 * CHUNK);
    let (mut filled, mut searched) = (0, 0);
    loop {
        if filled == buffer.len() {
            buffer.resize(2 * filled, 0);
        }
        let read = match input.read(&mut buffer[filled..]) {
            Err(why) if why.kind() == io::ErrorKind::Interrupted => continue,
            result => result.map_err(Failure::Read)?,
        };
        filled += read;
        let now = given.unwrap_or_else(|| clock.now_ms());
        let mut start = 0;
        for at in memchr::memchr_iter(b'\n', &buffer[searched..filled]) {
            let end = searched + at;
            printer.line(&mut written, &buffer[start..end], now);
            start = end + 1;
        }
        if read == 0 && start < filled {
            printer.line(&mut written, &buffer[start..filled], now);
            start = filled;
        }
        output.write_all(&written).and_then(|()| output.flush()).map_err(Failure::Write)?;
        written.clear();
        if read == 0 {
            return Ok(());
        }
        buffer.copy_within(start..filled, 0);
        filled -= start;
        searched = filled;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Hands out its pieces one read at a time, as a pipe does.
    struct Pieces(Vec<&'static [u8]>);

    impl Read for Pieces {
        fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
            if self.0.is_empty() {
                return Ok(0);
            }
            let piece = self.0.remove(0);
            into[..piece.len()].copy_from_slice(piece);
            Ok(piece.len())
        }
    }

    /// Remembers what was there at each flush.
    #[derive(Default)]
    struct Flushes(Vec<u8>, Vec<usize>);

    impl Write for Flushes {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.write(bytes)
        }
        fn flush(&mut self) -> io::Result<()> {
            self.1.push(memchr::memchr_iter(b'\n', &self.0).count());
            Ok(())
        }
    }

    #[test]
    fn what_a_pipe_has_delivered_is_written_before_more_is_waited_for() {
        let mut input = Pieces(vec![b"<13>one\n<13>t", b"wo\n", b"three"]);
        let mut output = Flushes::default();
        let printer = Printer { meanings: None, trust_relay: false };
        assert!(copy(&mut input, &mut output, &printer, None, &SystemClock).is_ok());
        assert_eq!(output.1, [1, 2, 2, 3]);
        let text = String::from_utf8(output.0).unwrap();
        assert!(text.lines().nth(1).unwrap().contains(r#""raw":"<13>two""#), "{text}");
    }
}
