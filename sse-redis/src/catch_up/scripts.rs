//! Scripts that read the head of a topic together with something else.

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

/// The newest entry of ours, and the newest event of each key, if asked for.
///
/// KEYS: the stream; the hash of the newest of each key, if that is asked for.
const LOOK: &str = r"
local latest = {}
if KEYS[2] then latest = redis.call('HGETALL', KEYS[2]) end
return {newest(KEYS[1]), latest}
";

pub(super) static LOOKING: LazyLock<Script> = LazyLock::new(|| Script::new(&format!("{NEWEST}{LOOK}")));
