//! What `device.module(...)` returns.

use std::fmt;

use allocative::Allocative;
use starlark::any::ProvidesStaticType;
use starlark::environment::{GlobalsBuilder, Methods, MethodsBuilder, MethodsStatic};
use starlark::values::starlark_value_as_type::StarlarkValueAsType;
use starlark::values::{NoSerialize, StarlarkPagablePanic, StarlarkValue, starlark_value};
use starlark::{starlark_module, starlark_simple_value};

use super::super::parse;

/// A module, line card or supervisor.
#[derive(Clone, Debug, ProvidesStaticType, NoSerialize, Allocative, StarlarkPagablePanic)]
pub(super) struct Module(#[allocative(skip)] pub(super) parse::module::Module);

starlark_simple_value!(Module);

impl fmt::Display for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<module {}: {}>", self.0.slot, self.0.status)
    }
}

#[starlark_value(type = "Module")]
impl<'v> StarlarkValue<'v> for Module {
    fn get_methods() -> Option<&'static Methods> {
        static METHODS: MethodsStatic = MethodsStatic::new("Module", methods);
        Some(METHODS.methods())
    }
}

#[starlark_module]
fn methods(builder: &mut MethodsBuilder) {
    /// Its slot.
    #[starlark(attribute)]
    fn slot(this: &Module) -> starlark::Result<String> {
        Ok(this.0.slot.clone())
    }

    /// Its state, in the device's own words.
    #[starlark(attribute)]
    fn status(this: &Module) -> starlark::Result<String> {
        Ok(this.0.status.clone())
    }

    /// Whether it works.
    #[starlark(attribute)]
    fn ok(this: &Module) -> starlark::Result<bool> {
        Ok(this.0.ok)
    }
}

#[starlark_module]
pub(super) fn types(builder: &mut GlobalsBuilder) {
    /// The type of what `device.module(...)` returns.
    const Module: StarlarkValueAsType<Module> = StarlarkValueAsType::new();
}
