//! The names of a module of TypeScript: each is there once, and none is the language's or the module's own.

use sse_actix::typescript::{DescribeEvents, Module, TypeScriptError};

/// Enums with one event each, whose data is a type.
macro_rules! enums {
    ($($module:ident: $name:ident { $($data:ident)? })*) => {$(
        mod $module {
            #[derive(serde::Serialize, serde::Deserialize, sse_actix::SseEvents)]
            #[sse(typescript)]
            #[allow(non_camel_case_types, dead_code, reason = "its name is the question; it is never made")]
            pub(super) enum $name {
                A$(($data))?,
            }

            $(
                #[derive(serde::Serialize, serde::Deserialize, ts_rs::TS)]
                #[allow(non_camel_case_types, reason = "its name is the question")]
                pub(super) struct $data {
                    cents: u32,
                }
            )?
        }
    )*};
}

enums! {
    import: Import {}
    arguments: Arguments {}
    literal: Literal {}
    checked: Checked {}
    is_object: IsObject {}
    array: Array {}
    check: Sale { Check }
    number: Other { number }
    symbol: Symbol {}
    market: Market {}
    market_with_data: Market { Price }
    small: market {}
    market_data: Shop { Market }
    market_events_data: Stall { MarketEvents }
    is_price: Is_Price {}
    price: Till { Price }
}

fn adds<T: DescribeEvents>(module: Module) -> Result<Module, String> {
    module.events::<T>().map_err(|error| {
        assert!(matches!(error, TypeScriptError::Name { .. }), "{error:?}");

        error.to_string()
    })
}

fn module() -> Module {
    Module::new("cargo run --bin types")
}

#[test]
fn a_name_that_is_the_language_s_or_the_module_s_own_is_an_error() {
    let enums = [
        (adds::<import::Import>(module()), "Import", "import", "TypeScript"),
        (
            adds::<arguments::Arguments>(module()),
            "Arguments",
            "arguments",
            "TypeScript",
        ),
        (
            adds::<literal::Literal>(module()),
            "Literal",
            "literal",
            "the module",
        ),
        (
            adds::<checked::Checked>(module()),
            "Checked",
            "checked",
            "the module",
        ),
        (
            adds::<is_object::IsObject>(module()),
            "IsObject",
            "isObject",
            "the module",
        ),
        (adds::<array::Array>(module()), "Array", "Array", "TypeScript"),
    ];
    for (added, of, name, whose) in enums {
        assert_eq!(
            added.unwrap_err(),
            format!(
                "the module would have two items called `{name}`: one is of the enum `{of}`, and one is {whose}'s own; \
                 give the enum another name"
            )
        );
    }
    let types = [
        (adds::<check::Sale>(module()), "Check", "the module"),
        (adds::<number::Other>(module()), "number", "TypeScript"),
    ];
    for (added, name, whose) in types {
        assert_eq!(
            added.unwrap_err(),
            format!(
                "the module would have two items called `{name}`: one is of the type `{name}`, and one is {whose}'s own; \
                 write `#[ts(rename = \"..\")]` on the type"
            )
        );
    }
}

#[test]
fn two_things_of_one_name_are_an_error_in_either_order() {
    let market = || adds::<market::Market>(module()).unwrap();
    let (of_enum, of_small) = ("the enum `Market`", "the enum `market`");
    for (added, name, of, other) in [
        (
            adds::<market_with_data::Market>(market()),
            "Market",
            of_enum,
            of_enum,
        ),
        (adds::<small::market>(market()), "market", of_small, of_enum),
        (
            adds::<market::Market>(adds::<small::market>(module()).unwrap()),
            "market",
            of_enum,
            of_small,
        ),
        (
            adds::<market_data::Shop>(market()),
            "Market",
            "the type `Market`",
            of_enum,
        ),
        (
            adds::<market::Market>(adds::<market_data::Shop>(module()).unwrap()),
            "Market",
            of_enum,
            "the type `Market`",
        ),
        (
            adds::<market_events_data::Stall>(market()),
            "MarketEvents",
            "the type `MarketEvents`",
            of_enum,
        ),
        (
            adds::<market::Market>(adds::<market_events_data::Stall>(module()).unwrap()),
            "MarketEvents",
            of_enum,
            "the type `MarketEvents`",
        ),
        (
            adds::<is_price::Is_Price>(adds::<price::Till>(module()).unwrap()),
            "is_Price",
            "the enum `Is_Price`",
            "the type `Price`",
        ),
    ] {
        let error = added.unwrap_err();
        let says = format!("two items called `{name}`: one is of {of}, and one is of {other}; ");
        assert!(error.contains(&says), "{error}");
        let advice = if says.contains("type") {
            "write `#[ts(rename = \"..\")]` on the type"
        } else {
            "give the enum another name"
        };
        assert!(error.ends_with(advice), "{error}");
    }
}

#[test]
fn the_same_enum_and_the_same_type_may_be_added_again() {
    let once = adds::<price::Till>(module()).unwrap();
    let again = adds::<price::Till>(once.clone()).unwrap();
    assert_eq!(again.to_string(), once.to_string());
    // A value is no type, for TypeScript.
    let _ = adds::<symbol::Symbol>(once.clone()).unwrap();
    // Another enum with the same data.
    let _ = adds::<market_with_data::Market>(once).unwrap();
}
