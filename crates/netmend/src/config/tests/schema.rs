//! The JSON Schema against the shipped example and the cases: what an editor accepts is what we accept.

use std::path::Path;

use serde_json::{Map, Number, Value as Json, json};

use super::super::problem::Problems;
use super::super::raw::{RawConfig, RawDefaults, RawStore, RawTarget};
use super::super::yaml::{self, Core, Node, Value, core};
use super::super::{load_any, schema};

fn schema_json() -> Json {
    serde_json::to_value(schema()).unwrap()
}

fn to_json(node: &Node<'_>) -> Json {
    match &node.value {
        Value::List(items) => Json::Array(items.iter().map(to_json).collect()),
        Value::Map(entries) => {
            let key = |node: &Node<'_>| super::super::reader::key_text(node).to_owned();
            let entries: Map<_, _> = entries.iter().map(|(k, v)| (key(k), to_json(v))).collect();
            Json::Object(entries)
        }
        Value::Scalar { text, plain } => match core(text, *plain) {
            Core::Null => Json::Null,
            Core::Bool(value) => Json::Bool(value),
            Core::Number => match text.parse::<i64>() {
                Ok(number) => json!(number),
                Err(_) => Json::Number(Number::from_f64(text.parse().unwrap()).unwrap()),
            },
            Core::Text => json!(text),
        },
    }
}

/// Whether `value` fits the parts of JSON Schema that ours is made of; another keyword is a panic.
fn fits(value: &Json, schema: &Json, root: &Json) -> bool {
    let schema = schema.as_object().expect("a schema is an object");
    schema.iter().all(|(keyword, rule)| match keyword.as_str() {
        "$schema" | "$defs" | "title" | "description" | "examples" | "pattern" => true,
        "$ref" => {
            let path = rule.as_str().unwrap().trim_start_matches('#');
            fits(value, root.pointer(path).expect("the reference leads somewhere"), root)
        }
        "anyOf" => rule.as_array().unwrap().iter().any(|rule| fits(value, rule, root)),
        "enum" => rule.as_array().unwrap().contains(value),
        "type" => match rule {
            Json::Array(types) => types.iter().any(|name| is(value, name.as_str().unwrap())),
            name => is(value, name.as_str().unwrap()),
        },
        "minimum" => value.as_i64().is_none_or(|n| n >= rule.as_i64().unwrap()),
        "maximum" => value.as_i64().is_none_or(|n| n <= rule.as_i64().unwrap()),
        "minLength" => {
            value.as_str().is_none_or(|s| s.chars().count() as u64 >= rule.as_u64().unwrap())
        }
        "maxLength" => {
            value.as_str().is_none_or(|s| s.chars().count() as u64 <= rule.as_u64().unwrap())
        }
        "minItems" => value.as_array().is_none_or(|a| a.len() as u64 >= rule.as_u64().unwrap()),
        "items" => value.as_array().is_none_or(|a| a.iter().all(|item| fits(item, rule, root))),
        "required" => value.as_object().is_none_or(|object| {
            rule.as_array().unwrap().iter().all(|key| object.contains_key(key.as_str().unwrap()))
        }),
        "properties" => value.as_object().is_none_or(|object| {
            let rules = rule.as_object().unwrap();
            object.iter().all(|(key, v)| rules.get(key).is_none_or(|rule| fits(v, rule, root)))
        }),
        "additionalProperties" => value.as_object().is_none_or(|object| {
            let known = schema.get("properties").and_then(Json::as_object);
            let mut more = object
                .iter()
                .filter(|(key, _)| !known.is_some_and(|known| known.contains_key(*key)));
            more.all(|(_, v)| rule.as_bool().unwrap_or_else(|| fits(v, rule, root)))
        }),
        other => panic!("the schema has come to use `{other}`"),
    })
}

fn is(value: &Json, name: &str) -> bool {
    match name {
        "string" => value.is_string(),
        "integer" => value.is_i64(),
        "number" => value.is_number(),
        "boolean" => value.is_boolean(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        "null" => value.is_null(),
        other => panic!("unknown type {other}"),
    }
}

fn file_fits(path: &Path) -> bool {
    let text = std::fs::read_to_string(path).unwrap();
    let root = yaml::parse(text.trim_start_matches('\u{FEFF}'), 0, &mut Problems::default());
    let schema = schema_json();
    fits(&to_json(&root.unwrap()), &schema, &schema)
}

#[test]
fn the_shipped_example_is_good_fits_the_schema_and_shows_every_key() {
    let path = Path::new("../../examples/netmend.yaml");
    let settings = load_any(path).map_err(|problems| problems.to_string()).unwrap();
    assert!(settings.targets.len() > 10);
    assert!(file_fits(path));
    let text = std::fs::read_to_string(path).unwrap();
    let docs = std::fs::read_to_string("../../docs/config.md").unwrap();
    for key in [RawConfig::KEYS, RawStore::KEYS, RawTarget::KEYS].concat() {
        assert!(text.contains(&format!("{key}:")), "the example lacks {key}");
        assert!(docs.contains(key), "docs/config.md lacks {key}");
    }
    for name in ["icmp_targets.yaml", "tcp_targets.yaml", "hosts.txt"] {
        let path = path.with_file_name(name);
        let targets = load_any(&path).map_err(|problems| problems.to_string()).unwrap().targets;
        assert!(targets.len() >= 2, "{name}");
    }
}

#[test]
fn the_schema_describes_every_key() {
    let schema = schema_json();
    let parts = [
        (schema.clone(), RawConfig::KEYS),
        (schema["$defs"]["RawStore"].clone(), RawStore::KEYS),
        (schema["$defs"]["RawDefaults"].clone(), RawDefaults::KEYS),
        (schema["$defs"]["RawTarget"].clone(), RawTarget::KEYS),
    ];
    for (part, keys) in parts {
        let known = part["properties"].as_object().expect("it has keys");
        assert_eq!(known.len(), keys.len());
        for key in keys {
            let described = known[*key]["description"].as_str().unwrap_or_default();
            assert!(described.len() > 15, "{key} needs a description");
        }
        assert_eq!(part["additionalProperties"], json!(false));
    }
}

#[test]
fn the_schema_agrees_with_check_on_the_cases() {
    let good = ["empty-regions", "every-key", "json", "references", "same-host-twice", "include"];
    for name in good {
        assert!(
            file_fits(&Path::new("tests/config/good").join(name).with_extension("yaml")),
            "{name}"
        );
    }
    for name in ["unknown-keys", "ports", "options", "shapes", "durations", "list-at-top"] {
        assert!(
            !file_fits(&Path::new("tests/config/bad").join(name).with_extension("yaml")),
            "{name}"
        );
    }
}
