//! The scenario as typed, and what it means. Everything that a single key can get wrong is refused
//! while reading; what keys mean together is checked here.

use std::net::IpAddr;
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::{Every, Hosts, Phase, Scenario};
use crate::behaviour::{Behaviour, Damage, Delay, Late, Ports, RouterError, Share, Span};
use crate::prefix::Prefix;

/// What is wrong, and at which byte.
pub(super) struct Fault {
    pub(super) offset: usize,
    pub(super) message: String,
}

impl Fault {
    fn at<T>(place: &Spanned<T>, message: impl Into<String>) -> Self {
        Self { offset: place.span().start, message: message.into() }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawScenario {
    about: String,
    #[serde(default)]
    seed: u64,
    prober: Option<Spanned<Vec<IpAddr>>>,
    hosts: Spanned<Vec<Spanned<RawHosts>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawHosts {
    prefixes: Spanned<Vec<Prefix>>,
    every: Option<Spanned<Every>>,
    repeat: Option<Spanned<Span>>,
    #[serde(default)]
    first: RawBehaviour,
    #[serde(default)]
    then: Vec<RawPhase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawPhase {
    after: Spanned<Span>,
    #[serde(default)]
    now: RawBehaviour,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct RawBehaviour {
    delay: Option<Delay>,
    loss: Option<Share>,
    copies: Option<Spanned<u8>>,
    late: Option<Late>,
    echo: Option<bool>,
    tcp: Option<Spanned<Ports>>,
    answer_from: Option<Spanned<Vec<IpAddr>>>,
    damage: Option<Damage>,
    error: Option<Spanned<RouterError>>,
    black_hole: Option<Spanned<bool>>,
}

/// Reads and checks a scenario.
pub(super) fn read(text: &str) -> Result<Scenario, Fault> {
    let raw: RawScenario = toml::from_str(text).map_err(|error| Fault {
        offset: error.span().map_or(text.len(), |span| span.start),
        message: error.message().trim().to_owned(),
    })?;
    if raw.hosts.get_ref().is_empty() {
        return Err(Fault::at(&raw.hosts, "a network without hosts: add a [[hosts]] block"));
    }
    if let Some(prober) = &raw.prober {
        one_of_each_family(prober, prober.get_ref())?;
    }
    Ok(Scenario {
        about: raw.about,
        seed: raw.seed,
        prober: raw.prober.map_or_else(Scenario::usual_prober, Spanned::into_inner),
        hosts: raw
            .hosts
            .into_inner()
            .into_iter()
            .map(|block| block.into_inner().checked())
            .collect::<Result<_, _>>()?,
    })
}

impl RawHosts {
    fn checked(self) -> Result<Hosts, Fault> {
        if self.prefixes.get_ref().is_empty() {
            return Err(Fault::at(&self.prefixes, "no prefix: name at least one"));
        }
        if let Some(place) = &self.every {
            let every = place.get_ref();
            if every.nth >= every.of {
                return Err(Fault::at(place, "`nth` counts from 0 and is smaller than `of`"));
            }
        }
        let prefixes = self.prefixes.into_inner();
        let first = Phase { after: Duration::ZERO, behaviour: self.first.checked(&prefixes)? };
        let mut phases = vec![first];
        for then in self.then {
            let last = phases[phases.len() - 1].after;
            let after = then.after.get_ref().0;
            if after <= last {
                return Err(Fault::at(&then.after, format!("must be later than {last:?}")));
            }
            phases.push(Phase { after, behaviour: then.now.checked(&prefixes)? });
        }
        if let Some(repeat) = &self.repeat {
            let last = phases[phases.len() - 1].after;
            if repeat.get_ref().0 <= last {
                let message = format!("must be longer than the last `after`, {last:?}");
                return Err(Fault::at(repeat, message));
            }
        }
        let repeat = self.repeat.map(|repeat| repeat.into_inner().0);
        Ok(Hosts { prefixes, every: self.every.map(Spanned::into_inner), repeat, phases })
    }
}

impl RawBehaviour {
    fn checked(self, prefixes: &[Prefix]) -> Result<Behaviour, Fault> {
        self.check_exclusions()?;
        if let Some(copies) = self.copies.as_ref().filter(|copies| *copies.get_ref() == 0) {
            return Err(Fault::at(copies, "at least 1; for no answer write `loss = \"100%\"`"));
        }
        if let Some((place, port)) =
            self.tcp.as_ref().and_then(|tcp| Some((tcp, tcp.get_ref().contradiction()?)))
        {
            return Err(Fault::at(place, format!("port {port} is in two lists")));
        }
        if let Some(place) = &self.answer_from {
            speaks_for_all(place, place.get_ref(), prefixes)?;
        }
        if let Some(place) = &self.error {
            speaks_for_all(place, &place.get_ref().from, prefixes)?;
        }
        let usual = Behaviour::default();
        Ok(Behaviour {
            delay: self.delay.unwrap_or(usual.delay),
            loss: self.loss.unwrap_or(usual.loss),
            copies: self.copies.map_or(usual.copies, Spanned::into_inner),
            late: self.late,
            echo: self.echo.unwrap_or(usual.echo),
            tcp: self.tcp.map_or(usual.tcp, Spanned::into_inner),
            answer_from: self.answer_from.map_or(usual.answer_from, Spanned::into_inner),
            damage: self.damage,
            error: self.error.map(Spanned::into_inner),
            black_hole: self.black_hole.is_some_and(Spanned::into_inner),
        })
    }

    /// Keys that would never have an effect are more likely a mistake than a wish.
    fn check_exclusions(&self) -> Result<(), Fault> {
        let of_a_host = [
            ("echo", self.echo.is_some()),
            ("tcp", self.tcp.is_some()),
            ("answer_from", self.answer_from.is_some()),
            ("damage", self.damage.is_some()),
            ("copies", self.copies.is_some()),
            ("late", self.late.is_some()),
        ];
        let of_an_answer = [
            ("delay", self.delay.is_some()),
            ("loss", self.loss.is_some()),
            ("error", self.error.is_some()),
        ];
        let needless = |keys: &[(&'static str, bool)]| {
            keys.iter().find(|(_, written)| *written).map(|(key, _)| *key)
        };
        if let Some(place) = self.black_hole.as_ref().filter(|place| *place.get_ref())
            && let Some(key) = needless(&of_a_host).or_else(|| needless(&of_an_answer))
        {
            let message = format!("a black hole answers nothing, so `{key}` has no effect");
            return Err(Fault::at(place, message));
        }
        if let Some(place) = &self.error
            && let Some(key) = needless(&of_a_host)
        {
            let message = format!("the router answers for these hosts, so `{key}` has no effect");
            return Err(Fault::at(place, message));
        }
        Ok(())
    }
}

/// Addresses that answer in the stead of hosts: exactly one for each family of the hosts.
fn speaks_for_all<T>(
    place: &Spanned<T>,
    addresses: &[IpAddr],
    prefixes: &[Prefix],
) -> Result<(), Fault> {
    one_of_each_family(place, addresses)?;
    let missing = prefixes.iter().find(|prefix| {
        !addresses.iter().any(|address| address.is_ipv4() == prefix.first().is_ipv4())
    });
    match missing {
        Some(prefix) => {
            Err(Fault::at(place, format!("no address of the family of {prefix} to answer from")))
        }
        None => Ok(()),
    }
}

fn one_of_each_family<T>(place: &Spanned<T>, addresses: &[IpAddr]) -> Result<(), Fault> {
    let v4 = addresses.iter().filter(|address| address.is_ipv4()).count();
    if addresses.is_empty() || v4 > 1 || addresses.len() - v4 > 1 {
        return Err(Fault::at(place, "one address, or one of each family"));
    }
    Ok(())
}
