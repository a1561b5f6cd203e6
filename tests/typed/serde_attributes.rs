//! serde's attributes on data types: where utoipa and ts-rs see in them what serde writes, and where they do not.
//! The guide lists the exceptions (`docs/typed-events.md`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sse_actix::{SseEvents, openapi::TopicStream, typescript::Module};
use ts_rs::TS;
use utoipa::{
    Modify as _, ToSchema,
    openapi::{Object, ObjectBuilder, OpenApiBuilder, schema::Type},
};

use crate::{
    openapi::{data_schema, validate},
    typescript::checks,
};

mod text {
    use serde::{Deserialize as _, Deserializer, Serializer};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for it")]
    pub(super) fn serialize<S: Serializer>(number: &u8, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(number)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u8, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Declares a data type for each row, the enum of them all, and its values with what is expected: whether OpenAPI's
/// schema and the page's check take what serde writes.
macro_rules! table {
    ($($openapi:literal $typescript:literal $name:ident { $($item:tt)* } $value:expr;)*) => {
        $(
            #[allow(dead_code, non_snake_case, reason = "what each makes of it is the question")]
            #[derive(Clone, Serialize, Deserialize, ToSchema, TS)]
            $($item)*
        )*

        #[derive(Serialize, Deserialize, SseEvents)]
        #[sse(openapi, typescript)]
        enum Table {
            $($name($name),)*
        }

        fn table() -> Vec<(Table, bool, bool)> {
            vec![$((Table::$name($value), $openapi == "yes", $typescript == "yes")),*]
        }
    };
}

table! {
    // OpenAPI, TypeScript
    "yes" "yes" Renamed {
        struct Renamed { #[serde(rename = "other")] name: u8, #[serde(alias = "also")] alias: u8 }
    } Renamed { name: 1, alias: 2 };
    "yes" "yes" RenameAll {
        #[serde(rename_all = "camelCase")]
        struct RenameAll { foo_bar: u8, r#type: u8 }
    } RenameAll { foo_bar: 1, r#type: 2 };
    "yes" "no" RenameAllSnake {
        #[serde(rename_all = "snake_case")]
        struct RenameAllSnake { fooBar: u8 }
    } RenameAllSnake { fooBar: 1 };
    "no" "no" RenameAllLower {
        #[serde(rename_all = "lowercase")]
        struct RenameAllLower { fooBar: u8 }
    } RenameAllLower { fooBar: 1 };
    "no" "no" RenamedForOne {
        struct RenamedForOne { #[serde(rename(serialize = "other"))] name: u8 }
    } RenamedForOne { name: 1 };
    "no" "no" RenameAllForOne {
        #[serde(rename_all(serialize = "camelCase"))]
        struct RenameAllForOne { foo_bar: u8 }
    } RenameAllForOne { foo_bar: 1 };
    "no" "yes" RawLiteral {
        struct RawLiteral { #[serde(rename = r"other")] name: u8 }
    } RawLiteral { name: 1 };
    "yes" "yes" Defaults {
        struct Defaults { #[serde(default)] a: u8, #[serde(default = "Default::default")] b: Option<u8> }
    } Defaults { a: 1, b: None };
    "yes" "yes" AllDefault {
        #[derive(Default)]
        #[serde(default)]
        struct AllDefault { a: u8, b: Option<u8> }
    } AllDefault { a: 1, b: None };
    "yes" "yes" Omitted {
        struct Omitted { #[serde(default, skip_serializing_if = "Option::is_none")] a: Option<u8>, b: u8 }
    } Omitted { a: None, b: 1 };
    "yes" "no" OmittedWithoutDefault {
        struct OmittedWithoutDefault { #[serde(skip_serializing_if = "Option::is_none")] a: Option<u8>, b: u8 }
    } OmittedWithoutDefault { a: None, b: 1 };
    "yes" "no" OmittedWithDefaultOfAll {
        #[derive(Default)]
        #[serde(default)]
        struct OmittedWithDefaultOfAll { #[serde(skip_serializing_if = "Option::is_none")] a: Option<u8>, b: u8 }
    } OmittedWithDefaultOfAll { a: None, b: 1 };
    "yes" "yes" Skipped {
        struct Skipped { #[serde(skip)] a: u8, #[serde(skip_serializing, default)] b: u8, c: u8 }
    } Skipped { a: 1, b: 2, c: 3 };
    "yes" "no" SkippedWithoutDefault {
        struct SkippedWithoutDefault { #[serde(skip_serializing)] a: u8, b: u8 }
    } SkippedWithoutDefault { a: 1, b: 2 };
    "yes" "yes" SkipDeserializing {
        struct SkipDeserializing { #[serde(skip_deserializing)] a: u8, b: u8 }
    } SkipDeserializing { a: 1, b: 2 };
    "no" "yes" With {
        struct With { #[serde(with = "text")] #[ts(type = "string")] a: u8 }
    } With { a: 1 };
    "yes" "yes" WithDescribed {
        struct WithDescribed { #[serde(with = "text")] #[schema(value_type = String)] #[ts(as = "String")] a: u8 }
    } WithDescribed { a: 1 };
    "no" "no" SerializeWith {
        struct SerializeWith { #[serde(serialize_with = "text::serialize")] a: u8 }
    } SerializeWith { a: 1 };
    "yes" "yes" Flat {
        struct Flat { x: u8, #[serde(flatten)] more: Defaults, #[serde(flatten)] rest: BTreeMap<String, u8> }
    } Flat { x: 1, more: Defaults { a: 2, b: Some(3) }, rest: BTreeMap::new() };
    "yes" "yes" FlatEnum {
        struct FlatEnum { b: u8, #[serde(flatten)] kind: Internally }
    } FlatEnum { b: 1, kind: Internally::Some { a: 2 } };
    "yes" "yes" TransparentNewtype {
        #[serde(transparent)]
        struct TransparentNewtype(u8);
    } TransparentNewtype(1);
    "no" "no" Transparent {
        #[serde(transparent)]
        struct Transparent { a: u8 }
    } Transparent { a: 1 };
    "yes" "yes" TaggedStruct {
        #[serde(tag = "type")]
        struct TaggedStruct { a: u8 }
    } TaggedStruct { a: 1 };
    "yes" "yes" Strict {
        #[serde(deny_unknown_fields)]
        struct Strict { a: u8 }
    } Strict { a: 1 };
    "no" "no" Converted {
        #[serde(from = "u8", into = "u8")]
        struct Converted { a: u8 }
    } Converted { a: 1 };
    "yes" "yes" Externally {
        #[serde(rename_all = "kebab-case")]
        enum Externally { Nothing, SomeThing { a: u8 }, Whole(u8), #[serde(rename = "x")] Renamed }
    } Externally::SomeThing { a: 1 };
    "yes" "yes" Internally {
        #[serde(tag = "type", rename_all = "lowercase")]
        enum Internally { Nothing, Some { a: u8 } }
    } Internally::Some { a: 1 };
    "yes" "yes" Adjacently {
        #[serde(tag = "type", content = "content")]
        enum Adjacently { Nothing, Some { a: u8 } }
    } Adjacently::Some { a: 1 };
    "yes" "yes" Untagged {
        #[serde(untagged)]
        enum Untagged { Some { a: u8 }, Whole(String) }
    } Untagged::Whole("x".to_owned());
    "yes" "yes" VariantRenameAll {
        enum VariantRenameAll { #[serde(rename_all = "camelCase")] Some { foo_bar: u8 } }
    } VariantRenameAll::Some { foo_bar: 1 };
    "no" "yes" RenameAllFields {
        #[serde(rename_all_fields = "camelCase")]
        enum RenameAllFields { Some { foo_bar: u8 } }
    } RenameAllFields::Some { foo_bar: 1 };
    "no" "yes" UntaggedVariant {
        enum UntaggedVariant { Some { a: u8 }, #[serde(untagged)] Rest(String) }
    } UntaggedVariant::Rest("x".to_owned());
    "yes" "yes" Other {
        #[serde(rename_all = "lowercase")]
        enum Other { Known, #[serde(other)] Unknown }
    } Other::Unknown;
}

impl From<u8> for Converted {
    fn from(a: u8) -> Self {
        Self { a }
    }
}

impl From<Converted> for u8 {
    fn from(Converted { a }: Converted) -> Self {
        a
    }
}

#[test]
fn the_exceptions_are_those_that_the_guide_lists() {
    let mut document = OpenApiBuilder::new().build();
    TopicStream::<Table>::new().modify(&mut document);
    let document = serde_json::to_value(document).unwrap();
    let module = Module::new("none").events::<Table>().unwrap();
    let (mut by_schema, mut by_name) = (Vec::new(), Vec::new());
    for (at, (event, ..)) in table().iter().enumerate() {
        let name = Table::NAMES[at].as_str();
        let Value::Object(tagged) = serde_json::to_value(event).unwrap() else {
            panic!()
        };
        by_schema.push((data_schema("TableTopicEvent", at), tagged[name].clone()));
        by_name.push((name, tagged[name].clone()));
    }
    let checked = validate(&document, &by_schema);
    assert_eq!(checked.errors, [""; 0]);
    let in_page = checks(&module, "table", &by_name);
    let mut different = Vec::new();
    for (at, (_, openapi, typescript)) in table().into_iter().enumerate() {
        let found = (checked.valid[at], in_page[at]);
        if found != (openapi, typescript) {
            different.push((by_name[at].clone(), found));
        }
    }
    assert!(
        different.is_empty(),
        "what each takes: {different:#?}\n{module}\n{document:#}"
    );
}

#[derive(Serialize, Deserialize, ToSchema, TS)]
struct More {
    note: String,
}

#[derive(Serialize, Deserialize, ToSchema, TS)]
struct WithMore {
    price: u8,
    #[serde(flatten)]
    more: Option<More>,
}

#[derive(Serialize, Deserialize, SseEvents)]
#[sse(openapi, typescript)]
enum Optional {
    Price(WithMore),
}

#[test]
fn an_optional_struct_that_is_flattened_in_a_data_type_is_an_error() {
    let error = Module::new("none").events::<Optional>().unwrap_err().to_string();
    assert!(
        error.starts_with(
            "the data of the event `Price` of `Optional` has no TypeScript: More | null cannot be flattened; "
        ),
        "{error}"
    );
    let mut document = OpenApiBuilder::new().build();
    TopicStream::<Optional>::new().modify(&mut document);
    let more = Some(More { note: "x".to_owned() });
    let cases = [WithMore { price: 1, more }, WithMore { price: 1, more: None }];
    let cases = cases.map(|data| {
        (
            data_schema("OptionalTopicEvent", 0),
            serde_json::to_value(data).unwrap(),
        )
    });
    // OpenAPI describes it as if it were always there.
    assert_eq!(
        validate(&serde_json::to_value(document).unwrap(), &cases).valid,
        [true, false]
    );
}

/// What `with` writes can be said in each way that utoipa and ts-rs have, in newtypes too.
#[derive(Serialize, Deserialize, SseEvents)]
#[sse(openapi, typescript)]
enum Written {
    ByType(
        #[serde(with = "text")]
        #[schema(value_type = String, max_length = 3)]
        #[ts(type = "string")]
        u8,
    ),
    ByOther(
        #[serde(with = "text")]
        #[schema(value_type = String)]
        #[ts(as = "String")]
        u8,
    ),
    Fields {
        #[serde(with = "text")]
        #[schema(value_type = String)]
        #[ts(as = "String")]
        by_type: u8,
        #[serde(with = "text")]
        #[schema(schema_with = a_text)]
        #[ts(as = "String")]
        by_function: u8,
    },
}

fn a_text() -> Object {
    ObjectBuilder::new().schema_type(Type::String).build()
}

#[test]
fn what_with_writes_is_described_by_type_or_by_function() {
    let fields = Written::Fields {
        by_type: 1,
        by_function: 2,
    };
    let events = [Written::ByType(1), Written::ByOther(2), fields];
    let mut document = OpenApiBuilder::new().build();
    TopicStream::<Written>::new().modify(&mut document);
    let module = Module::new("none").events::<Written>().unwrap();
    let (mut by_schema, mut by_name) = (Vec::new(), Vec::new());
    for (at, (name, event)) in Written::NAMES.iter().zip(&events).enumerate() {
        let data = serde_json::to_value(event).unwrap()[name.as_str()].clone();
        for data in [data, json!(1)] {
            by_schema.push((data_schema("WrittenTopicEvent", at), data.clone()));
            by_name.push((name.as_str(), data));
        }
    }
    let checked = validate(&serde_json::to_value(document).unwrap(), &by_schema);
    assert_eq!(checked.errors, [""; 0]);
    let expected = [true, false, true, false, true, false];
    assert_eq!(checked.valid, expected);
    assert_eq!(checks(&module, "written", &by_name), expected);
}
