//! Links between the pages lead somewhere.

use std::{fs, path::Path};

use crate::{files, none, root};

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
