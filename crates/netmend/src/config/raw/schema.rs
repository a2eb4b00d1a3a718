//! What the JSON Schema says of the values that a person types in a config: as much as a schema can. What is
//! allowed in the end is decided by the readers in [`super`].

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use super::{
    Bytes, Certificates, Device, Dscp, FamilyChoice, Flag, Folder, Host, Includes, Label,
    PayloadSize, Port, Ports, RawTarget, Regions, SourceAddress, Tags,
};

text_schema!(Label, { "type": ["string", "number", "boolean"], "minLength": 1, "maxLength": 128 });
text_schema!(Host, { "type": "string", "minLength": 1, "examples": ["www.example.com", "10.1.2.3"] });
text_schema!(Port, { "type": "integer", "minimum": 1, "maximum": 65535 });

text_schema!(Ports, {
    "anyOf": [
        { "type": "integer", "minimum": 1, "maximum": 65535 },
        { "type": "string", "pattern": r"\$\{|^[1-9][0-9]{0,4}$" },
        {
            "type": "array",
            "minItems": 1,
            "items": { "type": ["integer", "string"], "minimum": 1, "maximum": 65535 }
        }
    ]
});
text_schema!(Flag, { "type": "boolean" });
text_schema!(Bytes, {
    "type": "string",
    "pattern": r"^\s*[0-9.]+\s*([kKmMgGtT][iI]?)?[bB]\s*$|\$\{",
    "examples": ["10 GiB"]
});
text_schema!(FamilyChoice, { "enum": [4, 6, "4", "6", "both"] });
text_schema!(Dscp, {
    "anyOf": [
        { "type": "integer", "minimum": 0, "maximum": 63 },
        { "type": "string", "examples": ["EF", "AF41", "CS6"] }
    ]
});
text_schema!(PayloadSize, { "type": "integer", "minimum": 16, "maximum": 65507 });
text_schema!(SourceAddress, { "type": "string" });
text_schema!(Device, { "type": "string", "minLength": 1, "maxLength": 15 });
text_schema!(Tags, { "type": "object", "additionalProperties": { "type": ["string", "number", "boolean"] } });
text_schema!(Folder, { "type": "string", "minLength": 1 });
text_schema!(Certificates, { "type": "string", "minLength": 1 });
text_schema!(Includes, {
    "anyOf": [
        { "type": "string", "minLength": 1 },
        { "type": "array", "items": { "type": "string", "minLength": 1 } }
    ]
});

impl JsonSchema for Regions {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Regions".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let host = Host::json_schema(generator);
        let target = generator.subschema_for::<RawTarget>();
        let ports = Ports::json_schema(generator);
        json_schema!({
            "type": "object",
            "additionalProperties": {
                "description": "A region: a list of hosts is asked by ICMP, `host: port` by TCP.",
                "anyOf": [
                    { "type": "array", "items": { "anyOf": [host, target] } },
                    { "type": "object", "additionalProperties": ports }
                ]
            }
        })
    }
}
