-- The rate limiter of one broker login, shared by all workers: it limits requests in flight and in any window.
--
-- ARGV: now in ms ("" is this server's clock), the login's connection, process, permits in a window (0: no limit),
--       window_ms, concurrency, lease_ms, sent_ms, released ids, wanted ids (JSON lists; an id is "process:number")
-- Keys:  flight  sorted set: permit -> end of its lease. A killed worker's permits come free then.
--        spent   sorted set: permit -> when it stops to count against the rate
--        line    sorted set: wanted permit -> its place; served in order, for any process
--        places  hash: process -> the place of its last request; "" -> the place served last
--        alive   hash: process -> when it last asked; the requests of those that stopped asking are skipped
--        wake:P  list: a sign to process P that something in the line became its own
-- Running it twice with the same ids changes nothing more: an id is in the line, in flight, or gone.
--
-- A permit counts from its grant until a window after the request's end, or after sent_ms where no end is reported:
-- by then it has reached the broker, or its process is dead. So any two requests that reach the broker within a window
-- were counted together, however long they were on the way.
-- The clock is cut to whole ms: one more, or the last part of a ms would be missing from the window.

local P = PREFIX .. 'limit:' .. ARGV[2] .. ':'
local FLIGHT, SPENT, LINE = P .. 'flight', P .. 'spent', P .. 'line'
local PLACES, ALIVE = P .. 'places', P .. 'alive'
local process, permits, window_ms = ARGV[3], tonumber(ARGV[4]), tonumber(ARGV[5])
local concurrency, lease_ms, sent_ms = tonumber(ARGV[6]), tonumber(ARGV[7]), tonumber(ARGV[8])
local counts_ms = window_ms + 1
local ALIVE_MS, IDLE_MS, WAIT_MAX_MS = 5000, 600000, 1000

local function clock()
  if ARGV[1] ~= '' then return tonumber(ARGV[1]) end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local now = clock()
local function whole(number) return string.format('%.0f', number) end

redis.call('ZREMRANGEBYSCORE', FLIGHT, '-inf', now)
redis.call('ZREMRANGEBYSCORE', SPENT, '-inf', now)
redis.call('HSET', ALIVE, process, whole(now))

for _, id in ipairs(cjson.decode(ARGV[9])) do
  redis.call('ZREM', LINE, id)
  if redis.call('ZREM', FLIGHT, id) == 1 then
    if permits > 0 then redis.call('ZADD', SPENT, 'XX', 'LT', whole(now + counts_ms), id) end
  end
end

local function place_served() return tonumber(redis.call('HGET', PLACES, '') or '0') end

local wanted = cjson.decode(ARGV[10])
for _, id in ipairs(wanted) do
  if not redis.call('ZSCORE', FLIGHT, id) and not redis.call('ZSCORE', LINE, id) then
    -- One place after the process's own last request: processes take turns, regardless of how many requests each has.
    local place = math.max(tonumber(redis.call('HGET', PLACES, process) or '0'), place_served()) + 1
    redis.call('HSET', PLACES, process, place)
    redis.call('ZADD', LINE, place, id)
  end
end

local function room()
  local free = concurrency - redis.call('ZCARD', FLIGHT)
  if permits > 0 then free = math.min(free, permits - redis.call('ZCARD', SPENT)) end
  return free
end

local free, woken = room(), {}
while free > 0 do
  local first = redis.call('ZRANGE', LINE, 0, 0, 'WITHSCORES')
  local id = first[1]
  if not id then break end
  redis.call('ZREM', LINE, id)
  redis.call('HSET', PLACES, '', math.max(tonumber(first[2]), place_served()))
  local owner = string.match(id, '^(.*):')
  if tonumber(redis.call('HGET', ALIVE, owner) or '0') > now - ALIVE_MS then
    redis.call('ZADD', FLIGHT, whole(now + lease_ms), id)
    if permits > 0 then redis.call('ZADD', SPENT, whole(now + sent_ms + counts_ms), id) end
    if owner ~= process then woken[owner] = true end
    free = free - 1
  else
    redis.call('HDEL', ALIVE, owner)
    redis.call('HDEL', PLACES, owner)
  end
end
for owner in pairs(woken) do
  local key = P .. 'wake:' .. owner
  if redis.call('LLEN', key) == 0 then
    redis.call('RPUSH', key, 1)
    redis.call('PEXPIRE', key, ALIVE_MS)
  end
end

local granted, waiting = {}, false
for _, id in ipairs(wanted) do
  if redis.call('ZSCORE', FLIGHT, id) then granted[#granted + 1] = id else waiting = true end
end
for _, key in ipairs({ FLIGHT, SPENT, LINE, ALIVE, PLACES }) do redis.call('PEXPIRE', key, IDLE_MS) end

local wait_ms = WAIT_MAX_MS
if waiting and permits > 0 and permits - redis.call('ZCARD', SPENT) <= 0 then
  local first = redis.call('ZRANGE', SPENT, 0, 0, 'WITHSCORES')
  wait_ms = math.min(wait_ms, math.max(1, tonumber(first[2]) - now))
end
return cjson.encode({ wait_ms, #granted > 0 and granted or nil })
