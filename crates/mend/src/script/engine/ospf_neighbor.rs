//! What `device.ospf_neighbor(...)` returns.

use std::fmt;

use allocative::Allocative;
use starlark::any::ProvidesStaticType;
use starlark::environment::{GlobalsBuilder, Methods, MethodsBuilder, MethodsStatic};
use starlark::values::starlark_value_as_type::StarlarkValueAsType;
use starlark::values::{NoSerialize, StarlarkPagablePanic, StarlarkValue, starlark_value};
use starlark::{starlark_module, starlark_simple_value};

use super::super::parse;

/// An OSPF neighbour.
#[derive(Clone, Debug, ProvidesStaticType, NoSerialize, Allocative, StarlarkPagablePanic)]
pub(super) struct OspfNeighbor(#[allocative(skip)] pub(super) parse::ospf::Neighbor);

starlark_simple_value!(OspfNeighbor);

impl fmt::Display for OspfNeighbor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<OSPF neighbor {}: {}>", self.0.id, self.0.state)
    }
}

#[starlark_value(type = "OspfNeighbor")]
impl<'v> StarlarkValue<'v> for OspfNeighbor {
    fn get_methods() -> Option<&'static Methods> {
        static METHODS: MethodsStatic = MethodsStatic::new("OspfNeighbor", methods);
        Some(METHODS.methods())
    }
}

#[starlark_module]
fn methods(builder: &mut MethodsBuilder) {
    /// Its router id.
    #[starlark(attribute)]
    fn id(this: &OspfNeighbor) -> starlark::Result<String> {
        Ok(this.0.id.clone())
    }

    /// Its address.
    #[starlark(attribute)]
    fn address(this: &OspfNeighbor) -> starlark::Result<String> {
        Ok(this.0.address.clone())
    }

    /// Our interface towards it.
    #[starlark(attribute)]
    fn interface(this: &OspfNeighbor) -> starlark::Result<String> {
        Ok(this.0.interface.clone())
    }

    /// `FULL`, `2WAY`, `EXSTART`, `EXCHANGE`, `LOADING`, `INIT`, `ATTEMPT` or `DOWN`.
    #[starlark(attribute)]
    fn state(this: &OspfNeighbor) -> starlark::Result<String> {
        Ok(this.0.state.clone())
    }
}

#[starlark_module]
pub(super) fn types(builder: &mut GlobalsBuilder) {
    /// The type of what `device.ospf_neighbor(...)` returns.
    const OspfNeighbor: StarlarkValueAsType<OspfNeighbor> = StarlarkValueAsType::new();
}
