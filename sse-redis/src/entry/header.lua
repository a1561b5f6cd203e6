-- Reads entries of a topic's stream. This code and `Header::parse` have to recognise the same entries as entries of
-- sse-actix.

-- The content of the fields of an entry, if it is an entry of sse-actix. If it is in a later version of the format,
-- this is only `newer`, the version. Otherwise it is: the entry's epoch number, its primary, how many events it has,
-- and the totals of events and bytes so far.
local function read_header(fields)
  if fields[1] ~= 'h' then return nil end
  local version, rest = string.match(fields[2] or '', '^(%d+) (.*)$')
  if not version or #version > 9 then return nil end
  if version ~= '2' then
    if tonumber(version) > 2 then return {newer = version} end
    return nil
  end
  local epoch_number, primary, millis, count, before, events, all, bytes =
    string.match(rest, '^(%d+) ([!-~]+) (%d+)%-(%d+) (%d+) (%d+) (%d+) (%d+)$')
  if not epoch_number or #epoch_number > 14 or #millis > 13 or #count > 5 or #before > 2 or #events > 2 or #all > 15 or #bytes > 15 then return nil end
  if tonumber(millis) >= 4398046511104 or tonumber(count) > 65535 then return nil end
  return {epoch_number = epoch_number, primary = primary, events = events, all = tonumber(all), bytes = tonumber(bytes)}
end

-- The newest entry of sse-actix, the content of its fields, nil, and the newest id of all entries. If there is no such
-- entry, the first two are nil. Or nil, nil, and why this is not known.
local function newest_of_ours(stream)
  local upto, count, newest_id = '+', 1, nil
  for _ = 1, 10 do
    local found = redis.pcall('XREVRANGE', stream, upto, '-', 'COUNT', count)
    if found.err then return nil, nil, found.err end
    for _, entry in ipairs(found) do
      newest_id = newest_id or entry[1]
      local header = read_header(entry[2])
      if header then return entry, header, nil, newest_id end
    end
    if #found < count then return nil, nil, nil, newest_id end
    upto, count = '(' .. found[#found][1], 100
  end
  return nil, nil, 'FOREIGN the newest 901 entries of the stream were not written by sse-actix'
end

