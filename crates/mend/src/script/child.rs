//! The child process: from its only stream it takes files to read and steps to run, one at a time, until the
//! stream ends. It never starts by itself: `main` enters it before anything else is set up.

use std::cell::RefCell;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::thread;

use super::engine::Engine;
use super::sandbox;
use super::wire::{self, FromChild, Kind, Pipe, Run, ToChild};

/// Stack of the interpreter: deep calls must end by its own limit.
const STACK: usize = 32 << 20;

/// Serves the parent at standard input until it hangs up.
///
/// # Errors
/// The sandbox could not be entered, or the stream broke.
pub fn serve() -> io::Result<()> {
    let stream = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    let serving = thread::Builder::new().stack_size(STACK).spawn(move || answer(stream))?;
    serving.join().unwrap_or_else(|_| Err(io::Error::other("the interpreter gave up")))
}

fn answer(stream: UnixStream) -> io::Result<()> {
    let mut engine = Engine::new();
    sandbox::enter()?;
    let stream = Rc::new(RefCell::new(Pipe::new(stream)));
    loop {
        let message = wire::read(&mut *stream.borrow_mut())?;
        let answer = match message {
            None => return Ok(()),
            Some(ToChild::Load { file, source }) => engine.load(&file, &source),
            Some(ToChild::Run(run)) => steps(&mut engine, &run, &stream)?,
            Some(ToChild::Reply(_)) => return Err(io::Error::other("an answer to nothing")),
        };
        wire::write(stream.borrow_mut().get_mut(), &answer)?;
    }
}

/// Runs steps as long as each says yes; gives what came of the last one, once the others are told.
fn steps(engine: &mut Engine, run: &Run, stream: &Rc<RefCell<Pipe>>) -> io::Result<FromChild> {
    let mut steps = run.steps.iter().peekable();
    while let Some(step) = steps.next() {
        let answer = engine.run(run, step, Rc::clone(stream));
        let yes = matches!(&answer, FromChild::Done(ended) if ended.kind == Kind::Yes);
        if !yes || steps.peek().is_none() {
            return Ok(answer);
        }
        wire::write(stream.borrow_mut().get_mut(), &answer)?;
    }
    Err(io::Error::other("a run without a step"))
}
