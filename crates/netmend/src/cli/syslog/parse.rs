//! `netmend syslog parse`: lines in, JSON lines out, in order, whatever the bytes are. It contacts nobody
//! and keeps nothing.

use std::io::{self, Read, Write};
use std::process::ExitCode;

use jiff::Timestamp;
use measure::wire::syslog;
use model::{Clock, SystemClock, UnixMs};

use super::json;
use crate::report::Report;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Keys of each object, null where the line does not say: format, device, relay, app, pid, seq, facility,
severity, code, code_norm, device_time, time_quality, message, raw. Bytes that are not UTF-8 are shown
as U+FFFD.

Exit codes: 0 all lines were read, 3 bad arguments, 4 standard input or output failed.")]
pub(crate) struct Args {
    /// When the lines were received, for times without a year: RFC 3339, now if not given.
    #[arg(long, value_name = "TIME")]
    received: Option<Timestamp>,
    /// Believe the outer of two headers: the lines came through a relay that you trust.
    #[arg(long)]
    trust_relay: bool,
}

/// Bytes read at once. What has been read is written before more is waited for, so that a pipe that
/// pauses leaves no line behind and a file is written in large pieces.
const CHUNK: usize = 256 << 10;

pub(crate) fn run(args: &Args) -> Result<ExitCode, Report> {
    let mut input = io::stdin().lock();
    let mut output = io::stdout().lock();
    match copy(&mut input, &mut output, args, &SystemClock) {
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

/// Which side failed.
enum Failure {
    Read(io::Error),
    Write(io::Error),
}

fn copy(
    input: &mut impl Read,
    output: &mut impl Write,
    args: &Args,
    clock: &dyn Clock,
) -> Result<(), Failure> {
    let given = args.received.map(|at| UnixMs(at.as_millisecond()));
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
            line(&mut written, &buffer[start..end], now, args);
            start = end + 1;
        }
        if read == 0 && start < filled {
            line(&mut written, &buffer[start..filled], now, args);
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

fn line(out: &mut Vec<u8>, line: &[u8], received: UnixMs, args: &Args) {
    json::record(out, &syslog::parse(line, received), args.trust_relay);
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
        let args = Args { received: None, trust_relay: false };
        assert!(copy(&mut input, &mut output, &args, &SystemClock).is_ok());
        assert_eq!(output.1, [1, 2, 2, 3]);
        let text = String::from_utf8(output.0).unwrap();
        assert!(text.lines().nth(1).unwrap().contains(r#""raw":"<13>two""#), "{text}");
    }
}
