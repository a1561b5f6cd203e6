-- Deletes a topic: all that its keys hold. In its stream stays one entry without events, which begins another life: by it, nodes that
-- were away find out, and who comes back with an id of the life before is told.
--
-- KEYS: the stream; all other keys that the topic may have. ARGV: the life that begins; the primary, if INFO does not tell it;
-- PUBLISH or SPUBLISH; after how many milliseconds an unused topic goes. Returns the id of that entry, or 0.

local primary = ARGV[2]
local info = redis.pcall('INFO', 'replication')
if type(info) == 'string' then
  primary = string.match(info, 'master_replid:(%x%x%x%x%x%x%x%x%x%x%x%x)') or primary
end

local stream = table.remove(KEYS, 1)
local entry, head, wrong, newest_id = newest_of_ours(stream)
redis.call('DEL', unpack(KEYS))
if wrong then redis.call('DEL', stream) end
-- Nothing was published to it, or not since it was deleted.
if not wrong and (not newest_id or entry and head.all == 0) then return 0 end

local at = '*'
if newest_id then
  -- So that no id is given twice, the stream remembers its newest.
  local millis, count = string.match(newest_id, '^(%d+)%-(%d+)$')
  if tonumber(count) >= 65535 then at = string.format('%.0f-0', tonumber(millis) + 1) end
  redis.call('XTRIM', stream, 'MAXLEN', 0)
end
local header = string.format('2 %s %s 0-0 0 0 0 0', ARGV[1], primary)
local id = redis.call('XADD', stream, at, 'h', header, 'b', '')
redis.call('PEXPIRE', stream, ARGV[4])
-- Who does not hear it finds it when heads are compared.
redis.pcall(ARGV[3], stream, id .. ' ' .. header .. '\n')
return id
