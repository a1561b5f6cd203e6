//! The names of fields are the same in the bytes, in OpenAPI and in TypeScript, however they are written in Rust.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sse_actix::{
    SseEvents,
    openapi::{self, BrowserStream},
    typescript::{self, Module},
};
use utoipa::{Modify as _, openapi::OpenApiBuilder};

use crate::{
    openapi::{data_schema, validate},
    typescript::checks,
};

macro_rules! with_rules {
    ($($variant:ident $rule:literal)*) => {
        /// Every rule of serde's, on names of usual style and of others.
        #[allow(non_snake_case, reason = "what each of the three makes of them is the question")]
        #[derive(Serialize, Deserialize, SseEvents)]
        #[sse(openapi, typescript)]
        enum Ruled {$(
            #[serde(rename_all = $rule)]
            $variant { fooBar: u8, foo_bar: u8, Foo: u8, HTTPError: u8, __double__under: u8, level2_data: u8, r#type: u8 },
        )*}

        fn ruled() -> Vec<Ruled> {
            vec![$(Ruled::$variant {
                fooBar: 1,
                foo_bar: 2,
                Foo: 3,
                HTTPError: 4,
                __double__under: 5,
                level2_data: 6,
                r#type: 7,
            }),*]
        }
    };
}

with_rules! {
    Lower "lowercase"
    Snake "snake_case"
    Kebab "kebab-case"
}

/// Here `fooBar` and `foo_bar` would be one name.
#[allow(
    non_snake_case,
    reason = "what each of the three makes of them is the question"
)]
#[derive(Serialize, Deserialize, SseEvents)]
#[serde(rename_all_fields = "camelCase")]
#[sse(openapi, typescript)]
enum RuledByEnum {
    Camel {
        fooBar: u8,
        HTTPError: u8,
        __double__under: u8,
        level2_data: u8,
        r#type: u8,
    },
    #[serde(rename_all = "PascalCase")]
    Pascal {
        fooBar: u8,
        HTTPError: u8,
        __double__under: u8,
        level2_data: u8,
        r#type: u8,
    },
    #[serde(rename_all = "UPPERCASE")]
    Upper { fooBar: u8, foo_bar: u8, r#type: u8 },
    #[serde(rename_all = "SCREAMING_SNAKE_CASE")]
    Screaming { fooBar: u8, foo_bar: u8, r#type: u8 },
    #[serde(rename_all = "SCREAMING-KEBAB-CASE")]
    Loud {
        fooBar: u8,
        foo_bar: u8,
        r#type: u8,
        #[serde(rename = "as_it_is")]
        renamed: u8,
    },
}

fn ruled_by_enum() -> Vec<RuledByEnum> {
    let [a, b, c] = [1, 2, 3];
    vec![
        RuledByEnum::Camel {
            fooBar: a,
            HTTPError: b,
            __double__under: c,
            level2_data: 4,
            r#type: 5,
        },
        RuledByEnum::Pascal {
            fooBar: a,
            HTTPError: b,
            __double__under: c,
            level2_data: 4,
            r#type: 5,
        },
        RuledByEnum::Upper {
            fooBar: a,
            foo_bar: b,
            r#type: c,
        },
        RuledByEnum::Screaming {
            fooBar: a,
            foo_bar: b,
            r#type: c,
        },
        RuledByEnum::Loud {
            fooBar: a,
            foo_bar: b,
            r#type: c,
            renamed: 4,
        },
    ]
}

/// Names that have to be escaped, or that are written in another form of literal.
#[derive(Serialize, Deserialize, SseEvents)]
#[sse(openapi, typescript)]
enum Spelled {
    Literals {
        #[serde(rename = r"raw")]
        raw: u8,
        #[serde(rename = r#"ha"sh"#)]
        hash: u8,
        #[serde(rename = "back\\slash")]
        backslash: u8,
        #[serde(rename = "\u{e9}t\u{e9}")]
        escaped: u8,
        #[serde(rename = "two\nlines\t\u{1}0")]
        control: u8,
    },
    Signs {
        #[serde(rename = "a b")]
        blank: u8,
        #[serde(rename = "1st")]
        digit: u8,
        #[serde(rename = "} & {")]
        brackets: u8,
        #[serde(rename = "$ref")]
        reference: u8,
        #[serde(rename = "__proto__")]
        proto: u8,
    },
    Newtype(#[serde(rename = "none")] u8),
}

fn spelled() -> Vec<Spelled> {
    vec![
        Spelled::Literals {
            raw: 1,
            hash: 2,
            backslash: 3,
            escaped: 4,
            control: 5,
        },
        Spelled::Signs {
            blank: 1,
            digit: 2,
            brackets: 3,
            reference: 4,
            proto: 5,
        },
        Spelled::Newtype(1),
    ]
}

/// Both documents take what is sent, and not if one of its fields is missing or of another type.
fn check<T>(value: &str, events: &[T])
where
    T: SseEvents + Serialize + openapi::DescribeEvents + typescript::DescribeEvents,
{
    let mut document = OpenApiBuilder::new().build();
    BrowserStream::<T>::new().modify(&mut document);
    let document = serde_json::to_value(document).unwrap();
    let component = format!("{}BrowserEvent", <T as openapi::DescribeEvents>::NAME);
    let mut cases: Vec<(usize, String, Value, bool)> = Vec::new();
    for (at, event) in events.iter().enumerate() {
        let name = event.event_name().to_string();
        let Value::Object(tagged) = serde_json::to_value(event).unwrap() else {
            panic!("an event with data");
        };
        let data = tagged[&name].clone();
        if let Value::Object(fields) = &data {
            for key in fields.keys() {
                let mut without = fields.clone();
                without.remove(key);
                cases.push((at, name.clone(), without.into(), false));
                let mut wrong = fields.clone();
                wrong[key] = json!("text");
                cases.push((at, name.clone(), wrong.into(), false));
            }
        }
        cases.push((at, name, data, true));
    }
    let by_schema: Vec<_> = cases
        .iter()
        .map(|(at, _, data, _)| (data_schema(&component, *at), data.clone()))
        .collect();
    let checked = validate(&document, &by_schema);
    assert_eq!(checked.errors, [""; 0]);
    let module = Module::new("none").events::<T>().unwrap();
    let by_name: Vec<_> = cases
        .iter()
        .map(|(_, name, data, _)| (&**name, data.clone()))
        .collect();
    let in_page = checks(&module, value, &by_name);
    for ((case, in_openapi), in_page) in cases.iter().zip(checked.valid).zip(in_page) {
        let (_, name, data, is_valid) = case;
        assert_eq!(in_openapi, *is_valid, "OpenAPI: {name} {data}");
        assert_eq!(in_page, *is_valid, "TypeScript: {name} {data}\n{module}");
    }
}

#[test]
fn every_rule_of_serde_s_means_the_same() {
    check("ruled", &ruled());
    check("ruledByEnum", &ruled_by_enum());
}

#[test]
fn every_spelling_of_a_name_means_the_same() {
    check("spelled", &spelled());
}
