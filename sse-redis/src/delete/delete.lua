-- Deletes a topic, with the content of all its keys. One entry without events stays in its stream. It begins another
-- epoch. From this entry, nodes that were away learn of the deletion, and so does a client that comes back with an id of
-- the earlier epoch.
--
-- KEYS: the stream; all other keys that the topic may have. ARGV: the number of the epoch that begins; the primary, if INFO does not
-- say it; PUBLISH or SPUBLISH; after how many milliseconds an unused topic expires. Returns the id of that entry, or 0.

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
  -- The stream keeps its newest id, so that no id is given twice.
  local millis, count = string.match(newest_id, '^(%d+)%-(%d+)$')
  if tonumber(count) >= 65535 then at = string.format('%.0f-0', tonumber(millis) + 1) end
  redis.call('XTRIM', stream, 'MAXLEN', 0)
end
local header = string.format('2 %s %s 0-0 0 0 0 0', ARGV[1], primary)
local id = redis.call('XADD', stream, at, 'h', header, 'b', '')
redis.call('PEXPIRE', stream, ARGV[4])
-- A node that does not receive this notice finds the entry when it compares newest entries.
redis.pcall(ARGV[3], stream, id .. ' ' .. header .. '\n')
return id
