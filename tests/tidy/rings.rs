//! Modules use each other in one direction.

use std::collections::{BTreeMap, BTreeSet};

use syn::{
    File, Item, ItemUse, UseTree, Visibility,
    visit::{self, Visit},
};

use crate::{CRATES, library, none};

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
    for krate in CRATES {
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
