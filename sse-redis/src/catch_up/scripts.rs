//! Scripts for the head of a topic.

use std::sync::LazyLock;

use redis::Script;

/// Finds the newest entry of ours.
const NEWEST: &str = r"
local function newest(stream)
  local upto, count = '+', 1
  for _ = 1, 10 do
    local found = redis.call('XREVRANGE', stream, upto, '-', 'COUNT', count)
    for _, entry in ipairs(found) do
      if entry[2][1] == 'h' and string.match(entry[2][2] or '', '^%d+ %d+ ') then return entry end
    end
    if #found < count then return false end
    upto, count = '(' .. found[#found][1], 100
  end
  return false
end
";

/// The newest entry of ours, without its events, and the newest event of each key, if asked for.
///
/// KEYS: the stream; the hash of the newest of each key, if that is asked for.
const LOOK: &str = r"
local latest = {}
if KEYS[2] then latest = redis.call('HGETALL', KEYS[2]) end
local head = newest(KEYS[1])
return {head and {head[1], {'h', head[2][2]}}, latest}
";

/// Begins another life after the newest entry, if its life is that of ARGV 1.
///
/// KEYS: the stream. ARGV: the life, and a number for the new one.
const RENEW: &str = r"
local head = newest(KEYS[1])
if not head then return false end
local life, at, events, all, bytes = string.match(head[2][2], '^2 (%d+) (%S+) %S+ %d+ (%d+) (%d+) (%d+)$')
if life ~= ARGV[1] then return head end
local header = string.format('2 %s %s %s %s 0 %s %s', ARGV[2], at, head[1], events, all, bytes)
local id = redis.call('XADD', KEYS[1], '*', 'h', header, 'b', '')
redis.pcall('PUBLISH', KEYS[1], id .. ' ' .. header .. '\n')
return {id, {'h', header, 'b', ''}}
";

pub(super) static LOOKING: LazyLock<Script> = LazyLock::new(|| Script::new(&format!("{NEWEST}{LOOK}")));
pub(super) static RENEWING: LazyLock<Script> = LazyLock::new(|| Script::new(&format!("{NEWEST}{RENEW}")));
