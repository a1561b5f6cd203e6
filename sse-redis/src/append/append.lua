-- Appends events to topics. Each topic gets one entry, which is announced on the channel of the same name.
--
-- KEYS: for each topic, its stream. If it keeps the newest event of each key: then the hash and the sorted set of these
--   events. If events have idempotency keys: then the hash and the list of these keys.
-- ARGV: a number for a new epoch; the primary, if INFO does not say it; PUBLISH or SPUBLISH. Then for each topic: which
--   keys it has in addition to its stream (`l` for the newest event of each key, `o` for idempotency keys, `lo`, or
--   `-`); how many events, bytes and milliseconds are kept; after how many milliseconds an unused topic expires; the
--   number of parts; with `o`, for how many milliseconds and how many idempotency keys are remembered. Then for each
--   part: how many events it has, its key, its bytes; with `o`, its idempotency key, or nothing.
-- Returns for each topic one of these:
--   0, the entry's id, its epoch, and why it was not announced, or nothing;
--   1, and why nothing was appended;
--   2, and why something was not done after the entry was appended;
--   3, if no part was new.
--   With `o`, 0 and 3 are followed by a list. It has one item for each part: nothing if the part is new; the place
--     where it was appended, if it was appended before; or the index in this entry of the event that it repeats. After
--     this list, 0 is followed by the number of remembered keys, and by the append time of the newest key that was
--     forgotten to make room, or -1.

local primary = ARGV[2]
local info = redis.pcall('INFO', 'replication')
if type(info) == 'string' then
  primary = string.match(info, 'master_replid:(%x%x%x%x%x%x%x%x%x%x%x%x)') or primary
end

-- True if INFO says that this is a replica.
local function is_replica()
  return type(info) == 'string' and string.find(info, 'role:slave', 1, true)
end

-- The newest entry of sse-actix: its id, epoch number, primary and number of events, and the totals of events and bytes so far;
-- and the newest id of all entries. If the stream has only entries of other programs, the id is 0-0, before every
-- entry. Nil if the stream has no entry.
local function newest(stream)
  local entry, head, wrong, newest_id = newest_of_ours(stream)
  if wrong then return nil, wrong end
  if head and head.newer then return nil, 'NEWER an entry is in version ' .. head.newer .. ' of the format' end
  if not newest_id then return nil end
  head = head or {events = '0', all = 0, bytes = 0}
  head.id, head.newest_id = entry and entry[1] or '0-0', newest_id
  return head
end

-- True if a multiple of `step` lies between two numbers.
local function crosses(before, after, step)
  return math.floor(before / step) ~= math.floor(after / step)
end

-- Deletes the oldest entries that exceed the bound of events or of bytes.
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

-- The places at which idempotency keys were appended since `oldest`, by key; and whether the list remembers any key. Or
-- nil, and why this is not known.
local function recall(once, order, names, oldest)
  local newest_item = redis.pcall('LRANGE', order, -1, -1)
  if newest_item.err then return nil, newest_item.err end
  local found = redis.pcall('HMGET', once, unpack(names))
  if found.err then return nil, found.err end
  local places = {}
  -- Without the list, nothing would bound the keys in the hash, so they do not count.
  if newest_item[1] then
    for n, place in ipairs(found) do
      if place and tonumber(string.match(place, '^%d+')) >= oldest then places[names[n]] = place end
    end
  end
  return places, newest_item[1]
end

-- Remembers idempotency keys of an entry that has been added, each with the index of its event. Returns how many keys
-- there are afterwards. Or nil, and why none of them is remembered.
local function remember(once, order, are_known, id, epoch_number, names, indices)
  local items, places = {}, {}
  for n, name in ipairs(names) do
    items[n] = id .. ' ' .. name
    places[2 * n - 1], places[2 * n] = name, id .. ' ' .. indices[name] .. ' ' .. epoch_number
  end
  if not are_known then redis.pcall('DEL', once) end
  -- The list is written first: a key that is only in the list is not remembered, and is deleted when its time is over.
  local kept = redis.pcall('RPUSH', order, unpack(items))
  if type(kept) == 'table' then return nil, kept.err end
  local done = redis.pcall('HSET', once, unpack(places))
  if type(done) == 'table' then return nil, done.err end
  return kept
end

-- Forgets the oldest of `kept` idempotency keys: those from before `oldest`, and those in excess of `max_keys`. Returns
-- how many are left, and the append time of the newest key that was forgotten to make room, or -1. Or nil, and why they
-- were not forgotten.
local function forget(once, order, kept, max_keys, oldest, looks_at)
  local cut = -1
  for _ = 1, 16 do
    local items = redis.pcall('LRANGE', order, 0, looks_at - 1)
    if items.err then return nil, items.err end
    local ids, names = {}, {}
    for n, item in ipairs(items) do
      local id, name = string.match(item, '^(%S+) (.*)$')
      local at = id and tonumber(string.match(id, '^%d+')) or 0
      if at >= oldest then
        if kept - n < max_keys then break end
        cut = at
      end
      ids[n], names[n] = id or '', name or ''
    end
    if #names == 0 then break end
    local gone = {}
    local places = redis.pcall('HMGET', once, unpack(names))
    if places.err then return nil, places.err end
    for n, place in ipairs(places) do
      -- A key that came again after its time is remembered from then on. It is then further back in the list, too.
      if place and string.match(place, '^%S+') == ids[n] then gone[#gone + 1] = names[n] end
    end
    local done = #gone > 0 and redis.pcall('HDEL', once, unpack(gone))
    if type(done) == 'table' then return nil, done.err end
    done = redis.pcall('LTRIM', order, #names, -1)
    if done.err then return nil, done.err end
    kept = kept - #names
    if #names < #items or kept == 0 then break end
    looks_at = 64
  end
  return kept, cut
end

local results, none = {}, {}
local key, arg = 1, 4
while key <= #KEYS do
  local stream, hash, ages, once, order = KEYS[key], nil, nil, nil, nil
  local kinds = ARGV[arg]
  key = key + 1
  if string.find(kinds, 'l', 1, true) then hash, ages, key = KEYS[key], KEYS[key + 1], key + 2 end
  if string.find(kinds, 'o', 1, true) then once, order, key = KEYS[key], KEYS[key + 1], key + 2 end
  local max_events, max_bytes = tonumber(ARGV[arg + 1]), tonumber(ARGV[arg + 2])
  local max_age, ttl = tonumber(ARGV[arg + 3]), tonumber(ARGV[arg + 4])
  local parts = tonumber(ARGV[arg + 5])
  arg = arg + 6

  -- `standings` says for each part what the script returns for it. `new` has the new idempotency keys. `indices` has
  -- the index of each new key's event in this entry. `known` has the places at which known keys were appended. Without
  -- idempotency keys none of these is needed.
  local width, standings, new, indices, known, are_known, wrong = 3, nil, none, nil, nil, nil, nil
  local window, max_keys, oldest_key
  if once then
    width, standings, new, indices = 4, {}, {}, {}
    window, max_keys = tonumber(ARGV[arg]), tonumber(ARGV[arg + 1])
    arg = arg + 2
    local names = {}
    for part = 1, parts do
      local name = ARGV[arg + part * 4 - 1]
      if name ~= '' then names[#names + 1] = name end
    end
    local time = redis.pcall('TIME')
    if time.err then
      wrong = time.err
    else
      oldest_key = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000) - window
      known, are_known = recall(once, order, names, oldest_key)
      if not known then wrong = are_known end
    end
    known = known or {}
  end

  -- For each new part, the place of its arguments.
  local fresh, events, texts = {}, 0, {}
  for part = 1, parts do
    local standing = ''
    if once then
      local name = ARGV[arg + 3]
      if name ~= '' then
        standing = known[name] or indices[name] or ''
        if standing == '' then new[#new + 1], indices[name] = name, events end
      end
      standings[part] = standing
    end
    if standing == '' then
      fresh[#fresh + 1], texts[#texts + 1] = arg, ARGV[arg + 2]
      events = events + tonumber(ARGV[arg])
    end
    arg = arg + width
  end
  local payload = table.concat(texts)

  local result
  repeat
    if #fresh == 0 and is_replica() then wrong = 'READONLY the server is a replica, which may not know the newest events' end
    if not wrong and #fresh == 0 then result = {3, standings} break end
    local head
    if not wrong then head, wrong = newest(stream) end
    if wrong then result = {1, wrong} break end

    local epoch_number, previous, previous_events, all, bytes = ARGV[1], '0-0', '0', 0, 0
    local at = '*'
    if head then
      if head.primary == primary then epoch_number = head.epoch_number end
      previous, previous_events, all, bytes = head.id, head.events, head.all, head.bytes
      local millis, count = string.match(head.newest_id, '^(%d+)%-(%d+)$')
      if tonumber(count) >= 65535 then at = string.format('%.0f-0', tonumber(millis) + 1) end
    elseif hash then
      redis.pcall('DEL', hash, ages)
    end
    local all_before, bytes_before = all, bytes
    all, bytes = all + events, bytes + #payload
    local header = string.format('2 %s %s %s %s %d %.0f %.0f', epoch_number, primary, previous, previous_events, events, all, bytes)
    local id = redis.pcall('XADD', stream, at, 'h', header, 'b', payload)
    if type(id) == 'table' then result = {1, id.err} break end

    local millis, count = string.match(id, '^(%d+)%-(%d+)$')
    local now = tonumber(millis)
    local kept_keys, refusal = -1, nil
    if now >= 4398046511104 or tonumber(count) > 65535 then
      refusal = 'FUTURE the newest id of the stream is too far in the future'
    elseif #new > 0 then
      kept_keys, refusal = remember(once, order, are_known, id, epoch_number, new, indices)
    end
    if refusal then
      redis.pcall('XDEL', stream, id)
      -- If there was no entry before, the stream is now empty. It has to expire.
      if not redis.pcall('XRANGE', stream, '-', '+', 'COUNT', 1)[1] then redis.pcall('PEXPIRE', stream, string.format('%.0f', ttl)) end
      result = {1, refusal}
      break
    end

    local failed
    local function must(answer)
      if type(answer) == 'table' and answer.err then failed = failed or answer.err end
      return answer
    end
    must(redis.pcall(ARGV[3], stream, id .. ' ' .. header .. '\n' .. payload))
    result = {0, id, epoch_number, failed or ''}
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
      for n, place in ipairs(fresh) do
        local name = ARGV[place + 1]
        must(redis.pcall('HSET', hash, name, id .. ' ' .. (n - 1) .. ' ' .. ARGV[place + 2]))
        must(redis.pcall('ZADD', ages, string.format('%.0f', now), name))
      end
      for _ = 1, #fresh + 8 do
        local oldest = redis.pcall('ZRANGE', ages, 0, 0, 'WITHSCORES')
        if oldest.err or not oldest[1] then break end
        local kept = redis.pcall('ZCARD', ages)
        if tonumber(oldest[2]) >= now - max_age and (type(kept) ~= 'number' or kept <= max_events) then break end
        redis.pcall('ZREM', ages, oldest[1])
        redis.pcall('HDEL', hash, oldest[1])
      end
      if expires or redis.pcall('ZCARD', ages) == #fresh then
        redis.pcall('PEXPIRE', hash, string.format('%.0f', ttl))
        redis.pcall('PEXPIRE', ages, string.format('%.0f', ttl))
      end
    end
    if once then
      local cut = -1
      if #new > 0 then
        -- The hash expires first, so that it holds no key that is not in the list.
        must(redis.pcall('PEXPIRE', once, string.format('%.0f', window)))
        must(redis.pcall('PEXPIRE', order, string.format('%.0f', window + 1000)))
        local left, what = forget(once, order, kept_keys, max_keys, oldest_key, #new + 4)
        if left then kept_keys, cut = left, what else failed = failed or what end
      end
      result[5], result[6], result[7] = standings, kept_keys, cut
    end
    if failed then result = {2, failed} end
  until true
  results[#results + 1] = result
end
return results
