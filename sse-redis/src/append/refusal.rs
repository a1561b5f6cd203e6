use crate::{
    fault::{self, is_of_server},
    shared::Shared,
};

/// True if a replica has refused.
pub(super) fn is_of_replica(why: &str) -> bool {
    fault::is_of_replica(code(why))
}

/// Notes the error with which a batch was refused. If the error concerns the whole server, the log's health shows it.
pub(super) fn note(shared: &Shared, redis: &str, why: &str) {
    if is_of_server(code(why)) {
        shared.note_accepting(redis, Some(why));
    }
}

/// The error, with what to do about it.
pub(super) fn explain(why: &str) -> String {
    match code(why) {
        "WRONGTYPE" => format!(
            "another program has written to the topic's key ({why}); delete the key, or give this application its own prefix"
        ),
        "NEWER" => format!("{why}; update this node"),
        _ => why.to_owned(),
    }
}

/// The first word of an error, which is its code. A script's error may have a hyphen before it, and in Redis 6.2 its
/// place in the script.
fn code(why: &str) -> &str {
    let place = why.strip_prefix("@user_script: ");
    let why = place
        .and_then(|rest| rest.split_once(": "))
        .map_or(why, |(_, why)| why);
    let word = why.split(' ').next().unwrap_or_default();
    word.trim_start_matches('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_is_known_by_its_code_wherever_it_comes_from() {
        for why in [
            "OOM not allowed",
            "-OOM not allowed",
            "@user_script: 113: -OOM not allowed",
            "@user_script: 113: OOM not allowed",
        ] {
            assert_eq!(code(why), "OOM", "{why}");
        }
    }
}
