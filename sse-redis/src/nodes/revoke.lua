-- Appends a message to the stream of revocations, and announces it.
--
-- KEYS: the stream, which is the channel, too. ARGV: how many messages are kept; the node; the kind of message; the
-- message; PUBLISH or SPUBLISH.
local last = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)[1]
local previous = last and last[1] or '0-0'
local id = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[1], '*', 'n', ARGV[2], 'k', ARGV[3], 'd', ARGV[4])
redis.call(ARGV[5], KEYS[1], id .. ' ' .. previous .. ' ' .. ARGV[2] .. ' ' .. ARGV[3] .. '\n' .. ARGV[4])
return id
