-- Connections that failed again and again, and until when they are left alone.
--
-- ARGV: operation, now in ms ("" is this server's clock), connection, then the operation's own. PREFIX stands in front.
-- Hash: failures (since the last success), pauses (how often in a row), until_ms, cause, call (the last report's id).

local key = PREFIX .. 'pause:' .. ARGV[3]
local FORGET_MS = 86400000

local function clock()
  if ARGV[2] ~= '' then return tonumber(ARGV[2]) end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local now = clock()
local function number(field) return tonumber(redis.call('HGET', key, field) or '0') end

local operations = {}

-- probe_ms: when a pause is over, the first caller probes, and the others are refused for this time.
function operations.check(probe_ms)
  local left = number('until_ms') - now
  if left > 0 then return { math.ceil(left), redis.call('HGET', key, 'cause') or '' } end
  if number('pauses') > 0 then redis.call('HSET', key, 'until_ms', string.format('%.0f', now + tonumber(probe_ms))) end
  return { 0, '' }
end

-- call id, failures since the last success, succeeded (1 or 0), cause, threshold, base_ms, cap_ms, least_ms
function operations.report(call, failures, succeeded, cause, threshold, base_ms, cap_ms, least_ms)
  if redis.call('HGET', key, 'call') == call then return end
  if succeeded == '1' then redis.call('DEL', key) end
  if failures == '0' then return end
  local total = redis.call('HINCRBY', key, 'failures', failures)
  redis.call('HSET', key, 'call', call, 'cause', cause)
  redis.call('PEXPIRE', key, FORGET_MS)
  if total < tonumber(threshold) then return end
  local pauses = redis.call('HINCRBY', key, 'pauses', 1)
  local pause_ms = math.min(tonumber(cap_ms), tonumber(base_ms) * 2 ^ math.min(pauses - 1, 30))
  pause_ms = math.max(pause_ms, math.min(tonumber(least_ms), tonumber(cap_ms)))
  redis.call('HSET', key, 'until_ms', string.format('%.0f', now + pause_ms))
end

return operations[ARGV[1]](unpack(ARGV, 4))
