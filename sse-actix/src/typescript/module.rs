use std::{collections::BTreeMap, fmt, fs, path::Path};

use super::{
    DescribeEvents, TypeScriptError,
    check::{self, HELPERS, IS_OBJECT, MAP},
    names::{NameOwner, Names, Namespace},
    syntax,
};

/// A file of TypeScript with the events of one enum, or of several.
///
/// ```
/// use serde::{Deserialize, Serialize};
/// use sse_actix::{SseEvents, typescript::Module};
///
/// #[derive(Serialize, Deserialize, SseEvents)]
/// #[sse(typescript)]
/// enum Market {
///     Price(f64),
/// }
///
/// let module = Module::new("cargo run -- --typescript").events::<Market>()?;
/// # let folder = std::env::temp_dir().join(format!("sse-actix-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).unwrap();
/// let file = folder.join("market.ts");
/// module.write(&file)?;
/// module.check(&file)?;
/// # std::fs::remove_dir_all(&folder).unwrap();
/// # Ok::<(), sse_actix::typescript::TypeScriptError>(())
/// ```
#[derive(Debug, Clone)]
#[must_use = "a module is written, or compared with a file"]
pub struct Module {
    command: String,
    /// Declarations by name, and the check of each.
    types: BTreeMap<String, (String, String)>,
    enums: Vec<String>,
    names: Names,
}

impl Module {
    /// A module without events. `command` is the command that writes the file; the file names it, and so does an error
    /// of [`check`](Self::check).
    pub fn new(command: impl Into<String>) -> Self {
        Self {
            command: command.into(),
            types: BTreeMap::new(),
            enums: Vec::new(),
            names: Names::new(),
        }
    }

    /// Adds the events of an enum. A type that two enums use is declared once.
    ///
    /// # Errors
    ///
    /// [`TypeScriptError`] if two items would have the same name, if one would have a name of TypeScript or of the
    /// module itself, if no check can be made of a type, or if ts-rs has no TypeScript for one.
    pub fn events<T: DescribeEvents>(mut self) -> Result<Self, TypeScriptError> {
        let (mut union, mut names, mut checks) = (String::new(), Vec::new(), String::new());
        for event in T::events() {
            let data = event.data.map_err(|reason| TypeScriptError::Data {
                of: T::NAME.to_owned(),
                event: event.name,
                reason,
            })?;
            for declared in data.types {
                self.declare(&declared.name, declared.text)?;
            }
            let name = quoted(event.name);
            let data = data.text.trim();
            let faulty = |reason| TypeScriptError::Type {
                of: T::NAME.to_owned(),
                text: data.to_owned(),
                reason,
            };
            let check = syntax::parse(data)
                .and_then(|ty| check::check(&ty, &[]))
                .map_err(faulty)?;
            union.extend(["\n  | { event: ", &name, ", data: ", data, " }"]);
            // In brackets, `__proto__` is a name like any other.
            checks.extend([
                "\n    [",
                &name,
                "]: checked<",
                T::NAME,
                "Events[",
                &name,
                "]>(",
                &check,
                "),",
            ]);
            names.push(name);
        }
        if union.is_empty() {
            union += " never";
        }
        let (of, value, names) = (T::NAME, value_name(T::NAME), names.join(", "));
        let open = if T::IS_OPEN {
            "\n * There may be events with other names, too."
        } else {
            ""
        };
        let text = format!(
            "/**\n * An event, by its name.{open}\n */\nexport type {of} ={union};\n\n\
             /** The data of each event, by the event's name. */\n\
             export type {of}Events = {{ [E in {of} as E[\"event\"]]: E[\"data\"] }};\n\n\
             /** The names of the events, and a check of each event's parsed data. */\n\
             export const {value}: {{\n  readonly names: readonly (keyof {of}Events)[];\n  \
             readonly checks: {{ readonly [K in keyof {of}Events]: (data: unknown) => data is {of}Events[K] }};\n\
             }} = {{\n  names: [{names}],\n  checks: {{{checks}\n  }},\n}};\n",
        );
        if !self.enums.contains(&text) {
            let names = [
                (Namespace::Types, of.to_owned()),
                (Namespace::Types, format!("{of}Events")),
                (Namespace::Values, value),
            ];
            self.names.take(&NameOwner::Enum(of.to_owned()), names)?;
            self.enums.push(text);
        }
        Ok(self)
    }

    fn declare(&mut self, name: &str, text: String) -> Result<(), TypeScriptError> {
        if self.types.get(name).is_some_and(|(known, _)| *known == text) {
            return Ok(());
        }
        let faulty = |reason| TypeScriptError::Type {
            of: name.to_owned(),
            text: text.clone(),
            reason,
        };
        let (parameters, ty) = syntax::declaration(&text).map_err(faulty)?;
        let check = check::check(&ty, &parameters).map_err(faulty)?;
        let takes = parameters
            .iter()
            .map(|name| format!("{}: Check", check::is_name(name)));
        let takes = takes.collect::<Vec<_>>().join(", ");
        let is_name = check::is_name(name);
        let names = [
            (Namespace::Types, name.to_owned()),
            (Namespace::Values, is_name.clone()),
        ];
        self.names.take(&NameOwner::Type(name.to_owned()), names)?;
        let check = if parameters.is_empty() {
            format!("const {is_name}: Check = {check};")
        } else {
            format!("const {is_name} = ({takes}): Check => {check};")
        };
        self.types.insert(name.to_owned(), (text, check));
        Ok(())
    }

    /// Writes the file.
    ///
    /// # Errors
    ///
    /// [`TypeScriptError::Io`] if it cannot be written.
    pub fn write(&self, file: impl AsRef<Path>) -> Result<(), TypeScriptError> {
        let file = file.as_ref();
        fs::write(file, self.to_string()).map_err(|source| TypeScriptError::Io {
            file: file.to_owned(),
            source,
        })
    }

    /// Compares the file, and writes nothing. For a test.
    ///
    /// ```no_run
    /// # use sse_actix::typescript::Module;
    /// # fn module() -> Module { Module::new("") }
    /// #[test]
    /// fn the_page_has_the_types_of_the_server() {
    ///     module().check("page/market.ts").unwrap();
    /// }
    /// ```
    ///
    /// # Errors
    ///
    /// [`TypeScriptError::Drift`] if it differs, with the command that writes it, and [`TypeScriptError::Io`] if it
    /// cannot be read.
    pub fn check(&self, file: impl AsRef<Path>) -> Result<(), TypeScriptError> {
        let file = file.as_ref();
        let found = fs::read_to_string(file).map_err(|source| TypeScriptError::Io {
            file: file.to_owned(),
            source,
        })?;
        // A checkout on Windows may have other line breaks.
        let found = found.replace("\r\n", "\n");
        let wanted = self.to_string();
        if found == wanted {
            return Ok(());
        }
        let same = found
            .lines()
            .zip(wanted.lines())
            .take_while(|(found, wanted)| found == wanted);
        Err(TypeScriptError::Drift {
            file: file.to_owned(),
            line: same.count() + 1,
            command: self.command.clone(),
        })
    }
}

impl fmt::Display for Module {
    /// The file's text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "// Written from Rust types by `{}`. Do not edit.",
            self.command
        )?;
        for (declaration, _) in self.types.values() {
            write!(f, "\nexport {declaration}\n")?;
        }
        let mut checks = String::new();
        for (_, check) in self.types.values() {
            checks = checks + check + "\n";
        }
        let used: String = checks.clone() + &self.enums.concat();
        let is_used = |name: &str| contains_word(&used, name);
        writeln!(f, "\ntype Check = (value: unknown) => boolean;\n")?;
        if [IS_OBJECT.0, "object(", "map("].into_iter().any(is_used) {
            writeln!(f, "{}", IS_OBJECT.1)?;
        }
        for (name, helper) in HELPERS.into_iter().chain([MAP]) {
            // A helper is used as a call, unless it is a check itself.
            let use_of_it = if name.starts_with("is") {
                name.to_owned()
            } else {
                format!("{name}(")
            };
            if is_used(&use_of_it) {
                writeln!(f, "{helper}")?;
            }
        }
        write!(
            f,
            "const checked = <T>(check: Check) => (data: unknown): data is T => check(data);\n{checks}"
        )?;
        for text in &self.enums {
            write!(f, "\n{text}")?;
        }
        Ok(())
    }
}

/// True if a text contains this word, not only as a part of another word.
fn contains_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let is_part = |char: char| char.is_alphanumeric() || "_$.".contains(char);
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|after| after.chars().next());
        !before.is_some_and(is_part) && (word.ends_with('(') || !after.is_some_and(is_part))
    })
}

/// `Market` becomes `market`, `ChatEvents` becomes `chatEvents`.
fn value_name(name: &str) -> String {
    let mut chars = name.chars();
    let first = chars.next().map(|char| char.to_ascii_lowercase());
    first.into_iter().chain(chars).collect()
}

/// The text as a JavaScript string, which is written as in JSON.
fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}
