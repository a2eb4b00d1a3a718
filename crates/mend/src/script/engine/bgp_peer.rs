//! What `device.bgp_peer(...)` returns.

use std::fmt;

use allocative::Allocative;
use starlark::any::ProvidesStaticType;
use starlark::environment::{GlobalsBuilder, Methods, MethodsBuilder, MethodsStatic};
use starlark::values::none::NoneOr;
use starlark::values::starlark_value_as_type::StarlarkValueAsType;
use starlark::values::{NoSerialize, StarlarkPagablePanic, StarlarkValue, starlark_value};
use starlark::{starlark_module, starlark_simple_value};

use super::super::parse;

/// A BGP neighbour.
#[derive(Clone, Debug, ProvidesStaticType, NoSerialize, Allocative, StarlarkPagablePanic)]
pub(super) struct BgpPeer(#[allocative(skip)] pub(super) parse::bgp::Peer);

starlark_simple_value!(BgpPeer);

impl fmt::Display for BgpPeer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<BGP peer {}: {}>", self.0.name, self.0.state)
    }
}

#[starlark_value(type = "BgpPeer")]
impl<'v> StarlarkValue<'v> for BgpPeer {
    fn get_methods() -> Option<&'static Methods> {
        static METHODS: MethodsStatic = MethodsStatic::new("BgpPeer", methods);
        Some(METHODS.methods())
    }
}

#[starlark_module]
fn methods(builder: &mut MethodsBuilder) {
    /// Its address or name, as the device writes it.
    #[starlark(attribute)]
    fn name(this: &BgpPeer) -> starlark::Result<String> {
        Ok(this.0.name.clone())
    }

    /// Its AS number, or None.
    #[starlark(attribute)]
    fn asn(this: &BgpPeer) -> starlark::Result<NoneOr<u32>> {
        Ok(this.0.asn.map_or(NoneOr::None, NoneOr::Other))
    }

    /// What people wrote about it.
    #[starlark(attribute)]
    fn description(this: &BgpPeer) -> starlark::Result<String> {
        Ok(this.0.description.clone())
    }

    /// State of the session: `Established`, `Active`, `Connect`, `OpenSent`, `OpenConfirm`, `Idle`.
    #[starlark(attribute)]
    fn state(this: &BgpPeer) -> starlark::Result<String> {
        Ok(this.0.state.clone())
    }

    /// Whether a person shut it.
    #[starlark(attribute)]
    fn shut(this: &BgpPeer) -> starlark::Result<bool> {
        Ok(this.0.shut)
    }

    /// Whether it sent more prefixes than it may, and stays down until it is cleared.
    #[starlark(attribute)]
    fn over_limit(this: &BgpPeer) -> starlark::Result<bool> {
        Ok(this.0.over_limit)
    }

    /// Why it went down last, in the device's own words; may be empty.
    #[starlark(attribute)]
    fn reason(this: &BgpPeer) -> starlark::Result<String> {
        Ok(this.0.reason.clone())
    }
}

#[starlark_module]
pub(super) fn types(builder: &mut GlobalsBuilder) {
    /// The type of what `device.bgp_peer(...)` returns.
    const BgpPeer: StarlarkValueAsType<BgpPeer> = StarlarkValueAsType::new();
}
