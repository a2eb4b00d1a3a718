//! What `device.lsp(...)` returns.

use std::fmt;

use allocative::Allocative;
use starlark::any::ProvidesStaticType;
use starlark::environment::{GlobalsBuilder, Methods, MethodsBuilder, MethodsStatic};
use starlark::values::starlark_value_as_type::StarlarkValueAsType;
use starlark::values::{NoSerialize, StarlarkPagablePanic, StarlarkValue, starlark_value};
use starlark::{starlark_module, starlark_simple_value};

use super::super::parse;

/// A label-switched path.
#[derive(Clone, Debug, ProvidesStaticType, NoSerialize, Allocative, StarlarkPagablePanic)]
pub(super) struct Lsp(#[allocative(skip)] pub(super) parse::lsp::Lsp);

starlark_simple_value!(Lsp);

impl fmt::Display for Lsp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<LSP {}: {}>", self.0.name, if self.0.up { "up" } else { "down" })
    }
}

#[starlark_value(type = "Lsp")]
impl<'v> StarlarkValue<'v> for Lsp {
    fn get_methods() -> Option<&'static Methods> {
        static METHODS: MethodsStatic = MethodsStatic::new("Lsp", methods);
        Some(METHODS.methods())
    }
}

#[starlark_module]
fn methods(builder: &mut MethodsBuilder) {
    /// Its name.
    #[starlark(attribute)]
    fn name(this: &Lsp) -> starlark::Result<String> {
        Ok(this.0.name.clone())
    }

    /// Where it leads.
    #[starlark(attribute)]
    fn to(this: &Lsp) -> starlark::Result<String> {
        Ok(this.0.to.clone())
    }

    /// `down` if a person shut it, else `up`.
    #[starlark(attribute)]
    fn admin(this: &Lsp) -> starlark::Result<String> {
        Ok(if this.0.admin { "up" } else { "down" }.to_owned())
    }

    /// `up` or `down`.
    #[starlark(attribute)]
    fn state(this: &Lsp) -> starlark::Result<String> {
        Ok(if this.0.up { "up" } else { "down" }.to_owned())
    }

    /// The path that it takes now; empty if the device names none.
    #[starlark(attribute)]
    fn path(this: &Lsp) -> starlark::Result<String> {
        Ok(this.0.path.clone())
    }
}

#[starlark_module]
pub(super) fn types(builder: &mut GlobalsBuilder) {
    /// The type of what `device.lsp(...)` returns.
    const Lsp: StarlarkValueAsType<Lsp> = StarlarkValueAsType::new();
}
