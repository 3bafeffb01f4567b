-- Fill windows: when an account is reconciled after its fills, and by whom. The decision stands here and nowhere else.
--
-- `local PREFIX` (what every key begins with) and `default_times()` (the times of an account that has none of its own)
-- stand in front. Keys are made from account ids, hence one server and no cluster.
-- ARGV: 1 operation, 2 now in ms ("" = the server's clock), then the operation's own.
--
-- A window is one hash, there from the first fill until a run has covered the last one. Its lock is a token and a lease:
-- `waiting` for a wake-up message that carries the token, or `running` under it. Another token is outdated.
-- Every operation may arrive twice (a reply is lost, the client sends it again): tokens come from the caller, so that
-- the second execution finds its own token and gives the same reply.
--
-- A line that ends in `-- rule: NAME` is one rule of the table in docs/fills.md; tests take out each and must then fail.

-- First what an absorbed fill needs, and nothing else: all of it is executed at each call.

local call, argv = redis.call, ARGV
local WINDOWS = PREFIX .. "fills:window:"
local RECENT_CALLS = 4 -- retries of one account that may be under way at once; beyond it only counts are off
local MOST_SYMBOLS = 16 -- kept of one account's fills; fills of further ones count as any symbol
local TIME_DIGITS = 13 -- of a time in ms, until the year 2286

local now = tonumber(argv[2])
if not now then
  local time = call("TIME")
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end

-- What `record` replies: one of these, or after how many ms the caller's wake-up message is to arrive.
local ABSORBED, IGNORED, REFUSED = -1, -2, -3

-- When each symbol had its last fill: `\30NAME\31TIME` for each. The empty name is any symbol: a fill that says none,
-- or one too many to be kept. `named` is the same without times; no symbol has such characters.
local function marked(symbols, named)
  local _, last = string.find(symbols, named, 1, true) -- mostly it is one name, and known
  if last then return string.sub(symbols, 1, last) .. now .. string.sub(symbols, last + TIME_DIGITS + 1) end
  for name in string.gmatch(named, "\30[^\31]*\31") do
    _, last = string.find(symbols, name, 1, true)
    if not last and select(2, string.gsub(symbols, "\30", "")) >= MOST_SYMBOLS then
      name = "\30\31"
      _, last = string.find(symbols, name, 1, true)
    end
    if last then
      symbols = string.sub(symbols, 1, last) .. now .. string.sub(symbols, last + TIME_DIGITS + 1)
    else
      symbols = symbols .. name .. now
    end
  end
  return symbols
end

-- What a report changes stands in one field, so that an absorbed one costs one read and one write of it: the fills
-- counted, the first (0: none) and the last that no run has covered, the latest calls, the symbols, and the last fill.
local function pack(received, first_at, last_at, recent, symbols, last_fill)
  return received .. " " .. first_at .. " " .. last_at .. " " .. recent .. " " .. symbols .. "\29" .. last_fill
end

-- The first half of `record`, and all that a fill costs whose window is held: the account was wanted when the lock
-- was taken, and is looked up again before any run. No reply: `record_on` goes on.
local function absorb(account, fills, last_fill, token, named)
  local kept = call("HMGET", WINDOWS .. account, "fills", "lease_until")
  if not kept[1] then return nil end
  local received, first_at, recent, symbols = string.match(kept[1], "^(%d+) (%d+) %d+ (%x*) ([^\29]*)")
  if string.find(recent, token, 1, true) then return nil end -- rule: repeated call
  if tonumber(kept[2]) <= now then return nil end -- rule: take over
  received = received + fills -- rule: count
  if first_at == "0" then first_at = now end -- rule: first of the next
  recent = string.sub(recent .. token, -RECENT_CALLS * #token)
  call("HSET", WINDOWS .. account, "fills", pack(received, first_at, now, recent, marked(symbols, named), last_fill))
  return ABSORBED
end

-- Any number of reports, five arguments each; from the first one that needs the second half on, `record_rest` goes on.
local replies, place = {}, 3
if argv[1] == "record" then
  while argv[place] do
    local reply = absorb(argv[place], argv[place + 1], argv[place + 2], argv[place + 3], argv[place + 4])
    if not reply then break end
    replies[#replies + 1] = reply
    place = place + 5
  end
  if not argv[place] then return replies end
end

local DEFAULTS = default_times()
local ACCOUNTS, INDEX, COUNTERS = PREFIX .. "accounts", PREFIX .. "fills:index", PREFIX .. "fills:counters"
local RECLAIMS, LAST_FILLS, MEMORY = PREFIX .. "fills:reclaim:", PREFIX .. "fills:last:", PREFIX .. "fills:memory"
-- Waiting windows of each connection, by the time they are due at the earliest: fills that came since may defer it.
local DUE, CONNECTIONS = PREFIX .. "fills:due:", PREFIX .. "fills:connections"
local RECLAIM_REPLY_MS = 60000 -- longer than any client repeats a call
local LAST_FILLS_MS = 900000 -- longer than any two runs that are compared to confirm a break

local function count(what, times)
  call("HINCRBY", COUNTERS, what, times or 1)
end

-- The account's times, or nil and why its fills are not taken.
local function times_of(account)
  local found = call("HMGET", ACCOUNTS, account, "")
  if not found[1] then
    if found[2] then return nil, REFUSED end -- the mirror is complete and does not know it
    DEFAULTS.connection = "default"
    return DEFAULTS
  end
  local given, times = cjson.decode(found[1]), {}
  if given.enabled == false then return nil, IGNORED end
  for name, value in pairs(DEFAULTS) do times[name] = tonumber(given[name]) or value end
  times.connection = given.connection or "default"
  times.lease_ms = math.max(times.lease_ms, DEFAULTS.lease_ms) -- a shorter one could end before a worker's time limit
  return times
end

local FIELDS = { -- the first four are texts, the others whole numbers; times are in ms
  "fills", "phase", "token", "connection", "settled", "covered", "tries", "run_first_at", "not_before", "lease_until",
  "fence", "crashes",
}
local TEXTS = 4

local function load(account)
  local found = call("HMGET", WINDOWS .. account, unpack(FIELDS))
  if not found[1] then return nil end
  local window = {}
  for place, name in ipairs(FIELDS) do
    window[name] = found[place] or nil
    if place > TEXTS then window[name] = tonumber(found[place]) end
  end
  local received, first_at, last_at, recent, symbols, last_fill =
    string.match(window.fills, "^(%d+) (%d+) (%d+) (%x*) ([^\29]*)\29(.*)$")
  window.received, window.last_at = tonumber(received), tonumber(last_at)
  window.recent, window.symbols, window.last_fill = recent, symbols, last_fill
  if first_at ~= "0" then window.first_at = tonumber(first_at) end
  return window
end

local function save(account, window)
  local first_at = window.first_at or 0
  window.fills = pack(window.received, first_at, window.last_at, window.recent, window.symbols, window.last_fill)
  local written = {}
  for place, name in ipairs(FIELDS) do
    written[2 * place - 1] = name
    written[2 * place] = window[name] or ""
  end
  call("HSET", WINDOWS .. account, unpack(written))
end

local function due_of(times, window)
  local due_at = window.last_at + times.delay_ms -- rule: trailing
  due_at = math.min(due_at, window.first_at + times.max_wait_ms) -- rule: ceiling
  due_at = math.max(due_at, window.not_before) -- rule: back-off
  return due_at
end

local function wait_of(times, window)
  return math.max(0, due_of(times, window) - now)
end

local function leave_due(account, window)
  if window.connection then call("ZREM", DUE .. window.connection, account) end
end

-- Hold the lock until `from` + lease: after that moment any worker may take it. A waiting window is due at `from`.
local function hold(account, window, times, phase, token, from)
  leave_due(account, window)
  window.connection = times.connection
  if phase == "waiting" then
    call("ZADD", DUE .. times.connection, from, account) -- rule: due
    call("SADD", CONNECTIONS, times.connection)
  end
  window.phase = phase
  window.token = token -- rule: new token
  window.lease_until = from + times.lease_ms -- rule: new lease
  call("ZADD", INDEX, window.lease_until, account) -- rule: index
  save(account, window)
end

-- Hold it for a message that arrives when the window is due, and return after how many ms that is.
local function await(account, window, times, token)
  count("messages")
  local wait_ms = wait_of(times, window)
  hold(account, window, times, "waiting", token, now + wait_ms)
  return wait_ms
end

local function note_crash(window)
  if window.phase == "running" then window.crashes = (window.crashes or 0) + 1 end
end

-- A run that is dead or incomplete has covered nothing: its fills are first in line again.
local function reopen(window)
  if window.phase == "running" then
    window.first_at = window.run_first_at -- rule: uncover
  end
  window.covered = nil
end

local function is_repeated(window, token)
  return window and string.find(window.recent, token, 1, true) -- rule: repeated by the taker
end

-- The second half of `record`: the same report once more, or one that finds the lock free and takes it.
local function record_on(account, fills, last_fill, token, named)
  local times, why_not = times_of(account)
  local window = load(account)
  if is_repeated(window, token) then
    count("repeated")
    if window.token == token and window.phase == "waiting" then return wait_of(times or DEFAULTS, window) end
    return ABSORBED
  end
  if not times then
    count(why_not == REFUSED and "refused" or "ignored", fills)
    return why_not
  end
  window = window or { received = 0, recent = "", symbols = "", settled = 0, tries = 0, not_before = 0 }
  window.received, window.last_at, window.last_fill = window.received + fills, now, last_fill
  window.symbols = marked(window.symbols, named)
  window.first_at = window.first_at or now
  window.recent = string.sub(window.recent .. token, -RECENT_CALLS * #token)
  note_crash(window)
  reopen(window)
  count("opened")
  return await(account, window, times, token) -- rule: take free lock
end

local function record_rest()
  while argv[place] do
    local account, fills, last_fill, token, named = unpack(argv, place, place + 4)
    local reply = absorb(account, fills, last_fill, token, named)
    table.insert(replies, reply or record_on(account, fills, last_fill, token, named))
    place = place + 5
  end
  return replies
end

local function latest(symbols, times)
  for name, at in string.gmatch(symbols, "\30([^\31]*)\31(%d+)") do
    times[name] = math.max(times[name] or 0, tonumber(at))
  end
end

-- The symbols outlive their window, for a run that compares with an earlier one: the latest by name, older ones as any.
local function remember(account, window)
  local times, names, kept = {}, {}, {}
  latest(call("GET", LAST_FILLS .. account) or "", times)
  latest(window.symbols, times)
  local any_at = times[""] or 0
  times[""] = nil
  for name in pairs(times) do names[#names + 1] = name end
  table.sort(names, function(one, other) return times[one] > times[other] end)
  for place, name in ipairs(names) do
    if place > MOST_SYMBOLS then any_at = math.max(any_at, times[name])
    elseif times[name] > now - LAST_FILLS_MS then kept[#kept + 1] = "\30" .. name .. "\31" .. times[name] end
  end
  if any_at > now - LAST_FILLS_MS then kept[#kept + 1] = "\30\31" .. any_at end
  call("SET", LAST_FILLS .. account, table.concat(kept), "PX", LAST_FILLS_MS)
end

local function forget(account)
  local window = load(account)
  if window then
    remember(account, window)
    leave_due(account, window)
  end
  call("ZREM", INDEX, account)
  return call("DEL", WINDOWS .. account)
end

-- Since when every fill is remembered for certain. A server that was restarted, or that took over from another, may have
-- lost the last ones; where its clock is behind the one that was shown, what comes now would seem to be earlier.
local function remembers_since()
  local server = string.match(call("INFO", "server"), "run_id:(%x+)") or "unknown"
  local known, since, shown = unpack(call("HMGET", MEMORY, "server", "since", "shown"))
  since, shown = tonumber(since) or now, tonumber(shown) or 0
  if known ~= server or now < shown then
    since = math.max(now, math.min(shown, now + LAST_FILLS_MS) + 1)
  end
  call("HSET", MEMORY, "server", server, "since", since, "shown", now)
  call("PEXPIRE", MEMORY, LAST_FILLS_MS)
  return math.max(since, now - LAST_FILLS_MS)
end

-- For people: phase, fills not settled, the first of them, when a run is due (0: one is made), end of the lease.
local function look(...)
  local seen = {}
  for place, account in ipairs({ ... }) do
    local window, times = load(account), times_of(account) or DEFAULTS
    seen[place] = window and {
      window.phase, window.received - window.settled,
      window.phase == "running" and window.run_first_at or window.first_at,
      window.first_at and due_of(times, window) or 0, window.lease_until,
    } or {}
  end
  return seen
end

-- For runs: the server's clock, since when fills are remembered, and for each account its symbols and their last fills.
local function activity(...)
  local reply = { now, remembers_since() }
  for _, account in ipairs({ ... }) do
    local window = load(account)
    table.insert(reply, (window and window.symbols or "") .. (call("GET", LAST_FILLS .. account) or ""))
  end
  return reply
end

-- A later run has a higher number, whatever the server's clock or its memory went through.
local function next_fence()
  local fence = math.max(now, (tonumber(call("HGET", COUNTERS, "fence")) or 0) + 1)
  call("HSET", COUNTERS, "fence", fence)
  return fence
end

-- fills, the last of them, when the first and the last came, fence, and how many workers died in runs of this window
local function started(window)
  return {
    "run", window.covered - window.settled, window.last_fill, window.run_first_at, window.last_at, window.fence,
    window.crashes or 0,
  }
end

local function start(account, window, times, token)
  window.covered, window.fence = window.received, next_fence()
  window.run_first_at = window.first_at
  window.first_at = nil -- rule: next window
  hold(account, window, times, "running", token, now)
  count("started")
end

local function stale()
  count("stale")
  return { "stale" }
end

local function claim(account, token, new_token)
  local times, window = times_of(account), load(account)
  if not window then return stale() end
  if not times then
    forget(account) -- rule: forget unwanted
    return stale()
  end
  if window.token == new_token then -- this very call, again
    return window.phase == "running" and started(window) or { "send", wait_of(times, window) }
  end
  if window.token ~= token then return stale() end -- rule: stale
  if now < due_of(times, window) then -- rule: early
    count("early")
    return { "send", await(account, window, times, new_token) }
  end
  start(account, window, times, new_token)
  return started(window)
end

-- The window of a due account that may run together with others; nil, and its place among the due ones is corrected.
local function due_window(account, connection)
  local times, window = times_of(account), load(account)
  if window and times and window.phase == "waiting" and window.connection == connection then
    local due_at = due_of(times, window)
    if due_at <= now then return window, times, due_at end
    call("ZADD", DUE .. connection, due_at, account)
    return nil
  end
  call("ZREM", DUE .. connection, account)
  if not times then forget(account) end
end

-- The runs of due windows of the connection of an account that was woken: they are made together.
local function claim_due(account, limit, call_id)
  local said = call("GET", RECLAIMS .. call_id)
  if said then return cjson.decode(said) end -- rule: repeated claim
  local connection, reply = (times_of(account) or DEFAULTS).connection or "default", {}
  for place, other in ipairs(call("ZRANGEBYSCORE", DUE .. connection, "-inf", now, "LIMIT", 0, limit)) do
    local window, times = due_window(other, connection)
    if window and (window.crashes or 0) == 0 then -- one in whose run a worker died is run alone
      local token = string.sub(call_id, 1, 24) .. string.format("%08x", place)
      start(other, window, times, token)
      table.insert(reply, { other, token, started(window) })
    end
  end
  if #reply > 0 then call("SET", RECLAIMS .. call_id, cjson.encode(reply), "PX", RECLAIM_REPLY_MS) end
  return reply
end

-- The run's own window; or nil, and the reply to a caller that no longer owns it or repeats its call.
local function run_of(account, token, new_token, times)
  local window = load(account)
  if not window then return nil, { "gone" } end
  if window.token == new_token then return nil, { "send", wait_of(times or DEFAULTS, window) } end
  if window.token ~= token then
    count("superseded")
    return nil, { "superseded" } -- rule: late finish
  end
  return window
end

local function complete(account, token, new_token)
  local times = times_of(account)
  local window, reply = run_of(account, token, new_token, times)
  if not window then return reply end
  count("completed")
  count("settled", window.covered - window.settled)
  window.settled, window.covered, window.crashes = window.covered, nil, 0
  if times and window.received > window.settled then
    window.tries, window.not_before = 0, 0
    return { "send", await(account, window, times, new_token) } -- rule: fills during the run
  end
  forget(account) -- rule: leave nothing
  return { "settled" }
end

local function incomplete(account, token, new_token, spread)
  local times = times_of(account)
  local window, reply = run_of(account, token, new_token, times)
  if not window then return reply end
  count("incomplete")
  if not times then
    forget(account)
    return { "gone" }
  end
  reopen(window) -- rule: settle nothing
  window.crashes = 0
  window.tries = window.tries + 1 -- rule: growing
  local back_off_ms = math.min(times.backoff_ms * 2 ^ (window.tries - 1), times.max_backoff_ms)
  window.not_before = now + math.floor(back_off_ms * (1 + spread))
  return { "send", await(account, window, times, new_token) }
end

-- A run that was claimed and not begun, for time was short: it is due again at once.
local function release(account, token, new_token)
  local times = times_of(account)
  local window, reply = run_of(account, token, new_token, times)
  if not window then return reply end
  if not times then
    forget(account)
    return { "gone" }
  end
  reopen(window)
  return { "send", await(account, window, times, new_token) }
end

-- Windows whose lease is over: a worker or a message was lost.
local function take_expired(reply, most, call_id)
  for _, account in ipairs(call("ZRANGEBYSCORE", INDEX, "-inf", now, "LIMIT", 0, most)) do
    local times, window = times_of(account), load(account)
    if times and window then
      note_crash(window)
      reopen(window)
      local token = call_id .. "-" .. #reply
      table.insert(reply, { account, token, await(account, window, times, token) })
    else
      forget(account)
    end
  end
end

-- Windows that are due for `overdue_ms` and have no run: their messages are late, or their workers' clocks are. One
-- message for each `size` windows of a connection: a run takes the due ones of its connection along.
local function take_overdue(reply, most, queued, call_id, overdue_ms, size)
  for _, connection in ipairs(call("SMEMBERS", CONNECTIONS)) do
    local due = DUE .. connection
    local number = call("ZCOUNT", due, "-inf", now - overdue_ms)
    if number == 0 and call("EXISTS", due) == 0 then call("SREM", CONNECTIONS, connection) end
    local wanted = math.ceil(number / size)
    local coming = math.min(queued, wanted)
    queued, wanted = queued - coming, math.min(wanted - coming, most - #reply)
    for _, account in ipairs(call("ZRANGEBYSCORE", due, "-inf", now - overdue_ms, "LIMIT", 0, math.max(0, wanted))) do
      local window, times, due_at = due_window(account, connection)
      if window and due_at <= now - overdue_ms then -- rule: overdue
        local token = call_id .. "-" .. #reply
        table.insert(reply, { account, token, await(account, window, times, token) })
      end
    end
  end
end

-- `queued` messages will wake windows without us: a reclaim adds no more than could be missing, so that while workers are
-- away the queue never outgrows the windows.
local function reclaim(limit, queued, call_id, overdue_ms, size)
  local said = call("GET", RECLAIMS .. call_id)
  if said then return cjson.decode(said) end -- rule: repeated reclaim
  local reply = {}
  queued = tonumber(queued)
  take_expired(reply, math.max(0, math.min(limit, call("ZCARD", INDEX) - queued)), call_id)
  take_overdue(reply, tonumber(limit), queued, call_id, tonumber(overdue_ms), tonumber(size))
  if #reply > 0 then
    count("reclaimed", #reply)
    call("SET", RECLAIMS .. call_id, cjson.encode(reply), "PX", RECLAIM_REPLY_MS)
  end
  return reply
end

local operations = {
  record = record_rest, claim = claim, claim_due = claim_due, complete = complete, incomplete = incomplete,
  release = release, reclaim = reclaim, forget = forget, activity = activity, look = look,
}
return operations[argv[1]](unpack(argv, 3))
