//! The Starlark side, which runs in child processes only: reads files, and runs steps with the objects that
//! scripts see. What it wants of a device it asks for over the stream; what it may have is decided at the other
//! end.
//!
//! A new object is one file here and one line in [`globals`].

#![expect(
    unsafe_code,
    unused_qualifications,
    clippy::elidable_lifetime_names,
    clippy::unnecessary_wraps,
    reason = "what starlark's derives expand to, and the forms that they want; no other unsafe code is here"
)]

mod annotate;
mod bgp_peer;
mod context;
mod device;
mod event;
mod interface;
mod literal;
mod load;
mod lsp;
mod module;
mod ospf_neighbor;
mod remediation;
mod suggest;
mod text;
mod verdict;

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use starlark::PrintHandler;
use starlark::environment::{FrozenModule, Globals, GlobalsBuilder, LibraryExtension, Module};
use starlark::eval::Evaluator;
use starlark::values::ValueLike;

use super::meta::Step;
use super::wire::{Ended, Flaw, FromChild, Kind, Pipe, Run};
use crate::platform::Platform;
use annotate::Annotated;
use context::Context;
use verdict::Answer;

/// Steps of the interpreter that a script may take.
const TICKS: u64 = 500_000;
/// Bytes of values that it may make.
const HEAP: usize = 64 << 20;
/// Calls within calls.
const DEPTH: usize = 100;
/// Files that stay read.
const CACHED: usize = 64;

/// Reads and runs files.
pub(super) struct Engine {
    globals: Globals,
    /// Files that were read already, by SHA-256.
    cache: HashMap<String, (Rc<Annotated>, FrozenModule)>,
}

/// What scripts can use.
fn globals() -> Globals {
    GlobalsBuilder::extended_by(&[
        LibraryExtension::Json,
        LibraryExtension::Print,
        LibraryExtension::Typing,
    ])
    .with(event::types)
    .with(device::types)
    .with(interface::types)
    .with(bgp_peer::types)
    .with(ospf_neighbor::types)
    .with(lsp::types)
    .with(module::types)
    .with(remediation::functions)
    .with(verdict::functions)
    .with(text::functions)
    .build()
}

impl Engine {
    pub(super) fn new() -> Self {
        Self { globals: globals(), cache: HashMap::new() }
    }

    /// Reads a file: what it says of itself, or all that is wrong with it.
    pub(super) fn load(&self, file: &str, source: &str) -> FromChild {
        match load::load(&self.globals, file, source) {
            Ok(loaded) => FromChild::Loaded(Box::new(loaded)),
            Err(flaws) => FromChild::Flawed(flaws),
        }
    }

    /// Runs a step; `stream` leads to who has the device.
    pub(super) fn run(&mut self, run: &Run, step: &str, stream: Rc<RefCell<Pipe>>) -> FromChild {
        match self.step(run, step, stream) {
            Ok(ended) => FromChild::Done(ended),
            Err(flaw) => FromChild::Failed(flaw),
        }
    }

    fn step(&mut self, run: &Run, step: &str, stream: Rc<RefCell<Pipe>>) -> Result<Ended, Flaw> {
        let flaw = |what: String| Flaw { what, ..Flaw::default() };
        let step = Step::named(step).ok_or_else(|| flaw(format!("no step is named {step}")))?;
        let platform = Platform::named(&run.platform);
        let platform =
            platform.ok_or_else(|| flaw(format!("no platform is named {}", run.platform)))?;
        let (annotated, module) = self.module(run)?;
        let function = module.get(step.name()).map_err(|why| flaw(why.to_string()))?;
        let context = Context::running(stream, platform);
        let notes = Notes::default();
        let result = Module::with_temp_heap(|module| {
            let heap = module.heap();
            let event = heap.alloc(event::Event(run.event.clone()));
            let device = heap.alloc(device::Device { name: run.event.device.clone(), platform });
            let mut evaluator = Evaluator::new(&module);
            limit(&mut evaluator);
            evaluator.extra = Some(&context);
            evaluator.set_print_handler(&notes);
            let function = heap.access_owned_frozen_value(&function);
            let value = evaluator.eval_function(function, &[event, device], &[]);
            let value = value.map_err(|why| annotated.flaw(&why))?;
            let answer = value.downcast_ref::<Answer>().cloned();
            answer.or_else(|| plain(step, value.unpack_bool(), value.is_none())).ok_or_else(|| {
                flaw(format!(
                    "`{step}` must return True or False, or yes(...) or no(...), not {}",
                    value.get_type()
                ))
            })
        });
        let notes = notes.0.into_inner();
        match (result, context.escalated()) {
            (_, Some(reason)) => Ok(Ended { kind: Kind::Escalate, reason, notes }),
            (Ok(Answer { yes, reason }), None) => {
                Ok(Ended { kind: if yes { Kind::Yes } else { Kind::No }, reason, notes })
            }
            (Err(flaw), None) => Err(flaw),
        }
    }

    /// The file of a run, read.
    fn module(&mut self, run: &Run) -> Result<(Rc<Annotated>, FrozenModule), Flaw> {
        if let Some((annotated, module)) = self.cache.get(&run.sha256) {
            return Ok((Rc::clone(annotated), module.clone()));
        }
        let (annotated, module, _) = load::evaluate(&self.globals, &run.file, &run.source)?;
        let annotated = Rc::new(annotated);
        if self.cache.len() >= CACHED {
            self.cache.clear();
        }
        self.cache.insert(run.sha256.clone(), (Rc::clone(&annotated), module.clone()));
        Ok((annotated, module))
    }
}

/// What True, False and nothing mean.
fn plain(step: Step, bool: Option<bool>, none: bool) -> Option<Answer> {
    // A repair that returns nothing was made; a question must be answered.
    let yes = bool.or((none && step.may_change()).then_some(true))?;
    Some(Answer { yes, reason: String::new() })
}

/// Sets what a script may use up. The rest is up to the process.
fn limit(evaluator: &mut Evaluator<'_, '_, '_>) {
    evaluator.set_max_tick_count(TICKS).expect("it is set once, and not to nothing");
    evaluator.set_max_heap_size(HEAP).expect("it is set once, and not to nothing");
    evaluator.set_max_callstack_size(DEPTH).expect("it is set once, and not to nothing");
}

/// What a script prints: notes for the run.
#[derive(Default)]
struct Notes(RefCell<Vec<String>>);

/// Most notes of a run, and the longest.
const NOTES: usize = 100;
const NOTE: usize = 1_000;

impl PrintHandler for Notes {
    fn println(&self, text: &str) -> starlark::Result<()> {
        let mut notes = self.0.borrow_mut();
        if notes.len() < NOTES {
            notes.push(text[..text.floor_char_boundary(NOTE)].to_owned());
        }
        Ok(())
    }
}
