//! `event`: what was said of the device. Text of strangers, to be read and compared.

use std::fmt;

use allocative::Allocative;
use starlark::any::ProvidesStaticType;
use starlark::environment::{GlobalsBuilder, Methods, MethodsBuilder, MethodsStatic};
use starlark::values::none::NoneOr;
use starlark::values::starlark_value_as_type::StarlarkValueAsType;
use starlark::values::{NoSerialize, StarlarkPagablePanic, StarlarkValue, starlark_value};
use starlark::{starlark_module, starlark_simple_value};

use super::super::wire::EventFacts;

/// An event.
#[derive(Clone, Debug, ProvidesStaticType, NoSerialize, Allocative, StarlarkPagablePanic)]
pub(super) struct Event(#[allocative(skip)] pub(super) EventFacts);

starlark_simple_value!(Event);

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<event {} of {}>", self.0.code, self.0.device)
    }
}

#[starlark_value(type = "Event")]
impl<'v> StarlarkValue<'v> for Event {
    fn get_methods() -> Option<&'static Methods> {
        static METHODS: MethodsStatic = MethodsStatic::new("Event", methods);
        Some(METHODS.methods())
    }
}

/// The message does not tell something that a script needs.
#[derive(Debug, thiserror::Error)]
#[error("the message names no {0}; event.get(\"{0}\") returns None instead")]
struct Missing(&'static str);

impl Event {
    fn field(&self, name: &'static str) -> starlark::Result<String> {
        let told = self.0.fields.get(name).cloned();
        told.ok_or_else(|| starlark::Error::new_native(Missing(name)))
    }
}

#[starlark_module]
fn methods(builder: &mut MethodsBuilder) {
    /// Name of the device in the inventory.
    #[starlark(attribute)]
    fn device(this: &Event) -> starlark::Result<String> {
        Ok(this.0.device.clone())
    }

    /// The code, in normal form.
    #[starlark(attribute)]
    fn code(this: &Event) -> starlark::Result<String> {
        Ok(this.0.code.clone())
    }

    /// What it is about, in one string; empty if the message names nothing.
    #[starlark(attribute)]
    fn object(this: &Event) -> starlark::Result<String> {
        Ok(this.0.object.clone())
    }

    /// Severity from 0, the worst, to 7, or None.
    #[starlark(attribute)]
    fn severity(this: &Event) -> starlark::Result<NoneOr<i32>> {
        Ok(this.0.severity.map_or(NoneOr::None, |severity| NoneOr::Other(i32::from(severity))))
    }

    /// How often it was told.
    #[starlark(attribute)]
    fn count(this: &Event) -> starlark::Result<u64> {
        Ok(this.0.count)
    }

    /// What was said.
    #[starlark(attribute)]
    fn message(this: &Event) -> starlark::Result<String> {
        Ok(this.0.message.clone())
    }

    /// What the message tells of this, or None.
    fn get(
        this: &Event,
        #[starlark(require = pos)] name: &str,
    ) -> starlark::Result<NoneOr<String>> {
        Ok(this.0.fields.get(name).cloned().map_or(NoneOr::None, NoneOr::Other))
    }

    /// Interface, port, channel or tunnel.
    #[starlark(attribute)]
    fn interface(this: &Event) -> starlark::Result<String> {
        this.field("interface")
    }

    /// Neighbour, by address or name.
    #[starlark(attribute)]
    fn peer(this: &Event) -> starlark::Result<String> {
        this.field("peer")
    }

    /// VLAN.
    #[starlark(attribute)]
    fn vlan(this: &Event) -> starlark::Result<String> {
        this.field("vlan")
    }

    /// The state it is in now.
    #[starlark(attribute)]
    fn state(this: &Event) -> starlark::Result<String> {
        this.field("state")
    }

    /// Why.
    #[starlark(attribute)]
    fn reason(this: &Event) -> starlark::Result<String> {
        this.field("reason")
    }

    /// Who did it.
    #[starlark(attribute)]
    fn user(this: &Event) -> starlark::Result<String> {
        this.field("user")
    }

    /// Routing instance.
    #[starlark(attribute)]
    fn vrf(this: &Event) -> starlark::Result<String> {
        this.field("vrf")
    }

    /// AS number.
    #[starlark(attribute)]
    fn asn(this: &Event) -> starlark::Result<String> {
        this.field("asn")
    }

    /// OSPF area or IS-IS level.
    #[starlark(attribute)]
    fn area(this: &Event) -> starlark::Result<String> {
        this.field("area")
    }

    /// Process or instance of a protocol.
    #[starlark(attribute)]
    fn process(this: &Event) -> starlark::Result<String> {
        this.field("process")
    }

    /// Group of HSRP, VRRP or a port channel.
    #[starlark(attribute)]
    fn group(this: &Event) -> starlark::Result<String> {
        this.field("group")
    }

    /// Slot, module, power supply or fan.
    #[starlark(attribute)]
    fn module(this: &Event) -> starlark::Result<String> {
        this.field("module")
    }

    /// Label-switched path.
    #[starlark(attribute)]
    fn lsp(this: &Event) -> starlark::Result<String> {
        this.field("lsp")
    }

    /// What was measured.
    #[starlark(attribute)]
    fn value(this: &Event) -> starlark::Result<String> {
        this.field("value")
    }
}

#[starlark_module]
pub(super) fn types(builder: &mut GlobalsBuilder) {
    /// The type of `event`.
    const Event: StarlarkValueAsType<Event> = StarlarkValueAsType::new();
}
