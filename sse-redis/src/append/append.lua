-- Appends events to topics: to each topic one entry, which is announced on the channel of the same name.
--
-- KEYS: of each topic its stream; if it keeps the newest of each key, then the hash and the sorted set of these.
-- ARGV: a number for lives that begin; the primary, if INFO does not tell it; PUBLISH or SPUBLISH; then of each topic:
--   how many keys it has, how many events, bytes, and milliseconds are kept, after how many milliseconds an unused topic goes,
--   the number of parts; and of each part: how many events it has, its key, its bytes.
-- Returns of each topic: 0, the entry's id, its life; or 1 and why nothing was appended; or 2 and why something was not done after
-- the entry was appended.

local primary = ARGV[2]
local info = redis.pcall('INFO', 'replication')
if type(info) == 'string' then
  primary = string.match(info, 'master_replid:(%x%x%x%x%x%x%x%x%x%x%x%x)') or primary
end

-- The newest entry of ours: its id, life, primary, events, and how many events and bytes there have been; and the newest id of all. In
-- a stream that has entries of others alone, the entry before every one. Nil if the stream has none.
local function newest(stream)
  local entry, head, wrong, newest_id = newest_of_ours(stream)
  if wrong then return nil, wrong end
  if head and head.newer then return nil, 'NEWER an entry is in version ' .. head.newer .. ' of the format' end
  if not newest_id then return nil end
  head = head or {events = '0', all = 0, bytes = 0}
  head.id, head.newest_id = entry and entry[1] or '0-0', newest_id
  return head
end

-- Whether a multiple of `step` lies between two numbers.
local function crosses(before, after, step)
  return math.floor(before / step) ~= math.floor(after / step)
end

-- Takes the oldest entries that nothing demands any more.
local function trim(stream, all, bytes, max_events, max_bytes)
  for _ = 1, 64 do
    local oldest = redis.pcall('XRANGE', stream, '-', '+', 'COUNT', 16)
    if oldest.err then return oldest.err end
    local keep_from
    local last
    for _, entry in ipairs(oldest) do
      local header = read_header(entry[2])
      if header and header.all and all - header.all < max_events and bytes - header.bytes < max_bytes then
        keep_from = entry[1]
        break
      end
      last = entry[1]
    end
    if not last then return nil end
    local trimmed
    if keep_from then
      trimmed = redis.pcall('XTRIM', stream, 'MINID', '=', keep_from)
    else
      trimmed = redis.pcall('XTRIM', stream, 'MINID', '=', last)
      if trimmed == 0 then return nil end
    end
    if type(trimmed) == 'table' and trimmed.err then return trimmed.err end
    if keep_from then return nil end
  end
  return nil
end

local results = {}
local key, arg = 1, 4
while key <= #KEYS do
  local stream, hash, ages = KEYS[key], nil, nil
  local keys = tonumber(ARGV[arg])
  if keys > 1 then hash, ages = KEYS[key + 1], KEYS[key + 2] end
  key = key + keys
  local max_events, max_bytes = tonumber(ARGV[arg + 1]), tonumber(ARGV[arg + 2])
  local max_age, ttl = tonumber(ARGV[arg + 3]), tonumber(ARGV[arg + 4])
  local parts = tonumber(ARGV[arg + 5])
  arg = arg + 6
  local first_part = arg
  local events, texts = 0, {}
  for part = 1, parts do
    events = events + tonumber(ARGV[arg])
    texts[part] = ARGV[arg + 2]
    arg = arg + 3
  end
  local payload = table.concat(texts)

  local head, wrong = newest(stream)
  local result
  if wrong then
    result = {1, wrong}
  else
    local life, previous, previous_events, all, bytes = ARGV[1], '0-0', '0', 0, 0
    local at = '*'
    if head then
      if head.primary == primary then life = head.life end
      previous, previous_events, all, bytes = head.id, head.events, head.all, head.bytes
      local millis, count = string.match(head.newest_id, '^(%d+)%-(%d+)$')
      if tonumber(count) >= 65535 then at = string.format('%.0f-0', tonumber(millis) + 1) end
    elseif hash then
      redis.pcall('DEL', hash, ages)
    end
    local all_before, bytes_before = all, bytes
    all, bytes = all + events, bytes + #payload
    local header = string.format('2 %s %s %s %s %d %.0f %.0f', life, primary, previous, previous_events, events, all, bytes)
    local id = redis.pcall('XADD', stream, at, 'h', header, 'b', payload)
    if type(id) == 'table' then
      result = {1, id.err}
    else
      local millis, count = string.match(id, '^(%d+)%-(%d+)$')
      local now = tonumber(millis)
      if now >= 4398046511104 or tonumber(count) > 65535 then
        redis.pcall('XDEL', stream, id)
        result = {1, 'FUTURE the newest id of the stream is too far in the future'}
      else
        local failed
        local function must(answer)
          if type(answer) == 'table' and answer.err then failed = failed or answer.err end
          return answer
        end
        result = {0, id, life}
        must(redis.pcall(ARGV[3], stream, id .. ' ' .. header .. '\n' .. payload))
        if failed then result[4] = failed end
        failed = nil
        local before = head and tonumber(string.match(head.id, '^(%d+)')) or 0
        if crosses(all_before, all, 50 + math.floor(max_events / 20)) or crosses(bytes_before, bytes, 1 + math.floor(max_bytes / 20)) then
          trim(stream, all, bytes, max_events, max_bytes)
        end
        if crosses(before, now, 1 + math.floor(max_age / 20)) then
          redis.pcall('XTRIM', stream, 'MINID', '~', string.format('%.0f', math.max(0, now - max_age)))
        end
        local expires = not head or crosses(before, now, 1 + math.floor(ttl / 20))
        if expires then redis.pcall('PEXPIRE', stream, string.format('%.0f', ttl)) end
        if hash then
          local place, index = first_part, 0
          for _ = 1, parts do
            local name = ARGV[place + 1]
            must(redis.pcall('HSET', hash, name, id .. ' ' .. index .. ' ' .. ARGV[place + 2]))
            must(redis.pcall('ZADD', ages, string.format('%.0f', now), name))
            place, index = place + 3, index + 1
          end
          for _ = 1, parts + 8 do
            local oldest = redis.pcall('ZRANGE', ages, 0, 0, 'WITHSCORES')
            if oldest.err or not oldest[1] then break end
            local kept = redis.pcall('ZCARD', ages)
            if tonumber(oldest[2]) >= now - max_age and (type(kept) ~= 'number' or kept <= max_events) then break end
            redis.pcall('ZREM', ages, oldest[1])
            redis.pcall('HDEL', hash, oldest[1])
          end
          if expires or redis.pcall('ZCARD', ages) == parts then
            redis.pcall('PEXPIRE', hash, string.format('%.0f', ttl))
            redis.pcall('PEXPIRE', ages, string.format('%.0f', ttl))
          end
          if failed then result = {2, failed} end
        end
      end
    end
  end
  results[#results + 1] = result
end
return results
