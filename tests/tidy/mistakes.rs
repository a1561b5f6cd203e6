//! What pages say that a compiler says is what it says, as tests pin it.

use std::fs;

use crate::{files, none, root};

/// The second cells of the tables of mistakes, as the compiler would print them.
fn quoted(page: &str) -> Vec<String> {
    let tables = page.split("| written | the compiler says |\n").skip(1);
    let rows = tables.flat_map(|table| table.lines().skip(1).take_while(|line| line.starts_with('|')));
    rows.map(|row| quote(row).unwrap_or_default()).collect()
}

fn quote(row: &str) -> Option<String> {
    // A cell has `|` only behind a backslash.
    let cells = row.replace("\\|", "\0");
    let cell = cells.split('|').nth(2)?.trim();
    let ticks = if cell.starts_with("``") { "``" } else { "`" };
    let quote = cell.strip_prefix(ticks)?.split(ticks).next()?;
    Some(quote.trim().replace('\0', "|"))
}

fn invented(name: &str, page: &str, pinned: &str) -> Vec<String> {
    let quotes = quoted(page).into_iter();
    let invented = quotes.filter(|quote| quote.is_empty() || !pinned.contains(quote));
    invented
        .map(|quote| format!("{name}: no compiler says `{quote}`; see tests/typed/ui and npm/tests/types"))
        .collect()
}

#[test]
fn mistakes_are_shown_in_the_compiler_s_words() {
    let mut pinned = fs::read_to_string(root().join("npm/tests/types/wrong.txt")).unwrap();
    for path in files(&root().join("tests/typed/ui"), "stderr") {
        pinned += &fs::read_to_string(path).unwrap();
    }
    let mut faults = Vec::new();
    for name in ["README.md", "docs/typed-events.md"] {
        let page = fs::read_to_string(root().join(name)).unwrap();
        assert!(!quoted(&page).is_empty(), "{name} has no table of mistakes");
        faults.extend(invented(name, &page, &pinned));
    }
    none(&faults);

    let table = "| written | the compiler says |\n|---|---|\n| a | `b \\| c` |\n| d | ``e `f` `` |\n| g | h |\n\n| `x` | `y` |";
    assert_eq!(quoted(table), ["b | c", "e `f`", ""]);
    assert_eq!(invented("a.md", table, "b | c").len(), 2);
}
