//! `remediation(...)`, `state(...)`, `field(...)`: what a file says of itself.

use std::fmt;

use allocative::Allocative;
use starlark::any::ProvidesStaticType;
use starlark::environment::GlobalsBuilder;
use starlark::eval::Evaluator;
use starlark::values::list::UnpackList;
use starlark::values::none::NoneType;
use starlark::values::tuple::UnpackTuple;
use starlark::values::{
    NoSerialize, StarlarkPagablePanic, StarlarkValue, UnpackValue, Value, ValueLike, starlark_value,
};
use starlark::{starlark_module, starlark_simple_value};

use super::super::facts::FIELDS;
use super::super::wire::Loaded;
use super::context::Context;
use crate::platform::Platform;

/// What must be so of an event.
#[derive(Clone, Debug, ProvidesStaticType, NoSerialize, Allocative, StarlarkPagablePanic)]
struct Condition {
    field: String,
    values: Vec<String>,
}

starlark_simple_value!(Condition);

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "field({:?}, {:?})", self.field, self.values)
    }
}

#[starlark_value(type = "Condition")]
impl<'v> StarlarkValue<'v> for Condition {}

/// What is wrong with what a file says of itself.
#[derive(Debug, thiserror::Error)]
enum Wrong {
    #[error(
        "`match` needs at least one code, such as \"LINK-3-UPDOWN\" or \"ETHPORT-5-IF_DOWN_*\""
    )]
    NoCode,
    #[error("{0:?} is no code; a code has letters, digits, - and _, and * for any of them")]
    Code(String),
    #[error("{name:?} is no platform; allowed: {}", Platform::ALL.map(Platform::name).join(", "))]
    Platform { name: String },
    #[error(
        "`{key}` is {text:?}; allowed: a number and a unit from ms, s, m, h, as in \"90s\", at most {most}"
    )]
    Time { key: &'static str, text: String, most: &'static str },
    #[error("`when` is {0}; allowed: state(...), field(...), or a list of these")]
    When(String),
    #[error("no field is named {0:?}; allowed: {all}", all = FIELDS.join(", "))]
    Field(String),
    #[error("state(...) and field(...) need at least one value")]
    NoValue,
    #[error("`retries` is {0}; allowed: 0 to 10")]
    Retries(i32),
}

fn wrong(wrong: Wrong) -> starlark::Error {
    starlark::Error::new_native(wrong)
}

/// Milliseconds of `90s`.
fn time(
    key: &'static str,
    text: &str,
    (most_ms, most): (u64, &'static str),
) -> starlark::Result<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor = match unit {
        "ms" => Some(1),
        "s" => Some(1_000),
        "m" => Some(60_000),
        "h" => Some(3_600_000),
        _ => None,
    };
    let ms = number
        .parse::<u64>()
        .ok()
        .zip(factor)
        .and_then(|(number, factor)| number.checked_mul(factor));
    ms.filter(|ms| *ms <= most_ms)
        .ok_or_else(|| wrong(Wrong::Time { key, text: text.to_owned(), most }))
}

fn condition(field: &str, values: UnpackTuple<String>) -> starlark::Result<Condition> {
    if !FIELDS.contains(&field) {
        return Err(wrong(Wrong::Field(field.to_owned())));
    }
    if values.items.is_empty() {
        return Err(wrong(Wrong::NoValue));
    }
    Ok(Condition { field: field.to_owned(), values: values.items })
}

/// One condition or a list of them.
fn conditions(when: Value<'_>) -> starlark::Result<Vec<(String, Vec<String>)>> {
    let pair = |condition: &Condition| (condition.field.clone(), condition.values.clone());
    if when.is_none() {
        return Ok(Vec::new());
    }
    if let Some(condition) = when.downcast_ref::<Condition>() {
        return Ok(vec![pair(condition)]);
    }
    let not = |value: Value<'_>| wrong(Wrong::When(value.to_repr()));
    let list = UnpackList::<Value<'_>>::unpack_value(when)?.ok_or_else(|| not(when))?;
    let one =
        |value: Value<'_>| value.downcast_ref::<Condition>().map(pair).ok_or_else(|| not(value));
    list.items.into_iter().map(one).collect()
}

fn check_code(code: &str) -> starlark::Result<()> {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || b"-_*./:#$".contains(&byte);
    if code.is_empty() || code.len() > 160 || !code.bytes().all(fine) {
        return Err(wrong(Wrong::Code(code.to_owned())));
    }
    Ok(())
}

#[starlark_module]
pub(super) fn functions(builder: &mut GlobalsBuilder) {
    /// Says what the file is for.
    #[expect(clippy::too_many_arguments, reason = "each is a key of the file")]
    fn remediation<'v>(
        #[starlark(require = named)] r#match: UnpackList<String>,
        #[starlark(require = named, default = NoneType)] when: Value<'v>,
        #[starlark(require = named, default = UnpackList::default())] platforms: UnpackList<String>,
        #[starlark(require = named, default = "60s")] timeout: &str,
        #[starlark(require = named, default = "30s")] settle: &str,
        #[starlark(require = named, default = false)] idempotent: bool,
        #[starlark(require = named, default = 0)] priority: i32,
        #[starlark(require = named, default = 0)] retries: i32,
        eval: &mut Evaluator<'v, '_, '_>,
    ) -> starlark::Result<NoneType> {
        if r#match.items.is_empty() {
            return Err(wrong(Wrong::NoCode));
        }
        r#match.items.iter().try_for_each(|code| check_code(code))?;
        if let Some(name) = platforms.items.iter().find(|name| Platform::named(name).is_none()) {
            return Err(wrong(Wrong::Platform { name: name.clone() }));
        }
        let retries = u32::try_from(retries).ok().filter(|retries| *retries <= 10).ok_or(retries);
        Context::of(eval).describe(Loaded {
            codes: r#match.items,
            when: conditions(when)?,
            platforms: platforms.items,
            timeout_ms: time("timeout", timeout, (3_600_000, "1h"))?,
            settle_ms: time("settle", settle, (3_600_000, "1h"))?,
            idempotent,
            priority,
            retries: retries.map_err(|retries| wrong(Wrong::Retries(retries)))?,
            ..Loaded::default()
        });
        Ok(NoneType)
    }

    /// The state that the message tells is one of these.
    fn state(#[starlark(args)] values: UnpackTuple<String>) -> starlark::Result<Condition> {
        condition("state", values)
    }

    /// What the message tells of this is one of these.
    fn field(
        #[starlark(require = pos)] name: &str,
        #[starlark(args)] values: UnpackTuple<String>,
    ) -> starlark::Result<Condition> {
        condition(name, values)
    }
}
