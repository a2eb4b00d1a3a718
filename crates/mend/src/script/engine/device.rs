//! `device`: what a script can ask of the device, and have it do.

use std::fmt;

use allocative::Allocative;
use starlark::any::ProvidesStaticType;
use starlark::environment::{GlobalsBuilder, Methods, MethodsBuilder, MethodsStatic};
use starlark::eval::Evaluator;
use starlark::values::list::UnpackList;
use starlark::values::none::{NoneOr, NoneType};
use starlark::values::starlark_value_as_type::StarlarkValueAsType;
use starlark::values::tuple::UnpackTuple;
use starlark::values::{
    NoSerialize, StarlarkPagablePanic, StarlarkValue, Value, ValueLike, starlark_value,
};
use starlark::{starlark_module, starlark_simple_value};

use super::super::parse;
use super::super::template::{Template, Verb};
use super::super::wire::Call;
use super::bgp_peer::BgpPeer;
use super::context::Context;
use super::interface::Interface;
use super::lsp::Lsp;
use super::module::Module;
use super::ospf_neighbor::OspfNeighbor;
use crate::platform::Platform;

/// The device.
#[derive(Clone, Debug, ProvidesStaticType, NoSerialize, Allocative, StarlarkPagablePanic)]
pub(super) struct Device {
    pub(super) name: String,
    #[allocative(skip)]
    pub(super) platform: Platform,
}

starlark_simple_value!(Device);

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "<device {}>", self.name)
    }
}

#[starlark_value(type = "Device")]
impl<'v> StarlarkValue<'v> for Device {
    fn get_methods() -> Option<&'static Methods> {
        static METHODS: MethodsStatic = MethodsStatic::new("Device", methods);
        Some(METHODS.methods())
    }
}

/// Why a fact about a device is not known.
#[derive(Debug, thiserror::Error)]
enum Unknown {
    #[error("{device} shows no {what} {name:?} in `{command}`")]
    NotShown { device: String, what: &'static str, name: String, command: &'static str },
    #[error("netmend knows no {what} on {platform}; device.show(...) gives the text of a command")]
    NotThere { what: &'static str, platform: Platform },
    #[error(
        "an argument of a command must be a string, a number or what device.interface(...) and the like return, not {0}"
    )]
    Argument(String),
}

fn native(why: impl std::error::Error + Send + Sync + 'static) -> starlark::Error {
    starlark::Error::new_native(why)
}

/// An argument as text.
fn argument(value: Value<'_>) -> starlark::Result<String> {
    if let Some(text) = value.unpack_str() {
        return Ok(text.to_owned());
    }
    if let Some(number) = value.unpack_i32() {
        return Ok(number.to_string());
    }
    if let Some(port) = value.downcast_ref::<Interface>() {
        return Ok(port.0.name.clone());
    }
    if let Some(peer) = value.downcast_ref::<BgpPeer>() {
        return Ok(peer.0.name.clone());
    }
    if let Some(lsp) = value.downcast_ref::<Lsp>() {
        return Ok(lsp.0.name.clone());
    }
    if let Some(module) = value.downcast_ref::<Module>() {
        return Ok(module.0.slot.clone());
    }
    // Numbers beyond 2^31 are no small integers, and some AS numbers are.
    if value.get_type() == "int" {
        return Ok(value.to_string());
    }
    Err(native(Unknown::Argument(value.get_type().to_owned())))
}

fn send(
    eval: &Evaluator<'_, '_, '_>,
    template: Template,
    args: UnpackTuple<Value<'_>>,
) -> starlark::Result<String> {
    let arguments = args.items.into_iter().map(argument).collect::<Result<_, _>>()?;
    Context::of(eval).device(template, arguments).map_err(native)
}

impl Device {
    /// Asks for a thing by a command of the platform's, and reads it out of the answer.
    fn ask<T>(
        &self,
        eval: &Evaluator<'_, '_, '_>,
        (what, name): (&'static str, &str),
        (command, arguments): (Option<&'static str>, Vec<String>),
        read: impl FnOnce(&str) -> Option<T>,
    ) -> starlark::Result<T> {
        let command =
            command.ok_or_else(|| native(Unknown::NotThere { what, platform: self.platform }))?;
        let text = Context::of(eval).device(Template::show(command), arguments).map_err(native)?;
        read(&text).ok_or_else(|| {
            let (device, name) = (self.name.clone(), name.chars().take(80).collect());
            native(Unknown::NotShown { device, what, name, command })
        })
    }
}

#[starlark_module]
fn methods(builder: &mut MethodsBuilder) {
    /// Its name in the inventory.
    #[starlark(attribute)]
    fn name(this: &Device) -> starlark::Result<String> {
        Ok(this.name.clone())
    }

    /// What runs on it: `ios`, `iosxr`, `nxos`, `eos`, `junos`, `frr`, `linux`, `vrp` or `sros`.
    #[starlark(attribute)]
    fn platform(this: &Device) -> starlark::Result<String> {
        Ok(this.platform.name().to_owned())
    }

    /// Runs a command that only reads and returns the text. Each `{}` takes one of the arguments.
    fn show<'v>(
        #[expect(unused_variables, reason = "the receiver is the device of the run")] this: &Device,
        #[starlark(require = pos)] command: &str,
        #[starlark(args)] args: UnpackTuple<Value<'v>>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<String> {
        send(eval, Template::show(command), args)
    }

    /// Sends lines to the configuration.
    fn config<'v>(
        #[expect(unused_variables, reason = "the receiver is the device of the run")] this: &Device,
        #[starlark(require = pos)] lines: UnpackList<String>,
        #[starlark(args)] args: UnpackTuple<Value<'v>>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<String> {
        let template = Template { verb: Verb::Config, lines: lines.items, expect: Vec::new() };
        send(eval, template, args)
    }

    /// Runs a command that does something. `expect` holds pairs of a question that may come and its answer.
    fn command<'v>(
        #[expect(unused_variables, reason = "the receiver is the device of the run")] this: &Device,
        #[starlark(require = pos)] command: &str,
        #[starlark(args)] args: UnpackTuple<Value<'v>>,
        #[starlark(require = named, default = UnpackList::default())] expect: UnpackList<(
            String,
            String,
        )>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<String> {
        let template =
            Template { verb: Verb::Command, expect: expect.items, ..Template::show(command) };
        send(eval, template, args)
    }

    /// Waits for so many seconds.
    fn wait<'v>(
        #[expect(unused_variables, reason = "the receiver is the device of the run")] this: &Device,
        #[starlark(require = pos)] seconds: u32,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<NoneType> {
        let call = Call::Wait(u64::from(seconds) * 1000);
        Context::of(eval).call(call).map_err(native)?;
        Ok(NoneType)
    }

    /// An interface of the device.
    fn interface<'v>(
        this: &Device,
        #[starlark(require = pos)] name: &str,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Interface> {
        let command = (parse::interface::command(this.platform), vec![name.to_owned()]);
        let read = |text: &str| parse::interface::parse(this.platform, name, text);
        this.ask(eval, ("interface", name), command, read).map(Interface)
    }

    /// All interfaces of the device.
    fn interfaces<'v>(
        this: &Device,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Vec<Interface>> {
        let command = (parse::interface::command_all(this.platform), Vec::new());
        let read = |text: &str| Some(parse::interface::parse_all(this.platform, text));
        let all = this.ask(eval, ("interfaces", ""), command, read)?;
        Ok(all.into_iter().map(Interface).collect())
    }

    /// A BGP neighbour of the device, by address or name.
    fn bgp_peer<'v>(
        this: &Device,
        #[starlark(require = pos)] peer: &str,
        #[starlark(require = named, default = NoneOr::None)] vrf: NoneOr<&str>,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<BgpPeer> {
        let (peer_name, platform) = (peer.to_owned(), this.platform);
        let command =
            match vrf.into_option().filter(|vrf| !matches!(*vrf, "" | "default" | "master")) {
                None => (parse::bgp::command(platform), vec![peer_name]),
                Some(vrf) if parse::bgp::vrf_is_first(platform) => {
                    (parse::bgp::command_vrf(platform), vec![vrf.to_owned(), peer_name])
                }
                Some(vrf) => (parse::bgp::command_vrf(platform), vec![peer_name, vrf.to_owned()]),
            };
        this.ask(eval, ("BGP peer", peer), command, |text| parse::bgp::parse(platform, peer, text))
            .map(BgpPeer)
    }

    /// An OSPF neighbour of the device, by router id or address; None if it shows none.
    fn ospf_neighbor<'v>(
        this: &Device,
        #[starlark(require = pos)] peer: &str,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<NoneOr<OspfNeighbor>> {
        let command = (parse::ospf::command(this.platform), Vec::new());
        // A neighbour that is gone is no row of the table.
        let read = |text: &str| Some(parse::ospf::parse(this.platform, peer, text));
        let found = this.ask(eval, ("OSPF neighbor", peer), command, read)?;
        Ok(found.map_or(NoneOr::None, |neighbor| NoneOr::Other(OspfNeighbor(neighbor))))
    }

    /// A label-switched path that begins at the device.
    fn lsp<'v>(
        this: &Device,
        #[starlark(require = pos)] name: &str,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Lsp> {
        let command = (parse::lsp::command(this.platform), vec![name.to_owned()]);
        this.ask(eval, ("LSP", name), command, |text| parse::lsp::parse(this.platform, name, text))
            .map(Lsp)
    }

    /// A module of the device, by its slot.
    fn module<'v>(
        this: &Device,
        #[starlark(require = pos)] slot: &str,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<Module> {
        let command = (parse::module::command(this.platform), Vec::new());
        this.ask(eval, ("module", slot), command, |text| parse::module::parse(slot, text))
            .map(Module)
    }
}

#[starlark_module]
pub(super) fn types(builder: &mut GlobalsBuilder) {
    /// The type of `device`.
    const Device: StarlarkValueAsType<Device> = StarlarkValueAsType::new();
}
