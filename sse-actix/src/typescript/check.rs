//! Makes a run-time check of a type: an expression of type `(value: unknown) => boolean`.

use super::syntax::{Property, Type};

/// The helpers of the checks.
pub(super) const HELPERS: [(&str, &str); 12] = [
    (
        "isString",
        "const isString: Check = (value) => typeof value === \"string\";",
    ),
    (
        "isNumber",
        "const isNumber: Check = (value) => typeof value === \"number\";",
    ),
    (
        "isBoolean",
        "const isBoolean: Check = (value) => typeof value === \"boolean\";",
    ),
    ("isNull", "const isNull: Check = (value) => value === null;"),
    ("isAnything", "const isAnything: Check = () => true;"),
    ("isNothing", "const isNothing: Check = () => false;"),
    (
        "literal",
        "const literal = (known: unknown): Check => (value) => value === known;",
    ),
    (
        "either",
        "const either = (...checks: Check[]): Check => (value) => checks.some((check) => check(value));",
    ),
    (
        "both",
        "const both = (...checks: Check[]): Check => (value) => checks.every((check) => check(value));",
    ),
    (
        "list",
        "const list = (check: Check): Check => (value) => Array.isArray(value) && value.every((item) => check(item));",
    ),
    (
        "tuple",
        "const tuple = (...checks: Check[]): Check => (value) =>\n  Array.isArray(value) && value.length === checks.length && checks.every((check, at) => check(value[at]));",
    ),
    (
        "object",
        "const object = (required: [string, Check][], optional: [string, Check][] = []): Check => (value) =>\n  isObject(value) &&\n  required.every(([key, check]) => Object.hasOwn(value, key) && check(value[key])) &&\n  optional.every(([key, check]) => !Object.hasOwn(value, key) || check(value[key]));",
    ),
];

/// The helper of a map, and the helper that maps and objects share.
pub(super) const MAP: (&str, &str) = (
    "map",
    "const map = (check: Check, fields: string[] = []): Check => (value) =>\n  isObject(value) && Object.entries(value).every(([key, item]) => fields.includes(key) || check(item));",
);
pub(super) const IS_OBJECT: (&str, &str) = (
    "isObject",
    "const isObject = (value: unknown): value is Record<string, unknown> =>\n  typeof value === \"object\" && value !== null && !Array.isArray(value);",
);

/// The expression that checks a type. `parameters` are the parameters of the declaration that contains the type.
pub(super) fn check(ty: &Type, parameters: &[String]) -> Result<String, &'static str> {
    let all = |types: &[Type]| -> Result<String, &'static str> {
        let checks: Result<Vec<_>, _> = types.iter().map(|ty| check(ty, parameters)).collect();
        Ok(checks?.join(", "))
    };
    Ok(match ty {
        Type::Literal(text) => format!("literal({text})"),
        Type::Union(types) => format!("either({})", all(types)?),
        Type::Intersection(types) => intersection(types, parameters)?,
        Type::Tuple(types) => format!("tuple({})", all(types)?),
        Type::Map(ty) => format!("map({})", check(ty, parameters)?),
        Type::Object(properties) => object(properties, parameters)?,
        Type::Name(name, arguments) => match (name.as_str(), arguments.as_slice()) {
            ("string", []) => "isString".to_owned(),
            ("number", []) => "isNumber".to_owned(),
            ("boolean", []) => "isBoolean".to_owned(),
            ("null", []) => "isNull".to_owned(),
            ("unknown" | "any", []) => "isAnything".to_owned(),
            ("never", []) => "isNothing".to_owned(),
            ("bigint", []) => return Err("`JSON.parse` gives no `bigint`"),
            ("undefined" | "void" | "symbol" | "object" | "Date", []) => {
                return Err("`JSON.parse` gives no such value");
            }
            ("Array", [item]) => format!("list({})", check(item, parameters)?),
            // An object without known fields.
            ("Record", [Type::Name(key, _), _]) if key == "symbol" => IS_OBJECT.0.to_owned(),
            ("Record", [_, item]) => format!("map({})", check(item, parameters)?),
            (name, []) if parameters.iter().any(|parameter| parameter == name) => is_name(name),
            // In a function, because the check may be declared later, and may refer to itself.
            (name, []) => format!("(value) => {}(value)", is_name(name)),
            (name, arguments) => format!("(value) => {}({})(value)", is_name(name), all(arguments)?),
        },
    })
}

/// A flattened map holds the entries that are not fields of the object, so the map's check skips these fields.
fn intersection(types: &[Type], parameters: &[String]) -> Result<String, &'static str> {
    let fields = types.iter().flat_map(keys).collect::<Vec<_>>().join(", ");
    let checks: Result<Vec<_>, _> = types
        .iter()
        .map(|ty| match ty {
            Type::Map(item) if !fields.is_empty() => {
                check(item, parameters).map(|check| format!("map({check}, [{fields}])"))
            }
            ty => check(ty, parameters),
        })
        .collect();
    Ok(format!("both({})", checks?.join(", ")))
}

/// The fields that a type may have. Types with names are left out, because a flattened type has no name.
fn keys(ty: &Type) -> Vec<&str> {
    match ty {
        Type::Object(properties) => properties.iter().map(|property| property.key.as_str()).collect(),
        Type::Union(types) | Type::Intersection(types) => types.iter().flat_map(keys).collect(),
        _ => Vec::new(),
    }
}

/// The name of the check of a type with a name.
pub(super) fn is_name(name: &str) -> String {
    // Without the prefix, the check could have the name of a helper.
    format!("is_{name}")
}

fn object(properties: &[Property], parameters: &[String]) -> Result<String, &'static str> {
    let entries = |is_optional| -> Result<String, &'static str> {
        let properties = properties
            .iter()
            .filter(|property| property.is_optional == is_optional);
        let entries: Result<Vec<_>, &'static str> = properties
            .map(|Property { key, ty, .. }| check(ty, parameters).map(|check| format!("[{key}, {check}]")))
            .collect();
        Ok(entries?.join(", "))
    };
    let (required, optional) = (entries(false)?, entries(true)?);
    Ok(if optional.is_empty() {
        format!("object([{required}])")
    } else {
        format!("object([{required}], [{optional}])")
    })
}
