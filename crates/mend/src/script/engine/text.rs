//! `find(pattern, text)`: what a regular expression finds in the text of a command.

use regex::RegexBuilder;
use starlark::environment::GlobalsBuilder;
use starlark::starlark_module;
use starlark::values::dict::AllocDict;
use starlark::values::none::NoneOr;

/// Largest compiled expression, in bytes.
const SIZE: usize = 1 << 20;

/// What the groups of an expression matched, by number and name.
type Groups = AllocDict<Vec<(String, String)>>;

#[starlark_module]
pub(super) fn functions(builder: &mut GlobalsBuilder) {
    /// The first match as a dict from the names of the groups (and "0", "1", ... their numbers) to what they
    /// matched, or None. `^` and `$` are begin and end of a line.
    fn find(
        #[starlark(require = pos)] pattern: &str,
        #[starlark(require = pos)] text: &str,
    ) -> starlark::Result<NoneOr<Groups>> {
        let expression = RegexBuilder::new(pattern).multi_line(true).size_limit(SIZE).build();
        let expression = expression.map_err(starlark::Error::new_native)?;
        let Some(captures) = expression.captures(text) else { return Ok(NoneOr::None) };
        let mut groups = Vec::new();
        for (number, name) in expression.capture_names().enumerate() {
            let value = captures.get(number).map_or("", |found| found.as_str());
            groups.push((number.to_string(), value.to_owned()));
            if let Some(name) = name {
                groups.push((name.to_owned(), value.to_owned()));
            }
        }
        Ok(NoneOr::Other(AllocDict(groups)))
    }
}
