//! The names of a module's types and values: each name is used once.

use std::{collections::BTreeMap, fmt};

use super::{
    TypeScriptError,
    check::{HELPERS, IS_OBJECT, MAP},
};

/// In TypeScript, a type and a value may have the same name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Namespace {
    Types,
    Values,
}

/// TypeScript types that are not JavaScript keywords, and that modules refer to.
const TYPES: [&str; 12] = [
    "Array", "Date", "Record", "any", "bigint", "boolean", "never", "number", "object", "string", "symbol",
    "unknown",
];

/// JavaScript's keywords: in a module, neither a type nor a value can have these names.
const WORDS: [&str; 50] = [
    "arguments",
    "await",
    "break",
    "case",
    "catch",
    "class",
    "const",
    "continue",
    "debugger",
    "default",
    "delete",
    "do",
    "else",
    "enum",
    "eval",
    "export",
    "extends",
    "false",
    "finally",
    "for",
    "function",
    "if",
    "implements",
    "import",
    "in",
    "instanceof",
    "interface",
    "let",
    "new",
    "null",
    "package",
    "private",
    "protected",
    "public",
    "return",
    "static",
    "super",
    "switch",
    "this",
    "throw",
    "true",
    "try",
    "typeof",
    "undefined",
    "var",
    "void",
    "while",
    "with",
    "yield",
    "globalThis",
];

/// The owner of a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum NameOwner {
    Enum(String),
    Type(String),
    Module,
    TypeScript,
}

impl fmt::Display for NameOwner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Enum(name) => write!(f, "of the enum `{name}`"),
            Self::Type(name) => write!(f, "of the type `{name}`"),
            Self::Module => f.write_str("the module's own"),
            Self::TypeScript => f.write_str("TypeScript's own"),
        }
    }
}

/// The names that are taken.
#[derive(Debug, Clone)]
pub(super) struct Names(BTreeMap<(Namespace, String), NameOwner>);

impl Names {
    /// The names that no enum and no type can have.
    pub(super) fn new() -> Self {
        let helpers = HELPERS.iter().chain([&MAP, &IS_OBJECT]).map(|(name, _)| *name);
        let own = [
            (Namespace::Types, NameOwner::TypeScript, TYPES.to_vec()),
            (Namespace::Types, NameOwner::TypeScript, WORDS.to_vec()),
            (Namespace::Values, NameOwner::TypeScript, WORDS.to_vec()),
            (Namespace::Types, NameOwner::Module, vec!["Check"]),
            (
                Namespace::Values,
                NameOwner::Module,
                helpers.chain(["checked"]).collect(),
            ),
        ];
        let own = own.into_iter().flat_map(|(space, of, names)| {
            names
                .into_iter()
                .map(move |name| ((space, name.to_owned()), of.clone()))
        });
        Self(own.collect())
    }

    /// Takes names, all or none.
    pub(super) fn take<const N: usize>(
        &mut self,
        of: &NameOwner,
        names: [(Namespace, String); N],
    ) -> Result<(), TypeScriptError> {
        for name in &names {
            if let Some(other) = self.0.get(name) {
                let is_of_type = matches!(of, NameOwner::Type(_)) || matches!(other, NameOwner::Type(_));
                return Err(TypeScriptError::Name {
                    name: name.1.clone(),
                    of: of.to_string(),
                    other: other.to_string(),
                    write: if is_of_type {
                        "write `#[ts(rename = \"..\")]` on the type"
                    } else {
                        "give the enum another name"
                    },
                });
            }
        }
        self.0.extend(names.map(|name| (name, of.clone())));
        Ok(())
    }
}
