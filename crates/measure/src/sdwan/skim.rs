//! Reads the few values that count in a large JSON text where they stand, and passes over all else as fast as
//! memory can be searched: of an answer with readings, 90 % are states that nobody asked for. What is passed over
//! is balanced, but is not looked at any closer. It knows no field.

use std::borrow::Cow;

use memchr::{memchr, memchr_iter, memchr2, memchr2_iter};

use super::lenient::Number;

/// A place in a JSON text.
#[derive(Debug)]
pub(crate) struct Skim<'j> {
    text: &'j [u8],
    at: usize,
}

/// The text is no JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Broken {
    /// It ends before what was begun does.
    #[error("its JSON ends too early, after {0} bytes")]
    Early(usize),
    /// Something stands there that cannot.
    #[error("its JSON is broken (at byte {0})")]
    Here(usize),
}

impl<'j> Skim<'j> {
    /// The beginning of a text.
    pub(crate) fn new(text: &'j [u8]) -> Self {
        Self { text, at: 0 }
    }

    /// Goes through the members of the object that begins here; `of` is given the name of each and has to pass its
    /// value. `false`: it is no object, and was passed over.
    pub(crate) fn object(
        &mut self,
        mut of: impl FnMut(&mut Self, &str) -> Result<(), Broken>,
    ) -> Result<bool, Broken> {
        if self.peek()? != b'{' {
            return self.skip().map(|()| false);
        }
        self.at += 1;
        if self.take(b'}')? {
            return Ok(true);
        }
        loop {
            let name = self.name()?;
            if !self.take(b':')? {
                return Err(Broken::Here(self.at));
            }
            of(self, &name)?;
            if !self.goes_on(b'}')? {
                return Ok(true);
            }
        }
    }

    /// Goes through the items of the list that begins here; `of` has to pass each. `false`: it is no list, and was
    /// passed over.
    pub(crate) fn list(
        &mut self,
        mut of: impl FnMut(&mut Self) -> Result<(), Broken>,
    ) -> Result<bool, Broken> {
        if self.peek()? != b'[' {
            return self.skip().map(|()| false);
        }
        self.at += 1;
        if self.take(b']')? {
            return Ok(true);
        }
        loop {
            of(self)?;
            if !self.goes_on(b']')? {
                return Ok(true);
            }
        }
    }

    /// Passes the value that stands here; a number, perhaps.
    pub(crate) fn number(&mut self) -> Result<Number, Broken> {
        self.peek()?;
        let start = self.at;
        self.skip()?;
        Ok(std::str::from_utf8(&self.text[start..self.at]).map_or(Number::ODD, Number::written))
    }

    /// Passes the value that stands here.
    pub(crate) fn skip(&mut self) -> Result<(), Broken> {
        match self.peek()? {
            b'{' => self.skip_nested(b'{', b'}'),
            b'[' => self.skip_nested(b'[', b']'),
            b'"' => self.string().map(drop),
            b'-' | b'0'..=b'9' | b'a'..=b'z' => {
                let rest = &self.text[self.at..];
                let ends =
                    |byte: &u8| matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace();
                self.at += rest.iter().position(ends).unwrap_or(rest.len());
                Ok(())
            }
            _ => Err(Broken::Here(self.at)),
        }
    }

    /// Whether nothing follows any more; anything else is broken.
    pub(crate) fn end(&mut self) -> Result<(), Broken> {
        match self.peek() {
            Err(_) => Ok(()),
            Ok(_) => Err(Broken::Here(self.at)),
        }
    }

    /// Passes what is between two brackets of a kind. Others in between pair up in any JSON; within a string, which
    /// is where an odd number of quotes came before, a bracket is none.
    fn skip_nested(&mut self, open: u8, close: u8) -> Result<(), Broken> {
        let (mut depth, mut quoted, mut counted) = (0_usize, false, self.at);
        for place in memchr2_iter(open, close, &self.text[self.at..]) {
            let place = self.at + place;
            quoted ^= has_odd_quotes(&self.text[counted..place]);
            counted = place;
            if quoted {
                continue;
            }
            if self.text[place] == open {
                depth += 1;
                continue;
            }
            depth -= 1;
            if depth == 0 {
                self.at = place + 1;
                return Ok(());
            }
        }
        Err(Broken::Early(self.text.len()))
    }

    /// Passes the name of a member.
    fn name(&mut self) -> Result<Cow<'j, str>, Broken> {
        if self.peek()? != b'"' {
            return Err(Broken::Here(self.at));
        }
        let start = self.at;
        let raw = self.string()?;
        let plain = memchr(b'\\', raw).is_none();
        match std::str::from_utf8(raw) {
            Ok(name) if plain => Ok(Cow::Borrowed(name)),
            Ok(_) => serde_json::from_slice(&self.text[start..self.at])
                .map(Cow::Owned)
                .map_err(|_| Broken::Here(start)),
            Err(_) => Err(Broken::Here(start)),
        }
    }

    /// Passes the string that begins here; gives what is between its quotes.
    fn string(&mut self) -> Result<&'j [u8], Broken> {
        let start = self.at + 1;
        let mut at = start;
        loop {
            let rest = self.text.get(at..).unwrap_or_default();
            let found = memchr2(b'"', b'\\', rest).ok_or(Broken::Early(self.text.len()))?;
            at += found;
            if self.text[at] == b'"' {
                self.at = at + 1;
                return Ok(&self.text[start..at]);
            }
            // Whatever is escaped, it is no end.
            at += 2;
        }
    }

    /// Whether a comma follows, or else this end.
    fn goes_on(&mut self, end: u8) -> Result<bool, Broken> {
        if self.take(b',')? {
            return Ok(true);
        }
        if self.take(end)? { Ok(false) } else { Err(Broken::Here(self.at)) }
    }

    /// Passes this byte, if it is what comes next.
    fn take(&mut self, wanted: u8) -> Result<bool, Broken> {
        let found = self.peek()? == wanted;
        self.at += usize::from(found);
        Ok(found)
    }

    /// What comes next; spaces before it are passed.
    fn peek(&mut self) -> Result<u8, Broken> {
        loop {
            match self.text.get(self.at) {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                Some(byte) => return Ok(*byte),
                None => return Err(Broken::Early(self.text.len())),
            }
        }
    }
}

/// Whether a part of a text, which is not cut after a backslash, opens or closes a string more often than not.
fn has_odd_quotes(part: &[u8]) -> bool {
    if memchr(b'\\', part).is_none() {
        return memchr_iter(b'"', part).count() % 2 == 1;
    }
    let (mut odd, mut bytes) = (false, part.iter());
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => drop(bytes.next()),
            b'"' => odd = !odd,
            _ => {}
        }
    }
    odd
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    use super::*;

    /// All of a text, member by member, as serde reads it.
    fn whole(skim: &mut Skim<'_>) -> Result<Value, Broken> {
        Ok(match skim.peek()? {
            b'{' => {
                let mut members = Map::new();
                skim.object(|skim, name| {
                    let value = whole(skim)?;
                    members.insert(name.to_owned(), value);
                    Ok(())
                })?;
                Value::Object(members)
            }
            b'[' => {
                let mut items = Vec::new();
                skim.list(|skim| {
                    items.push(whole(skim)?);
                    Ok(())
                })?;
                Value::Array(items)
            }
            _ => {
                let start = skim.at;
                skim.skip()?;
                serde_json::from_slice(&skim.text[start..skim.at])
                    .map_err(|_| Broken::Here(start))?
            }
        })
    }

    fn json() -> impl Strategy<Value = Value> {
        let word = "[a-z\"\\\\{}\\[\\] ,:\u{e9}\u{1}]{0,6}";
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            any::<i16>().prop_map(|n| Value::from(f64::from(n) / 8.0)),
            word.prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 60, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::Array),
                prop::collection::vec((word, inner), 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_read_member_by_member_is_what_serde_reads(value in json(), pretty: bool) {
            let text = if pretty { format!(" {value:#}\n") } else { value.to_string() };
            let mut skim = Skim::new(text.as_bytes());
            prop_assert_eq!(whole(&mut skim), Ok(value));
            prop_assert_eq!(skim.end(), Ok(()));
        }

        #[test]
        fn what_is_passed_over_ends_where_it_ends(value in json(), pretty: bool) {
            let text = if pretty { format!("{value:#}") } else { value.to_string() };
            let followed = format!("{text},7");
            let mut skim = Skim::new(followed.as_bytes());
            prop_assert_eq!(skim.skip(), Ok(()));
            prop_assert_eq!(skim.at, text.len());
            // Cut anywhere, what is nested or quoted ends too early.
            if matches!(value, Value::Object(_) | Value::Array(_) | Value::String(_)) {
                for end in 0..text.len() {
                    let cut = Skim::new(&text.as_bytes()[..end]).skip();
                    prop_assert_eq!(cut, Err(Broken::Early(end)));
                }
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes: Vec<u8>, cut in "[\\[\\]{}\",:\\\\0-9a-z ]{0,40}") {
            for text in [&bytes[..], cut.as_bytes()] {
                let mut skim = Skim::new(text);
                if whole(&mut skim).is_ok() {
                    prop_assert!(skim.at <= text.len());
                }
                let _ = Skim::new(text).skip();
                let _ = Skim::new(text).number();
            }
        }
    }

    #[test]
    fn what_cannot_stand_there_is_refused_where_it_stands() {
        let visit = |text: &str| Skim::new(text.as_bytes()).object(|skim, _| skim.skip());
        assert_eq!(visit(r#"{"a":1,"b":[]}"#), Ok(true));
        assert_eq!(visit("[1,2]"), Ok(false));
        for (text, at) in [
            (r#"{"a" 1}"#, 5),
            (r#"{"a":1 "b":2}"#, 7),
            ("{1:2}", 1),
            (r#"{"a":}"#, 5),
            (r#"{"a":1,}"#, 7),
        ] {
            assert_eq!(visit(text), Err(Broken::Here(at)), "{text}");
        }
        let broken = visit("{\"a\":\"").unwrap_err();
        assert_eq!(broken.to_string(), "its JSON ends too early, after 6 bytes");
    }

    #[test]
    fn a_number_is_read_as_serde_would_read_it_leniently() {
        for text in
            ["12", "-0.5", "1e3", "null", r#"" 12.5 ""#, r#""NaN""#, "true", "[1]", r#"{"a":1}"#]
        {
            let lenient: Number = serde_json::from_str(text).unwrap();
            assert_eq!(Skim::new(text.as_bytes()).number(), Ok(lenient), "{text}");
        }
    }
}
