//! The house's rules, as far as a program can see them. Each rule is also shown something that breaks it.
#![allow(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

use syn::{
    Attribute, File, Item, ItemStruct, ItemUse, UseTree, Visibility,
    visit::{self, Visit},
};

const LONGEST_FILE: usize = 400;
const MOST_FIELDS: usize = 10;
const CRATES: [&str; 4] = ["sse-core", "sse-macros", "sse-actix", "sse-redis"];

/// This crate does not follow the rules yet: its follower gets a new design first.
const NOT_YET: &str = "sse-redis";

/// Names that others have replaced; DESIGN.md has the glossary.
const REPLACED: [&str; 18] = [
    "Member",
    "Spot",
    "Manner",
    "PartSpec",
    "Brought",
    "Seat",
    "Stay",
    "Outbox",
    "Farewell",
    "HeadAlone",
    "Journal",
    "Verdict",
    "Doubted",
    "Host",
    "Traffic",
    "Underway",
    "Lifeline",
    "Wishes",
];

const NO_NAMES_OF_FILES: [&str; 5] = ["utils", "util", "helpers", "common", "misc"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The files under a folder whose names end so, without what is built or installed.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if !name.starts_with('.') && !["target", "node_modules", "venv"].contains(&&*name) {
                found.extend(files(&path, extension));
            }
        } else if path.extension().is_some_and(|known| known == extension) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The library files of a crate, by their path in the repository.
fn library(krate: &str) -> Vec<(String, String)> {
    files(&root().join(krate).join("src"), "rs")
        .into_iter()
        .map(|path| {
            let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect()
}

/// Runs a rule over all library files, but those of a crate that does not follow it yet.
fn over_library(rule: impl Fn(&str, &str) -> Vec<String>) -> Vec<String> {
    let crates = CRATES.into_iter().filter(|krate| *krate != NOT_YET);
    let all = crates.flat_map(library);
    all.flat_map(|(name, text)| rule(&name, &text)).collect()
}

fn none(faults: &[String]) {
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
}

fn too_long(name: &str, text: &str) -> Vec<String> {
    let lines = text.lines().count();
    let fault = format!("{name}: {lines} lines; take it apart, {LONGEST_FILE} are the most");
    Some(fault).filter(|_| lines > LONGEST_FILE).into_iter().collect()
}

#[test]
fn no_library_file_is_long() {
    none(&over_library(too_long));
    assert_eq!(too_long("a.rs", &"//\n".repeat(LONGEST_FILE)).len(), 0);
    assert_eq!(too_long("a.rs", &"//\n".repeat(LONGEST_FILE + 1)).len(), 1);
}

struct Structs<'a> {
    file: &'a str,
    faults: Vec<String>,
}

impl<'ast> Visit<'ast> for Structs<'_> {
    fn visit_item_struct(&mut self, item: &'ast ItemStruct) {
        if item.fields.len() > MOST_FIELDS {
            self.faults.push(format!(
                "{}: `{}` has {} fields; group them into parts with names",
                self.file,
                item.ident,
                item.fields.len()
            ));
        }
        visit::visit_item_struct(self, item);
    }

    // `pin_project! { .. }` holds one.
    fn visit_item_macro(&mut self, item: &'ast syn::ItemMacro) {
        if let Ok(file) = syn::parse2::<File>(without_pins(&item.mac.tokens)) {
            self.visit_file(&file);
        }
    }
}

/// What `pin_project!` adds to a struct is no Rust by itself: it is left out.
fn without_pins(tokens: &proc_macro2::TokenStream) -> proc_macro2::TokenStream {
    let text = tokens.to_string();
    let end = text.find("impl <").unwrap_or(text.len());
    text.get(..end).unwrap_or_default().parse().unwrap_or_default()
}

fn too_many_fields(name: &str, text: &str) -> Vec<String> {
    let mut structs = Structs {
        file: name,
        faults: Vec::new(),
    };
    structs.visit_file(&syn::parse_file(text).unwrap());
    structs.faults
}

#[test]
fn no_struct_has_many_fields() {
    none(&over_library(too_many_fields));
    let fields = |number: usize| {
        let fields: Vec<_> = (0..number).map(|n| format!("f{n}: u8")).collect();
        fields.join(", ")
    };
    assert_eq!(
        too_many_fields("a.rs", &format!("struct A {{ {} }}", fields(10))).len(),
        0
    );
    assert_eq!(
        too_many_fields("a.rs", &format!("struct A {{ {} }}", fields(11))).len(),
        1
    );
    let pinned = format!("pin_project! {{ struct A {{ #[pin] {} }} }}", fields(11));
    assert_eq!(too_many_fields("a.rs", &pinned).len(), 1);
}

/// The words of a text, as Rust has them.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric() && c != '_')
        .filter(|word| !word.is_empty())
}

fn replaced(name: &str, text: &str) -> Vec<String> {
    let stem = Path::new(name).file_stem().unwrap().to_string_lossy();
    let file = NO_NAMES_OF_FILES
        .contains(&&*stem)
        .then(|| format!("{name}: say by the file's name what it holds"));
    let old: BTreeSet<&str> = text
        .lines()
        .flat_map(words)
        .filter(|word| REPLACED.contains(word))
        .collect();
    let old = old
        .into_iter()
        .map(|word| format!("{name}: `{word}` has another name now; see the glossary in DESIGN.md"));
    file.into_iter().chain(old).collect()
}

#[test]
fn replaced_names_stay_away() {
    let ours = |name: &str, text: &str| match name {
        // Other things have these names there.
        name if name.contains("/cross_origin/") => replaced(name, ""),
        _ => replaced(name, text),
    };
    none(&over_library(ours));
    assert_eq!(replaced("a/member.rs", "struct Member;\n// Seat").len(), 2);
    assert_eq!(replaced("a/utils.rs", "struct Members;").len(), 1);
}

fn allows_without_reason(name: &str, text: &str) -> Vec<String> {
    struct Allows(Vec<String>);
    impl<'ast> Visit<'ast> for Allows {
        fn visit_attribute(&mut self, attribute: &'ast Attribute) {
            let path = attribute.path();
            if !path.is_ident("allow") && !path.is_ident("expect") {
                return;
            }
            let list = attribute.meta.require_list().unwrap().tokens.to_string();
            if !list.contains("reason =") {
                self.0.push(list);
            }
        }
    }
    let mut allows = Allows(Vec::new());
    allows.visit_file(&syn::parse_file(text).unwrap());
    let faults = allows.0.into_iter();
    faults
        .map(|what| format!("{name}: say why `{what}` is allowed"))
        .collect()
}

#[test]
fn what_is_allowed_has_a_reason() {
    none(&over_library(allows_without_reason));
    assert_eq!(
        allows_without_reason("a.rs", "#[allow(dead_code)] fn a() {}").len(),
        1
    );
    let with = "#[expect(dead_code, reason = \"held\")] fn a() {}";
    assert_eq!(allows_without_reason("a.rs", with).len(), 0);
}

/// Split, so that this file does not hold them.
const UNFINISHED: [&str; 5] = [
    concat!("TO", "DO"),
    concat!("FIX", "ME"),
    concat!("dbg", "!("),
    concat!("todo", "!("),
    concat!("#[ig", "nore"),
];

fn unfinished(name: &str, text: &str) -> Vec<String> {
    // Tests of the macro give it such code.
    let text = text.split("#[cfg(test)]\nmod tests").next().unwrap();
    let found = UNFINISHED.into_iter().filter(|what| text.contains(what));
    found.map(|what| format!("{name}: `{what}` is left")).collect()
}

#[test]
fn nothing_is_unfinished() {
    let mut faults = Vec::new();
    for folder in CRATES.into_iter().chain(["examples", "tests", "bench"]) {
        for path in files(&root().join(folder), "rs") {
            // A part of a line of code that a test gives to the macro is no code of ours.
            if !path.to_string_lossy().contains("/ui/") {
                faults.extend(unfinished(
                    &path.to_string_lossy(),
                    &fs::read_to_string(&path).unwrap(),
                ));
            }
        }
    }
    none(&faults);
    assert_eq!(unfinished("a.rs", concat!("// TO", "DO: later")).len(), 1);
}

/// The path of a module, from its crate's root.
type Room = Vec<String>;

/// Which module of a crate uses which.
struct Rooms {
    files: BTreeMap<Room, File>,
    /// Where a module re-exports a name from.
    faces: BTreeMap<(Room, String), Room>,
}

impl Rooms {
    fn new(sources: &[(String, String)]) -> Self {
        let mut files = BTreeMap::new();
        for (name, text) in sources {
            let (_, path) = name.split_once("src/").unwrap();
            let path = path.trim_end_matches(".rs").trim_end_matches("/mod");
            let room: Room = path.split('/').map(str::to_owned).collect();
            if room.last().is_some_and(|last| last == "tests") {
                continue;
            }
            let room = if path == "lib" { Vec::new() } else { room };
            files.insert(room, without_tests(syn::parse_file(text).unwrap()));
        }
        let mut rooms = Self {
            files,
            faces: BTreeMap::new(),
        };
        let mut faces = BTreeMap::new();
        for (room, file) in &rooms.files {
            for item in &file.items {
                if let Item::Use(item) = item
                    && !matches!(item.vis, Visibility::Inherited)
                {
                    for path in Self::absolute(room, item) {
                        let home = rooms.within(&path);
                        faces.insert((room.clone(), path.last().unwrap().clone()), home);
                    }
                }
            }
        }
        rooms.faces = faces;
        rooms
    }

    /// The longest part of a path that is a module.
    fn within(&self, path: &[String]) -> Room {
        let mut longest = path.to_vec();
        while !self.files.contains_key(&longest) {
            longest.pop();
        }
        longest
    }

    /// The module that a path leads to, through re-exports.
    fn home(&self, path: &[String]) -> Room {
        let mut room = self.within(path);
        let Some(name) = path.get(room.len()) else {
            return room;
        };
        while let Some(next) = self.faces.get(&(room.clone(), name.clone()))
            && *next != room
        {
            room.clone_from(next);
        }
        room
    }

    /// The paths of a `use`, from the crate's root; none of other crates.
    fn absolute(room: &Room, item: &ItemUse) -> Vec<Room> {
        fn flatten(tree: &UseTree, before: &Room, found: &mut Vec<Room>) {
            let with = |name: &syn::Ident| {
                let mut path = before.clone();
                path.push(name.to_string());
                path
            };
            match tree {
                UseTree::Path(path) => flatten(&path.tree, &with(&path.ident), found),
                UseTree::Group(group) => group.items.iter().for_each(|tree| flatten(tree, before, found)),
                UseTree::Name(name) if name.ident == "self" => found.push(before.clone()),
                UseTree::Name(name) => found.push(with(&name.ident)),
                UseTree::Rename(rename) => found.push(with(&rename.ident)),
                UseTree::Glob(_) => found.push(before.clone()),
            }
        }
        let mut found = Vec::new();
        flatten(&item.tree, &Vec::new(), &mut found);
        let absolute = found.into_iter().filter_map(|path| Self::resolve(room, &path));
        absolute.filter(|path| !path.is_empty()).collect()
    }

    fn resolve(room: &Room, path: &[String]) -> Option<Room> {
        let mut rest = path.iter().peekable();
        let mut base = match rest.next()?.as_str() {
            "crate" => Vec::new(),
            "self" => room.clone(),
            "super" => {
                let mut base = room.clone();
                base.pop();
                base
            }
            _ => return None,
        };
        while rest.next_if(|next| *next == "super").is_some() {
            base.pop();
        }
        base.extend(rest.cloned());
        Some(base)
    }

    /// Which module uses which others, apart from those inside it and around it.
    fn uses(&self) -> BTreeMap<Room, BTreeSet<Room>> {
        struct Paths<'a> {
            rooms: &'a Rooms,
            room: &'a Room,
            found: BTreeSet<Room>,
        }
        impl<'ast> Visit<'ast> for Paths<'_> {
            fn visit_item_use(&mut self, item: &'ast ItemUse) {
                let paths = Rooms::absolute(self.room, item);
                self.found.extend(paths.iter().map(|path| self.rooms.home(path)));
            }
            fn visit_path(&mut self, path: &'ast syn::Path) {
                let segments: Room = path.segments.iter().map(|one| one.ident.to_string()).collect();
                if let Some(path) = Rooms::resolve(self.room, &segments) {
                    self.found.insert(self.rooms.home(&path));
                }
                visit::visit_path(self, path);
            }
            // `pub(in crate::hub)` is no use of it.
            fn visit_visibility(&mut self, _: &'ast Visibility) {}
        }
        let uses = self.files.iter().map(|(room, file)| {
            let mut paths = Paths {
                rooms: self,
                room,
                found: BTreeSet::new(),
            };
            paths.visit_file(file);
            let found = paths.found.into_iter();
            let apart = found.filter(|used| !used.starts_with(room) && !room.starts_with(used));
            (room.clone(), apart.collect())
        });
        uses.collect()
    }

    /// Modules that use each other, directly or in a ring.
    fn rings(&self) -> Vec<String> {
        let uses = self.uses();
        let reached = |from: &Room| {
            let mut reached = BTreeSet::new();
            let mut ahead: Vec<&Room> = uses.get(from).unwrap().iter().collect();
            while let Some(room) = ahead.pop() {
                if reached.insert(room) {
                    ahead.extend(uses.get(room).into_iter().flatten());
                }
            }
            reached
        };
        let in_rings = uses.keys().filter(|room| reached(room).contains(room));
        in_rings
            .map(|room| {
                format!(
                    "`{}` is in a ring of modules that use each other",
                    room.join("::")
                )
            })
            .collect()
    }
}

/// Tests may use anything.
fn without_tests(mut file: File) -> File {
    file.items.retain(|item| match item {
        Item::Mod(item) => item.ident != "tests",
        _ => true,
    });
    file
}

#[test]
fn modules_use_each_other_in_one_direction() {
    for krate in CRATES.into_iter().filter(|krate| *krate != NOT_YET) {
        none(&Rooms::new(&library(krate)).rings());
    }
    let ring = |a: &str, b: &str, c: &str| {
        let source = |name: &str, text: &str| (format!("x/src/{name}.rs"), text.to_owned());
        let face = source("lib", "mod a; mod b; mod c; pub use self::c::C;");
        Rooms::new(&[face, source("a", a), source("b", b), source("c", c)])
            .rings()
            .len()
    };
    assert_eq!(ring("use crate::b::B;", "use super::c::C;", "struct C;"), 0);
    assert_eq!(ring("use crate::b::B;", "use super::a::A;", ""), 2);
    assert_eq!(
        ring("use crate::b::B;", "fn b() { crate::C }", "use super::a::A;"),
        3
    );
}

/// Where a heading of Markdown is linked to.
fn anchor(heading: &str) -> String {
    let text = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = text.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

fn broken_links(path: &Path, text: &str) -> Vec<String> {
    let mut faults = Vec::new();
    let mut in_code = false;
    for line in text.lines() {
        in_code ^= line.trim_start().starts_with("```");
        if in_code {
            continue;
        }
        for after in line.split("](").skip(1) {
            let target = after.split(')').next().unwrap();
            if target.contains("://") || target.is_empty() || target.starts_with("mailto:") {
                continue;
            }
            let (file, heading) = target.split_once('#').unwrap_or((target, ""));
            let file = if file.is_empty() {
                path.to_owned()
            } else {
                path.parent().unwrap().join(file)
            };
            let leads = file.exists()
                && (heading.is_empty()
                    || fs::read_to_string(&file).is_ok_and(|text| {
                        text.lines()
                            .any(|line| line.starts_with('#') && anchor(line) == heading)
                    }));
            if !leads {
                faults.push(format!("{}: `{target}` leads nowhere", path.display()));
            }
        }
    }
    faults
}

#[test]
fn links_lead_somewhere() {
    let mut faults = Vec::new();
    for path in files(&root(), "md") {
        faults.extend(broken_links(&path, &fs::read_to_string(&path).unwrap()));
    }
    none(&faults);
    let here = root().join("README.md");
    assert_eq!(
        broken_links(&here, "[a](DESIGN.md#glossary) [b](https://x.y)").len(),
        0
    );
    assert_eq!(broken_links(&here, "[a](DESIGN.md#no-such) [b](no.md)").len(), 2);
    assert_eq!(anchor("## Who may have how many?"), "who-may-have-how-many");
}
