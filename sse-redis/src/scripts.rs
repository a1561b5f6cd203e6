//! What is done in Redis in one step.
//!
//! A stream's entries hold `l`, the identity of the stream's life, a random number; `p`, the id of the entry
//! before; `b`, what was published; and `k`, its key, if it has one. A life begins with an entry that has no `b`.
//! Of a topic that keeps the latest of each key, a hash holds these, and a sorted set the times of them.

use std::sync::LazyLock;

use redis::Script;

/// The newest entry's id and life; begins a life if there is nothing.
///
/// KEYS: stream, hash, sorted set. ARGV 1: a new life, 2: after how many milliseconds an unused topic goes.
const BEGIN: &str = r"
local function newest()
  local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
  if last then
    for i = 1, #last[2], 2 do
      if last[2][i] == 'l' then return last[1], last[2][i + 1] end
    end
    return redis.error_reply('FOREIGN something else writes to this stream'), false
  end
  redis.call('DEL', KEYS[2], KEYS[3])
  local id = redis.call('XADD', KEYS[1], '*', 'l', ARGV[1], 'p', '0-0')
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return id, ARGV[1]
end
local id, life = newest()
if not life then return id end
";

/// Appends. ARGV 3: what, 4: how many are kept, 5: for how many milliseconds, 6: whether it has a key, 7: the key.
const APPEND: &str = r"
local ms, n = string.match(id, '(%d+)-(%d+)')
local at = '*'
if tonumber(n) >= 4194300 then at = string.format('%.0f-0', tonumber(ms) + 1) end
local added
if ARGV[6] == '1' then
  added = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[4], at, 'l', life, 'p', id, 'b', ARGV[3], 'k', ARGV[7])
else
  added = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[4], at, 'l', life, 'p', id, 'b', ARGV[3])
end
local now = tonumber(string.match(added, '(%d+)-'))
local oldest = string.format('%.0f', math.max(0, now - tonumber(ARGV[5])))
redis.pcall('XTRIM', KEYS[1], 'MINID', '~', oldest)
redis.pcall('PEXPIRE', KEYS[1], ARGV[2])
if ARGV[6] == '1' then
  redis.pcall('HSET', KEYS[2], ARGV[7], added .. ' ' .. ARGV[3])
  redis.pcall('ZADD', KEYS[3], string.format('%.0f', now), ARGV[7])
  for _ = 1, 8 do
    local first = redis.pcall('ZRANGE', KEYS[3], 0, 0, 'WITHSCORES')
    if not first[1] then break end
    if tonumber(first[2]) >= tonumber(oldest) and redis.pcall('ZCARD', KEYS[3]) <= tonumber(ARGV[4]) then break end
    redis.pcall('ZREM', KEYS[3], first[1])
    redis.pcall('HDEL', KEYS[2], first[1])
  end
  redis.pcall('PEXPIRE', KEYS[2], ARGV[2])
  redis.pcall('PEXPIRE', KEYS[3], ARGV[2])
end
return {added, id, life}
";

/// Looks. ARGV 3: whether the newest of each key are asked for.
const LOOK: &str = r"
local latest = {}
if ARGV[3] == '1' then latest = redis.call('HGETALL', KEYS[2]) end
return {id, life, latest}
";

/// Begins another life, if the present one is still that of ARGV 3.
const RENEW: &str = r"
if life == ARGV[3] then
  id = redis.call('XADD', KEYS[1], '*', 'l', ARGV[1], 'p', id)
  life = ARGV[1]
end
return {id, life, {}}
";

pub(crate) static APPENDING: LazyLock<Script> = LazyLock::new(|| Script::new(&format!("{BEGIN}{APPEND}")));
pub(crate) static LOOKING: LazyLock<Script> = LazyLock::new(|| Script::new(&format!("{BEGIN}{LOOK}")));
pub(crate) static RENEWING: LazyLock<Script> = LazyLock::new(|| Script::new(&format!("{BEGIN}{RENEW}")));
