-- Fill windows: when an account is reconciled after its fills, and by whom. The decision stands here and nowhere else.
--
-- The caller puts two lines in front: `local PREFIX` (what every key begins with) and `local DEFAULTS` (the times of an
-- account that has none of its own). Keys are made from account ids, hence one server and no cluster.
-- ARGV: 1 operation, 2 now in ms ("" = the server's clock), then the operation's own.
--
-- A window is one hash, there from the first fill until a run has covered the last one. Its lock is a token and a lease:
-- `waiting` for a countdown message that carries the token, or `running` under it. Whoever holds another token is late.
-- Every operation may arrive twice (a reply is lost, the client sends it again): tokens come from the caller, so that
-- the second execution finds its own token and gives the same reply.
--
-- A line that ends in `-- rule: NAME` is one rule of the table in docs/fills.md; tests take out each and must then fail.

local ACCOUNTS, INDEX, COUNTERS = PREFIX .. "accounts", PREFIX .. "fills:index", PREFIX .. "fills:counters"
local WINDOWS, SWEEPS, LAST_FILLS = PREFIX .. "fills:window:", PREFIX .. "fills:sweep:", PREFIX .. "fills:last"
local RECENT_CALLS = 16 -- so many retries of one account may be under way at once; beyond it only counts are off
local SWEEP_REPLY_MS = 60000 -- longer than any client repeats a call
local LAST_FILLS_MS = 900000 -- longer than any two runs that are compared to confirm a break
local call = redis.call

local now = tonumber(ARGV[2])
if not now then
  local time = call("TIME")
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

local function count(what, times)
  call("HINCRBY", COUNTERS, what, times or 1)
end

-- The account's times, or nil and why its fills are not taken.
local function times_of(account)
  local found = call("HMGET", ACCOUNTS, account, "")
  if not found[1] then
    if found[2] then return nil, "refused" end -- the mirror is complete and does not know it
    return DEFAULTS
  end
  local given, times = cjson.decode(found[1]), {}
  if given.enabled == false then return nil, "ignored" end
  for name, value in pairs(DEFAULTS) do times[name] = tonumber(given[name]) or value end
  times.lease_ms = math.max(times.lease_ms, DEFAULTS.lease_ms) -- a shorter one could end before a worker's time limit
  return times
end

local function due_of(times, first_at, last_at, not_before)
  local due_at = last_at + times.delay_ms -- rule: trailing
  due_at = math.min(due_at, first_at + times.max_wait_ms) -- rule: ceiling
  due_at = math.max(due_at, not_before) -- rule: back-off holds
  return due_at
end

-- Note fills. The first half is all that an absorbed fill costs; it reads and writes no field that it can leave alone.
local function note(account, fills, last_fill, token)
  local times, why_not = times_of(account)
  if not times then
    count(why_not, fills)
    return { why_not }
  end
  local key = WINDOWS .. account
  local kept = call("HMGET", key, "recent", "received", "lease_until", "not_before", "first_at", "phase", "run_first_at")
  local recent, received, lease_until, not_before = kept[1] or "", kept[2] or 0, tonumber(kept[3]) or 0, kept[4] or 0
  if string.find(recent, token, 1, true) then return nil end -- rule: repeated call
  local is_free = lease_until <= now
  local first_at = tonumber(kept[5]) or now
  if is_free and kept[6] == "running" then
    first_at = tonumber(kept[7]) -- rule: uncover for a fill
  end
  local due_at = due_of(times, first_at, now, tonumber(not_before))
  received = received + fills -- rule: count
  recent = string.sub(recent .. token, -RECENT_CALLS * #token)
  call("HSET", key, "recent", recent, "received", received, "due_at", due_at, "first_at", first_at, "last_at", now,
    "last_fill", last_fill)
  if not is_free then return { "absorbed" } end -- rule: one message
  return nil, times
end

-- Any number of notices, four arguments each; from the first one that needs the second half on, `note_rest` goes on.
local replies, place, times_of_taker = {}, 3, nil
if ARGV[1] == "note" then
  while ARGV[place] do
    local reply
    reply, times_of_taker = note(unpack(ARGV, place, place + 3))
    if not reply then break end
    table.insert(replies, reply)
    place = place + 4
  end
  if not ARGV[place] then return replies end
end

local FIELDS = { -- the first four are texts, the others whole numbers; times are in ms
  "phase", "token", "last_fill", "recent", "received", "settled", "covered", "tries",
  "first_at", "run_first_at", "last_at", "due_at", "not_before", "lease_until", "fence",
}
local TEXTS = 4

local function load(account)
  local found = call("HMGET", WINDOWS .. account, unpack(FIELDS))
  local window = {}
  for place, name in ipairs(FIELDS) do
    window[name] = found[place] or nil
    if place > TEXTS then window[name] = tonumber(found[place]) end
  end
  return window.received and window
end

local function save(account, window)
  local written = {}
  for place, name in ipairs(FIELDS) do
    written[2 * place - 1] = name
    written[2 * place] = window[name] or ""
  end
  call("HSET", WINDOWS .. account, unpack(written))
end

-- Hold the lock until `from` + lease: after that moment it is anybody's.
local function hold(account, window, times, phase, token, from)
  window.phase = phase
  window.token = token -- rule: new token
  window.lease_until = from + times.lease_ms -- rule: new lease
  call("ZADD", INDEX, window.lease_until, account) -- rule: index
  save(account, window)
end

-- Hold it for a message that arrives when the window is due. The reply tells the caller to send that message.
local function await(account, window, times, token)
  count("messages")
  hold(account, window, times, "waiting", token, math.max(now, window.due_at))
  return { "send", math.max(0, window.due_at - now) }
end

-- A run that is dead or incomplete has covered nothing: its fills are first in line again.
local function reopen(window)
  if window.phase == "running" then
    window.first_at = window.run_first_at -- rule: uncover
  end
  window.covered = nil
end

-- The second half of `note`: the same report once more, or one that finds the lock free and takes it.
local function note_on(times, account, token)
  local window = load(account)
  if not times then
    count("repeated")
    if window.token == token and window.phase == "waiting" then return { "send", math.max(0, window.due_at - now) } end
    return { "absorbed" }
  end
  for _, name in ipairs({ "settled", "tries", "not_before", "lease_until" }) do window[name] = window[name] or 0 end
  window.covered = nil
  count("opened")
  return await(account, window, times, token) -- rule: take free lock
end

local function note_rest()
  local is_first = true -- this one went through `note` before
  while ARGV[place] do
    local account, fills, last_fill, token = unpack(ARGV, place, place + 3)
    local reply, times = nil, times_of_taker
    if not is_first then reply, times = note(account, fills, last_fill, token) end
    is_first = false
    table.insert(replies, reply or note_on(times, account, token))
    place = place + 4
  end
  return replies
end

local function forget(account)
  call("ZREM", INDEX, account)
  return call("DEL", WINDOWS .. account)
end

-- A number that tells fills of an account apart: it grows with each, even over windows that are long gone.
local function fill_number(window)
  return window.last_at * 1000 + window.received % 1000
end

local function received(...)
  local numbers = {}
  for place, account in ipairs({ ... }) do
    local window = load(account)
    numbers[place] = window and fill_number(window) or tonumber(call("ZSCORE", LAST_FILLS, account) or 0)
  end
  return numbers
end

local function keep_fill_number(account, window)
  call("ZREMRANGEBYSCORE", LAST_FILLS, "-inf", (now - LAST_FILLS_MS) * 1000)
  call("ZADD", LAST_FILLS, fill_number(window), account)
  call("PEXPIRE", LAST_FILLS, LAST_FILLS_MS)
end

-- A later run has a higher number, whatever the server's clock or its memory went through.
local function next_fence()
  local fence = math.max(now, (tonumber(call("HGET", COUNTERS, "fence")) or 0) + 1)
  call("HSET", COUNTERS, "fence", fence)
  return fence
end

local function started(window)
  return { "run", window.covered - window.settled, window.last_fill, window.run_first_at, window.last_at, window.fence }
end

local function dropped()
  count("dropped")
  return { "dropped" }
end

local function arrive(account, token, new_token)
  local times, window = times_of(account), load(account)
  if not window then return dropped() end
  if not times then
    forget(account) -- rule: forget unwanted
    return dropped()
  end
  if window.token == new_token then -- this very call, again
    return window.phase == "running" and started(window) or { "send", math.max(0, window.due_at - now) }
  end
  if window.token ~= token then return dropped() end -- rule: drop
  if now < window.due_at then -- rule: early
    count("early")
    return await(account, window, times, new_token)
  end
  window.covered, window.fence = window.received, next_fence()
  window.run_first_at = window.first_at
  window.first_at = nil -- rule: next window
  hold(account, window, times, "running", new_token, now)
  count("started")
  return started(window)
end

-- The run's own window; or nil, and the reply to whoever no longer owns it or says it again.
local function run_of(account, token, new_token)
  local window = load(account)
  if not window then return nil, { "gone" } end
  if window.token == new_token then return nil, { "send", math.max(0, window.due_at - now) } end
  if window.token ~= token then
    count("superseded")
    return nil, { "superseded" } -- rule: late finish
  end
  return window
end

local function complete(account, token, new_token)
  local window, reply = run_of(account, token, new_token)
  if not window then return reply end
  local times = times_of(account)
  count("completed")
  count("settled", window.covered - window.settled)
  window.settled, window.covered = window.covered, nil
  if times and window.received > window.settled then
    window.tries, window.not_before = 0, 0
    return await(account, window, times, new_token) -- rule: fills during the run
  end
  keep_fill_number(account, window)
  forget(account) -- rule: leave nothing
  return { "settled" }
end

local function incomplete(account, token, new_token, spread)
  local window, reply = run_of(account, token, new_token)
  if not window then return reply end
  local times = times_of(account)
  count("incomplete")
  if not times then
    forget(account)
    return { "gone" }
  end
  reopen(window) -- rule: settle nothing
  window.tries = window.tries + 1 -- rule: growing
  local back_off_ms = math.min(times.backoff_ms * 2 ^ (window.tries - 1), times.max_backoff_ms)
  window.not_before = now + math.floor(back_off_ms * (1 + spread))
  window.due_at = window.not_before -- rule: back-off
  return await(account, window, times, new_token)
end

-- `queued` messages will wake windows without us: a sweep adds no more than could be missing, so that while workers are
-- away the queue never outgrows the windows.
local function sweep(limit, queued, sweep_id)
  local said = call("GET", SWEEPS .. sweep_id)
  if said then return cjson.decode(said) end -- rule: repeated sweep
  local most = math.max(0, math.min(limit, call("ZCARD", INDEX) - queued))
  local overdue = call("ZRANGEBYSCORE", INDEX, "-inf", now, "LIMIT", 0, most)
  local reply = {}
  for place, account in ipairs(overdue) do
    local times, window = times_of(account), load(account)
    if times and window then
      reopen(window)
      window.due_at = due_of(times, window.first_at, window.last_at, window.not_before)
      local token = sweep_id .. "-" .. place
      table.insert(reply, { account, token, await(account, window, times, token)[2] })
    else
      forget(account)
    end
  end
  if #reply > 0 then
    count("swept", #reply)
    call("SET", SWEEPS .. sweep_id, cjson.encode(reply), "PX", SWEEP_REPLY_MS)
  end
  return reply
end

local operations = {
  note = note_rest, arrive = arrive, complete = complete, incomplete = incomplete, sweep = sweep, forget = forget,
  received = received,
}
return operations[ARGV[1]](unpack(ARGV, 3))
