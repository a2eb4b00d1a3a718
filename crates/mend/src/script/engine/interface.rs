//! What `device.interface(...)` returns.

use std::fmt;

use allocative::Allocative;
use starlark::any::ProvidesStaticType;
use starlark::environment::{GlobalsBuilder, Methods, MethodsBuilder, MethodsStatic};
use starlark::values::none::NoneOr;
use starlark::values::starlark_value_as_type::StarlarkValueAsType;
use starlark::values::{NoSerialize, StarlarkPagablePanic, StarlarkValue, starlark_value};
use starlark::{starlark_module, starlark_simple_value};

use super::super::parse;

/// An interface of the device.
#[derive(Clone, Debug, ProvidesStaticType, NoSerialize, Allocative, StarlarkPagablePanic)]
pub(super) struct Interface(#[allocative(skip)] pub(super) parse::interface::Interface);

starlark_simple_value!(Interface);

impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parse::interface::Interface { name, admin, oper, protocol, .. } = &self.0;
        let (admin, oper, protocol) = (up(*admin), up(*oper), up(*protocol));
        write!(f, "<interface {name}: admin {admin}, oper {oper}, protocol {protocol}>")
    }
}

#[starlark_value(type = "Interface")]
impl<'v> StarlarkValue<'v> for Interface {
    fn get_methods() -> Option<&'static Methods> {
        static METHODS: MethodsStatic = MethodsStatic::new("Interface", methods);
        Some(METHODS.methods())
    }
}

fn up(is: bool) -> &'static str {
    if is { "up" } else { "down" }
}

fn counted(number: Option<u64>) -> NoneOr<u64> {
    number.map_or(NoneOr::None, NoneOr::Other)
}

#[starlark_module]
fn methods(builder: &mut MethodsBuilder) {
    /// Its name, as the device writes it.
    #[starlark(attribute)]
    fn name(this: &Interface) -> starlark::Result<String> {
        Ok(this.0.name.clone())
    }

    /// What people wrote about it.
    #[starlark(attribute)]
    fn description(this: &Interface) -> starlark::Result<String> {
        Ok(this.0.description.clone())
    }

    /// `down` if a person shut it, else `up`.
    #[starlark(attribute)]
    fn admin(this: &Interface) -> starlark::Result<String> {
        Ok(up(this.0.admin).to_owned())
    }

    /// Whether the line works: `up` or `down`.
    #[starlark(attribute)]
    fn oper(this: &Interface) -> starlark::Result<String> {
        Ok(up(this.0.oper).to_owned())
    }

    /// Whether it can carry packets: `up` or `down`.
    #[starlark(attribute)]
    fn protocol(this: &Interface) -> starlark::Result<String> {
        Ok(up(this.0.protocol).to_owned())
    }

    /// Why it does not work, in the device's own words; may be empty.
    #[starlark(attribute)]
    fn reason(this: &Interface) -> starlark::Result<String> {
        Ok(this.0.reason.clone())
    }

    /// Packets received with errors, or None.
    #[starlark(attribute)]
    fn input_errors(this: &Interface) -> starlark::Result<NoneOr<u64>> {
        Ok(counted(this.0.input_errors))
    }

    /// Packets received with a wrong checksum, or None.
    #[starlark(attribute)]
    fn crc_errors(this: &Interface) -> starlark::Result<NoneOr<u64>> {
        Ok(counted(this.0.crc_errors))
    }

    /// Packets that could not be sent, or None.
    #[starlark(attribute)]
    fn output_errors(this: &Interface) -> starlark::Result<NoneOr<u64>> {
        Ok(counted(this.0.output_errors))
    }

    /// How often the line went up or down, or the interface was reset, or None.
    #[starlark(attribute)]
    fn changes(this: &Interface) -> starlark::Result<NoneOr<u64>> {
        Ok(counted(this.0.changes))
    }
}

#[starlark_module]
pub(super) fn types(builder: &mut GlobalsBuilder) {
    /// The type of what `device.interface(...)` returns.
    const Interface: StarlarkValueAsType<Interface> = StarlarkValueAsType::new();
}
