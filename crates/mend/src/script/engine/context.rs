//! What the functions that scripts call have in common: the way to the device while a step runs, and what a file
//! says of itself while it is read.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use starlark::any::ProvidesStaticType;
use starlark::eval::Evaluator;

use super::super::template::Template;
use super::super::wire::{self, Call, FromChild, Loaded, Pipe, ToChild};
use crate::platform::Platform;

/// Stands behind an evaluation.
#[derive(ProvidesStaticType)]
pub(super) struct Context {
    /// What the file says of itself, and how often it did.
    meta: RefCell<Loaded>,
    said: Cell<u32>,
    /// The way to the device; `None` while a file is only read.
    device: Option<(Rc<RefCell<Pipe>>, Platform)>,
    /// Why people must look at it.
    escalated: RefCell<Option<String>>,
}

/// Why a script cannot go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stop {
    /// It asks for a device while it is read.
    #[error("a device can only be asked within check, fix, verify and undo")]
    Reading,
    /// The parent or the device says no.
    #[error("{0}")]
    Refused(String),
    /// The stream ended.
    #[error("nobody listens any more")]
    Gone,
}

impl Context {
    /// For reading a file.
    pub(super) fn reading() -> Self {
        Self {
            meta: RefCell::default(),
            said: Cell::new(0),
            device: None,
            escalated: RefCell::default(),
        }
    }

    /// For running a step.
    pub(super) fn running(stream: Rc<RefCell<Pipe>>, platform: Platform) -> Self {
        Self { device: Some((stream, platform)), ..Self::reading() }
    }

    /// The one behind an evaluation.
    pub(super) fn of<'a>(evaluator: &Evaluator<'_, 'a, '_>) -> &'a Self {
        let extra = evaluator.extra.expect("every evaluation has a context");
        extra.downcast_ref().expect("there is no other kind of context")
    }

    /// Takes what a file says of itself.
    pub(super) fn describe(&self, meta: Loaded) {
        self.said.set(self.said.get() + 1);
        *self.meta.borrow_mut() = meta;
    }

    /// What the file said of itself, and how often.
    pub(super) fn meta(&self) -> (Loaded, u32) {
        (self.meta.borrow().clone(), self.said.get())
    }

    /// Hands it to people.
    pub(super) fn escalate(&self, reason: &str) {
        *self.escalated.borrow_mut() = Some(reason.to_owned());
    }

    /// Why people must look at it, if so.
    pub(super) fn escalated(&self) -> Option<String> {
        self.escalated.borrow().clone()
    }

    /// Sends a command and waits for the answer.
    pub(super) fn device(
        &self,
        template: Template,
        arguments: Vec<String>,
    ) -> Result<String, Stop> {
        self.call(Call::Device { template, arguments })
    }

    /// Asks for something and waits for the answer.
    pub(super) fn call(&self, call: Call) -> Result<String, Stop> {
        let (stream, _) = self.device.as_ref().ok_or(Stop::Reading)?;
        let mut stream = stream.borrow_mut();
        wire::write(stream.get_mut(), &FromChild::Call(call)).map_err(|_| Stop::Gone)?;
        match wire::read(&mut *stream) {
            Ok(Some(ToChild::Reply(reply))) => reply.map_err(Stop::Refused),
            _ => Err(Stop::Gone),
        }
    }
}
