//! Scripts for the head of a topic.

use std::sync::LazyLock;

use redis::Script;

use crate::entry::HEADER_SCRIPT;

/// The newest entry of ours, without its events, and the newest event of each key, if asked for.
///
/// KEYS: the stream; the hash of the newest of each key, if that is asked for.
const NEWEST_SCRIPT: &str = r"
local latest = {}
if KEYS[2] then latest = redis.call('HGETALL', KEYS[2]) end
local head, _, wrong = newest_of_ours(KEYS[1])
if wrong then return {err = wrong} end
-- A table ends at its first nil.
return {head and {head[1], {'h', head[2][2]}} or false, latest}
";

/// Begins another epoch after the newest entry, if its epoch is that of ARGV 1.
///
/// KEYS: the stream. ARGV: the number of the epoch, a number for the new one, and PUBLISH or SPUBLISH.
const RENEW_SCRIPT: &str = r"
local head, known, wrong = newest_of_ours(KEYS[1])
if wrong then return {err = wrong} end
if not head then return false end
if known.epoch_number ~= ARGV[1] then return head end
local header = string.format(
  '2 %s %s %s %s 0 %.0f %.0f', ARGV[2], known.primary, head[1], known.events, known.all, known.bytes)
local id = redis.call('XADD', KEYS[1], '*', 'h', header, 'b', '')
redis.pcall(ARGV[3], KEYS[1], id .. ' ' .. header .. '\n')
return {id, {'h', header, 'b', ''}}
";

pub(super) static NEWEST: LazyLock<Script> =
    LazyLock::new(|| Script::new(&format!("{HEADER_SCRIPT}{NEWEST_SCRIPT}")));
pub(super) static RENEW: LazyLock<Script> =
    LazyLock::new(|| Script::new(&format!("{HEADER_SCRIPT}{RENEW_SCRIPT}")));

/// All scripts.
pub(super) fn all() -> [&'static Script; 2] {
    [&NEWEST, &RENEW]
}
