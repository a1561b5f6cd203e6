//! Durations in arguments: a whole number and its unit.

use syn::LitStr;

const UNITS: &str = "units are `ms`, `s`, `m` and `h`";

/// The value of `literal` in milliseconds.
pub(super) fn millis(literal: &LitStr) -> syn::Result<u64> {
    parse(&literal.value()).map_err(|message| syn::Error::new(literal.span(), message))
}

fn parse(text: &str) -> Result<u64, String> {
    let unit_at = text
        .find(|char: char| !char.is_ascii_digit() && char != '.' && char != '_')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    if number.is_empty() {
        return Err(format!(
            "a duration is a whole number and a unit, such as \"15s\", or it is \"off\"; {UNITS}"
        ));
    }
    let Some((unit_name, unit_millis)) = unit_of(unit.trim()) else {
        return Err(if unit.is_empty() {
            format!("a duration needs a unit: write \"{number}s\"; {UNITS}")
        } else if unit.contains(|char: char| char.is_ascii_digit()) {
            format!("a duration has one number and one unit: write \"90s\" for \"1m30s\"; {UNITS}")
        } else {
            format!("`{}` is not a unit of a duration; {UNITS}", unit.trim())
        });
    };
    let Ok(count) = number.parse::<u64>() else {
        return Err(if number.contains('.') {
            "a duration is a whole number: write \"1500ms\" for \"1.5s\"".to_owned()
        } else {
            format!("`{number}` is not a number that a duration can have")
        });
    };
    if unit != unit_name {
        return Err(format!("write this duration as \"{count}{unit_name}\"; {UNITS}"));
    }
    count
        .checked_mul(unit_millis)
        .ok_or_else(|| "this duration is too long to be counted in milliseconds".to_owned())
}

/// The unit that is meant, in its only valid spelling, and its milliseconds.
fn unit_of(unit: &str) -> Option<(&'static str, u64)> {
    Some(match unit {
        "ms" | "msec" | "millis" | "millisecond" | "milliseconds" => ("ms", 1),
        "s" | "S" | "sec" | "secs" | "second" | "seconds" => ("s", 1_000),
        "m" | "min" | "mins" | "minute" | "minutes" => ("m", 60_000),
        "h" | "H" | "hr" | "hrs" | "hour" | "hours" => ("h", 3_600_000),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn a_whole_number_and_a_unit() {
        for (text, millis) in [
            ("250ms", 250),
            ("15s", 15_000),
            ("2m", 120_000),
            ("1h", 3_600_000),
            ("0s", 0),
        ] {
            assert_eq!(parse(text), Ok(millis), "{text}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_what_to_write() {
        for (text, says) in [
            ("15", "write \"15s\""),
            ("", "such as \"15s\""),
            ("s", "such as \"15s\""),
            ("-5s", "such as \"15s\""),
            ("1.5s", "write \"1500ms\""),
            ("15 s", "write this duration as \"15s\""),
            ("15sec", "write this duration as \"15s\""),
            ("2 minutes", "write this duration as \"2m\""),
            ("1m30s", "write \"90s\""),
            ("5d", "`d` is not a unit"),
            ("5 µs", "`µs` is not a unit"),
            ("1_000ms", "`1_000` is not a number"),
            ("99999999999999999999s", "is not a number"),
            ("9999999999999999999s", "too long"),
        ] {
            let message = parse(text).unwrap_err();
            assert!(message.contains(says), "{text:?}: {message}");
        }
    }
}
