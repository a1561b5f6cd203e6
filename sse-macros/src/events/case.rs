//! serde's `rename_all`, for the names of variants and of fields.

/// The rules that serde knows.
pub(super) const RULES: [&str; 8] = [
    "lowercase",
    "UPPERCASE",
    "PascalCase",
    "camelCase",
    "snake_case",
    "SCREAMING_SNAKE_CASE",
    "kebab-case",
    "SCREAMING-KEBAB-CASE",
];

/// A variant's name by this rule; `None` if there is no such rule.
pub(super) fn rename(variant: &str, rule: &str) -> Option<String> {
    Some(match rule {
        "PascalCase" => variant.to_owned(),
        "lowercase" => variant.to_ascii_lowercase(),
        "UPPERCASE" => variant.to_ascii_uppercase(),
        "camelCase" => uncapitalized(variant),
        "snake_case" => words(variant, '_'),
        "SCREAMING_SNAKE_CASE" => words(variant, '_').to_ascii_uppercase(),
        "kebab-case" => words(variant, '-'),
        "SCREAMING-KEBAB-CASE" => words(variant, '-').to_ascii_uppercase(),
        _ => return None,
    })
}

/// A field's name by this rule. Like serde, it assumes that the field is in snake case. Unchanged if there is no such rule.
pub(super) fn rename_field(field: &str, rule: &str) -> String {
    match rule {
        "UPPERCASE" | "SCREAMING_SNAKE_CASE" => field.to_ascii_uppercase(),
        "PascalCase" => field.split('_').map(capitalized).collect(),
        "camelCase" => uncapitalized(&rename_field(field, "PascalCase")),
        "kebab-case" => field.replace('_', "-"),
        "SCREAMING-KEBAB-CASE" => field.to_ascii_uppercase().replace('_', "-"),
        _ => field.to_owned(),
    }
}

fn capitalized(word: &str) -> String {
    let mut chars = word.chars();
    let first = chars.next().map(|char| char.to_ascii_uppercase());
    first.into_iter().chain(chars).collect()
}

fn uncapitalized(word: &str) -> String {
    let mut chars = word.chars();
    let first = chars.next().map(|char| char.to_ascii_lowercase());
    first.into_iter().chain(chars).collect()
}

/// The name in lower case, with a separator before each letter that was upper case.
fn words(variant: &str, separator: char) -> String {
    let mut words = String::new();
    for (at, char) in variant.char_indices() {
        if at > 0 && char.is_uppercase() {
            words.push(separator);
        }
        words.push(char.to_ascii_lowercase());
    }
    // Like serde: underscores in the variant's own name stay.
    if separator == '-' {
        words.replace('_', "-")
    } else {
        words
    }
}
