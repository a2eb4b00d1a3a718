//! What a step answers: `yes(...)`, `no(...)`, `escalate(...)`.

use std::fmt;

use allocative::Allocative;
use starlark::any::ProvidesStaticType;
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::values::none::NoneType;
use starlark::values::{NoSerialize, StarlarkPagablePanic, StarlarkValue, starlark_value};
use starlark::{starlark_module, starlark_simple_value};

use super::context::Context;

/// Longest reason, in bytes.
const REASON: usize = 1_000;

/// Yes or no, with a reason.
#[derive(Clone, Debug, ProvidesStaticType, NoSerialize, Allocative, StarlarkPagablePanic)]
pub(super) struct Answer {
    pub(super) yes: bool,
    pub(super) reason: String,
}

starlark_simple_value!(Answer);

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}({:?})", if self.yes { "yes" } else { "no" }, self.reason)
    }
}

#[starlark_value(type = "Answer")]
impl<'v> StarlarkValue<'v> for Answer {
    fn to_bool(&self) -> bool {
        self.yes
    }
}

fn reason(text: &str) -> String {
    text[..text.floor_char_boundary(REASON)].to_owned()
}

#[derive(Debug, thiserror::Error)]
#[error("handed to people: {0}")]
struct Escalated(String);

#[starlark_module]
pub(super) fn functions(builder: &mut GlobalsBuilder) {
    /// True, with a reason that people read.
    fn yes(#[starlark(require = pos)] why: &str) -> starlark::Result<Answer> {
        Ok(Answer { yes: true, reason: reason(why) })
    }

    /// False, with a reason that people read.
    fn no(#[starlark(require = pos)] why: &str) -> starlark::Result<Answer> {
        Ok(Answer { yes: false, reason: reason(why) })
    }

    /// Stops here and hands the event to people.
    fn escalate<'v>(
        #[starlark(require = pos)] why: &str,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<NoneType> {
        Context::of(eval).escalate(&reason(why));
        Err(starlark::Error::new_native(Escalated(reason(why))))
    }
}
