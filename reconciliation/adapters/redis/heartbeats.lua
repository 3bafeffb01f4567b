-- Signs of life, by this server's clock: who did what last, and how far that host's clock was off.
--
-- ARGV: kind, name, the host's own time in ms. PREFIX stands in front.
-- Hash heartbeats: "kind name" to {at, skew_ms} as JSON.

local MAX_NAMES = 1000

local key = PREFIX .. 'heartbeats'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- Names change with each restart. All are forgotten together: the living say theirs again at once.
if redis.call('HLEN', key) >= MAX_NAMES then redis.call('DEL', key) end
redis.call('HSET', key, ARGV[1] .. ' ' .. ARGV[2], cjson.encode({ at = now, skew_ms = tonumber(ARGV[3]) - now }))
