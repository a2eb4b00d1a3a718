//! JSON of an orchestrator, read leniently: numbers may come as text, anything may be null or missing, and
//! what has the wrong kind is as good as missing. A typed reader would give up a whole answer for one such
//! value. It knows no field.
//!
//! Nothing here is flattened, untagged or internally tagged: those read numbers through a buffer that
//! `serde_json`'s `arbitrary_precision` breaks, which another crate of the build may turn on.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{
    Deserialize, DeserializeSeed, Deserializer, IgnoredAny, IntoDeserializer, MapAccess, SeqAccess,
    Visitor,
};
use serde_json::Value;
use serde_json::value::RawValue;

/// A number, perhaps.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Number {
    /// Its value; finite.
    pub(crate) value: Option<f64>,
    /// Whether something else than a number or null stood there.
    pub(crate) odd: bool,
}

impl Number {
    /// Something else than a number or null.
    const ODD: Self = Self { value: None, odd: true };

    /// The number that a JSON value is, as it is written.
    fn written(json: &str) -> Self {
        let finite = |text: &str| text.trim().parse().ok().filter(|value: &f64| value.is_finite());
        match json.as_bytes().first() {
            Some(b'-' | b'0'..=b'9') => Self { value: finite(json), odd: false },
            Some(b'n') => Self::default(),
            Some(b'"') => serde_json::from_str(json)
                .map_or(Self::ODD, |Text(text)| Self { value: finite(&text), odd: true }),
            _ => Self::ODD,
        }
    }

    /// The number as an identity: whole, and above 0.
    pub(crate) fn id(self) -> Option<i64> {
        // Beyond 2^53 a JSON number names no one for certain.
        let whole = self.value.filter(|id| id.fract() == 0.0 && (1.0..9.0e15).contains(id))?;
        Some(whole as i64)
    }
}

impl<'de> Deserialize<'de> for Number {
    /// Polls read numbers by the thousand, and with `arbitrary_precision` each would be a text of its own on the
    /// heap: they are read where they stand in the answer.
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        <&RawValue>::deserialize(deserializer).map(|raw| Self::written(raw.get()))
    }
}

/// A text that is borrowed from the answer where it stands there as it is.
#[derive(serde::Deserialize)]
#[serde(transparent)]
struct Text<'t>(#[serde(borrow)] Cow<'t, str>);

/// A text, perhaps. Empty text is none; numbers are taken as they are written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Word(pub(crate) Option<String>);

impl Word {
    /// The text as a slice.
    pub(crate) fn as_str(&self) -> Option<&str> {
        self.0.as_deref()
    }
}

impl<'de> Deserialize<'de> for Word {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self(match Value::deserialize(deserializer)? {
            Value::String(text) if !text.trim().is_empty() => Some(text),
            Value::Number(number) => Some(number.to_string()),
            _ => None,
        }))
    }
}

/// An object, perhaps.
#[derive(Clone, Debug)]
pub(crate) struct Object<T>(pub(crate) Option<T>);

/// A list, perhaps.
#[derive(Clone, Debug)]
pub(crate) struct List<T>(pub(crate) Option<Vec<T>>);

impl<T> Default for Object<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T> Default for List<T> {
    fn default() -> Self {
        Self(None)
    }
}

/// The kinds of JSON that are none of what is wanted.
macro_rules! nothing {
    ($($visit:ident($kind:ty)),*) => {
        $(fn $visit<E>(self, _: $kind) -> Result<Self::Value, E> { Ok(Self::Value::default()) })*

        fn visit_unit<E>(self) -> Result<Self::Value, E> { Ok(Self::Value::default()) }
    };
}

struct ObjectVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ObjectVisitor<T> {
    type Value = Object<T>;

    nothing!(visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64), visit_str(&str));

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        while seq.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Object(None))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let first: Option<Text<'de>> = map.next_key()?;
        let first = first.map(|Text(first)| first);
        if first.as_deref() == Some(NUMBER) {
            map.next_value::<IgnoredAny>()?;
            return Ok(Object(None));
        }
        let map = MapAccessDeserializer::new(Begun { first, map });
        T::deserialize(map).map(|value| Object(Some(value)))
    }
}

/// With its feature `arbitrary_precision`, which another crate of the build turns on, `serde_json` hands out
/// numbers with more than digits as maps with this one key.
const NUMBER: &str = "$serde_json::private::Number";

/// A map whose first key was read already.
struct Begun<'de, A> {
    first: Option<Cow<'de, str>>,
    map: A,
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Begun<'de, A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        match self.first.take() {
            Some(key) => seed.deserialize(key.into_deserializer()).map(Some),
            None => self.map.next_key_seed(seed),
        }
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, A::Error> {
        self.map.next_value_seed(seed)
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Object<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ObjectVisitor(PhantomData))
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = List<T>;

    nothing!(visit_bool(bool), visit_i64(i64), visit_u64(u64), visit_f64(f64), visit_str(&str));

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(List(Some(items)))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(List(None))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for List<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ListVisitor(PhantomData))
    }
}

/// The rows of a list that may come in pages: a bare list, or `{data, metaData: {more, nextPageLink}}`.
#[derive(Debug)]
pub(crate) struct Rows<T> {
    /// The rows; none if the answer was neither form.
    pub(crate) rows: Option<Vec<T>>,
    /// Where the next page is.
    pub(crate) next: Option<String>,
}

#[derive(serde::Deserialize)]
#[serde(default, rename_all = "camelCase", bound = "T: Deserialize<'de>")]
struct Paged<T> {
    data: List<T>,
    meta_data: Object<Meta>,
}

impl<T> Default for Paged<T> {
    fn default() -> Self {
        Self { data: List::default(), meta_data: Object::default() }
    }
}

#[derive(Default, serde::Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Meta {
    more: Value,
    next_page_link: Word,
}

struct RowsVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for RowsVisitor<T> {
    type Value = Rows<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list or a page of one")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        let List(rows) = ListVisitor(PhantomData).visit_seq(seq)?;
        Ok(Rows { rows, next: None })
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        let page = Paged::deserialize(MapAccessDeserializer::new(map))?;
        let meta = page.meta_data.0.unwrap_or_default();
        let next = meta.next_page_link.0.filter(|_| meta.more != Value::Bool(false));
        Ok(Rows { rows: page.data.0, next })
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Rows<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RowsVisitor(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    fn number(json: &str) -> (Option<f64>, bool) {
        let Number { value, odd } = serde_json::from_str(json).unwrap();
        (value, odd)
    }

    #[test]
    fn numbers_may_come_as_text_and_everything_else_is_none() {
        assert_eq!(number("12"), (Some(12.0), false));
        assert_eq!(number("0.0032"), (Some(0.0032), false));
        assert_eq!(number("null"), (None, false));
        assert_eq!(number(r#"" 12.5 ""#), (Some(12.5), true));
        for odd in [r#""NaN""#, r#""inf""#, r#""""#, "true", "[1]", r#"{"a":1}"#] {
            assert_eq!(number(odd), (None, true), "{odd}");
        }
    }

    #[test]
    fn an_identity_is_whole_and_positive() {
        let id = |json| serde_json::from_str::<Number>(json).unwrap().id();
        assert_eq!((id("17"), id(r#""17""#)), (Some(17), Some(17)));
        for wrong in ["0", "-3", "1.5", "1e300", "null"] {
            assert_eq!(id(wrong), None, "{wrong}");
        }
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Thing {
        list: List<Object<Inner>>,
        word: Word,
    }

    #[derive(Debug, Default, Deserialize)]
    #[serde(default)]
    struct Inner {
        n: Number,
    }

    #[test]
    fn a_value_of_the_wrong_kind_costs_only_itself() {
        let read = |json: &str| serde_json::from_str::<Object<Thing>>(json).unwrap().0;
        for nothing in ["null", "1", "-1", "1.5", "true", r#""text""#, "[1,{}]"] {
            assert!(read(nothing).is_none(), "{nothing}");
        }
        let thing = read(r#"{"new":[{}],"list":[{"n":"7"},null,[],{"n":{}}],"word":5}"#).unwrap();
        let found: Vec<_> =
            thing.list.0.unwrap().into_iter().map(|i| i.0.map(|i| i.n.value)).collect();
        assert_eq!(found, [Some(Some(7.0)), None, None, Some(None)]);
        assert_eq!(thing.word.as_str(), Some("5"));
        assert!(read(r#"{"list":{"n":1},"word":"  "}"#).unwrap().list.0.is_none());
    }

    #[test]
    fn a_list_may_come_bare_or_in_pages() {
        let read = |json: &str| serde_json::from_str::<Rows<Number>>(json).unwrap();
        let count = |rows: &Rows<Number>| rows.rows.as_ref().map(Vec::len);
        let bare = read("[1,2]");
        assert_eq!((count(&bare), bare.next), (Some(2), None));
        let first = read(r#"{"metaData":{"more":true,"nextPageLink":"n"},"data":[1]}"#);
        assert_eq!((count(&first), first.next.as_deref()), (Some(1), Some("n")));
        let last = read(r#"{"data":[1],"metaData":{"more":false,"nextPageLink":"n"}}"#);
        assert_eq!(last.next, None);
        assert!(read(r#"{"rows":[]}"#).rows.is_none());
    }

    #[test]
    fn broken_json_stays_an_error() {
        assert!(serde_json::from_str::<Object<Thing>>(r#"{"list":[{"n":1"#).is_err());
    }
}
