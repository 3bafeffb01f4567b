-- The due-queue: which runs are due, who has them, until when.
--
-- One script with several operations, because they share one decision: where an entry stands. An entry is "a:" and an
-- account id (its periodic slots) or "r:" and a run id (one requested run). It stands in exactly one sorted set:
--   due:slots:K   waiting periodic entries of connection K, by the time they are due
--   due:requested:K   waiting requested runs, by the time they are due; claimed first
--   due:leases:K  claimed entries, by the end of their lease
-- and beside it
--   due:claims    hash: entry -> state {f fence, q queued|running|waiting, n attempts, c crashes, t trigger, s slot, b, k}
--   due:details   hash: run id -> {a account, c context as JSON text, g 1 if the account was registered then}
--   accounts      hash: account -> record, "" -> {revision}: what the database says (account_mirror.py)
-- ARGV: operation, now in ms ("" is this server's clock), then the operation's own. PREFIX stands in front.
-- Every operation may be run twice: a client that lost the reply sends it again.

local P = PREFIX
local ACCOUNTS, CLAIMS, DETAILS = P .. 'accounts', P .. 'due:claims', P .. 'due:details'
local CONNECTIONS, REBUILD = P .. 'due:connections', P .. 'due:rebuild'
local REPLAY_MS, DONE_MS, RATE_BUCKET_MS, CLOCK_SLACK_MS, STARTUP_SLACK_MS = 60000, 600000, 10000, 5000, 3600000

local function clock()
  if ARGV[2] ~= '' then return tonumber(ARGV[2]) end
  local time = redis.call('TIME')
  return time[1] * 1000 + math.floor(time[2] / 1000)
end
local now = clock()

local function whole(number) return string.format('%.0f', number) end

-- Grows even when Redis lost its data, because it follows the clock; and when the clock goes back, it follows itself.
local function next_fence()
  local last = tonumber(redis.call('GET', P .. 'fence') or '0')
  local fence = whole(math.max(last + 1, now * 1000))
  redis.call('SET', P .. 'fence', fence)
  return fence
end

local function kept(key, field)
  local text = redis.call('HGET', key, field)
  return text and cjson.decode(text)
end

local function keep_state(entry, state) redis.call('HSET', CLAIMS, entry, cjson.encode(state)) end

local function is_requested(entry) return string.sub(entry, 1, 2) == 'r:' end
local function id_of(entry) return string.sub(entry, 3) end
local function leases(connection) return P .. 'due:leases:' .. connection end
local function queue(entry, connection)
  return P .. (is_requested(entry) and 'due:requested:' or 'due:slots:') .. connection
end

local function slot_at(record, time) return time - (time - record.phase_ms) % record.interval_ms end
local function slot_after(record, time) return slot_at(record, time) + record.interval_ms end

local function wait(entry, connection, due)
  redis.call('SADD', CONNECTIONS, connection)
  redis.call('ZADD', queue(entry, connection), whole(due), entry)
end

local function is_leased(entry, state)
  return state and (state.q == 'queued' or state.q == 'running')
    and redis.call('ZSCORE', leases(state.k), entry) and true or false
end

local function forget(entry, state)
  if state and state.k then redis.call('ZREM', leases(state.k), entry) end
  redis.call('HDEL', CLAIMS, entry)
  if is_requested(entry) then redis.call('HDEL', DETAILS, id_of(entry)) end
end

-- The connection an entry belongs to now; nil when there is nothing to run any more.
local function home(entry)
  if not is_requested(entry) then
    local record = kept(ACCOUNTS, id_of(entry))
    return record and record.enabled and record.connection or nil, record
  end
  local details = kept(DETAILS, id_of(entry))
  if not details then return nil end
  local record = kept(ACCOUNTS, details.a)
  if record then return record.connection, record end
  if details.g == 1 and redis.call('HEXISTS', ACCOUNTS, '') == 1 then return nil end
  return 'default', nil
end

local function requeue(entry, state, due)
  redis.call('ZREM', leases(state.k), entry)
  local connection = home(entry)
  if not connection then return forget(entry, state) end
  state.q = 'waiting'
  keep_state(entry, state)
  wait(entry, connection, due)
end

local function requeue_expired(connection, limit)
  local over = redis.call('ZRANGEBYSCORE', leases(connection), '-inf', now, 'LIMIT', 0, limit)
  for _, entry in ipairs(over) do
    local state = kept(CLAIMS, entry) or { n = 1, c = 0 }
    if state.q == 'running' then state.c = state.c + 1 end
    state.k = connection
    requeue(entry, state, now)
  end
end

local function claim_due(key, connection, count, fence, lease_ms, taken)
  if count <= 0 then return 0 end
  local entries = redis.call('ZRANGEBYSCORE', key, '-inf', now, 'LIMIT', 0, count)
  if #entries == 0 then return 0 end
  local states = redis.call('HMGET', CLAIMS, unpack(entries))
  local leased, written, crashes = {}, {}, {}
  local over = whole(now + lease_ms)
  -- Most entries have no state yet: they share one text.
  local first = cjson.encode({ f = fence, q = 'queued', n = 1, c = 0, k = connection })
  for i, entry in ipairs(entries) do
    local text = first
    if states[i] then
      local state = cjson.decode(states[i])
      state.f, state.q, state.n, state.k = fence, 'queued', state.n + 1, connection
      if state.c > 0 then crashes[entry] = state.c end
      text = cjson.encode(state)
    end
    leased[2 * i - 1], leased[2 * i] = over, entry
    written[2 * i - 1], written[2 * i] = entry, text
  end
  taken[#taken + 1] = { connection, entries, next(crashes) and crashes or nil }
  -- They are the first of the set, by rank.
  redis.call('ZREMRANGEBYRANK', key, 0, #entries - 1)
  redis.call('ZADD', leases(connection), unpack(leased))
  redis.call('HSET', CLAIMS, unpack(written))
  return #entries
end

-- After a clock went back, entries would wait for times that come late: have everything checked again.
local function notice_clock()
  local last = tonumber(redis.call('GET', P .. 'due:clock') or '0')
  if now < last - CLOCK_SLACK_MS then redis.call('HDEL', ACCOUNTS, '') end
  redis.call('SET', P .. 'due:clock', whole(now))
end

local operations = {}

-- call id, limit, share (at most this many of one connection), lease_ms, limits {connection: most entries in lease},
-- default cap
function operations.claim(call, limit, share, lease_ms, limits, default_limit)
  local replay = P .. 'due:call:' .. call
  local said = redis.call('GET', replay)
  if said then return said end
  limit, share, lease_ms, limits = tonumber(limit), tonumber(share), tonumber(lease_ms), cjson.decode(limits)
  local connections = redis.call('SMEMBERS', CONNECTIONS)
  table.sort(connections)
  local taken, count, fence = {}, 0, next_fence()
  local first = #connections > 0 and math.floor(now / 1000) % #connections or 0
  for i = 1, #connections do
    local connection = connections[(first + i - 1) % #connections + 1]
    requeue_expired(connection, limit)
    local held = redis.call('ZCARD', leases(connection))
    local room = math.min(share, limit - count, (limits[connection] or tonumber(default_limit)) - held)
    local requested = claim_due(P .. 'due:requested:' .. connection, connection, room, fence, lease_ms, taken)
    count = count + requested + claim_due(P .. 'due:slots:' .. connection, connection, room - requested, fence, lease_ms, taken)
    if held == 0 and redis.call('EXISTS', P .. 'due:requested:' .. connection, P .. 'due:slots:' .. connection,
        leases(connection)) == 0 then
      redis.call('SREM', CONNECTIONS, connection)
    end
  end
  local answer = cjson.encode({ fence, #taken > 0 and taken or nil })
  if #taken > 0 then redis.call('SET', replay, answer, 'PX', REPLAY_MS) end
  return answer
end

-- queue lease, entries: claim these if they are waiting, due or not
function operations.claim_by_id(lease_ms, entries)
  local fence, claimed = next_fence(), {}
  for _, entry in ipairs(cjson.decode(entries)) do
    local state = kept(CLAIMS, entry) or { n = 0, c = 0 }
    if is_leased(entry, state) and tonumber(redis.call('ZSCORE', leases(state.k), entry)) <= now then
      if state.q == 'running' then state.c = state.c + 1 end
      requeue(entry, state, now)
    end
    local connection = home(entry)
    if connection and not is_leased(entry, state) and redis.call('ZREM', queue(entry, connection), entry) == 1 then
      state.f, state.q, state.n, state.k = fence, 'queued', state.n + 1, connection
      keep_state(entry, state)
      redis.call('SADD', CONNECTIONS, connection)
      redis.call('ZADD', leases(connection), whole(now + tonumber(lease_ms)), entry)
      claimed[#claimed + 1] = { connection, { entry }, state.c > 0 and { [entry] = state.c } or nil }
    end
  end
  return cjson.encode({ fence, #claimed > 0 and claimed or nil })
end

local function describe(entry, state)
  local details = is_requested(entry) and kept(DETAILS, id_of(entry)) or {}
  return {
    entry, state.f, details.a or id_of(entry), whole(state.s or 0), state.t or '', state.n, state.c, details.c or '',
  }
end

-- call id, run lease, [[entry, fence]]: the runs start; each gets a new fence, so that a second delivery finds nothing
function operations.start(call, lease_ms, pairs)
  local fence, started = next_fence(), {}
  for _, pair in ipairs(cjson.decode(pairs)) do
    local entry, given = pair[1], pair[2]
    local state = kept(CLAIMS, entry)
    if state and state.q == 'running' and state.b == call then
      started[#started + 1] = describe(entry, state)
    elseif state and state.q == 'queued' and state.f == given then
      local connection, record = home(entry)
      if connection then
        -- Missed slots are run once: the run stands for the latest.
        if not is_requested(entry) then state.s = math.max(state.s or 0, slot_at(record, now)) end
        state.f, state.q, state.b = fence, 'running', call
        keep_state(entry, state)
        redis.call('ZADD', leases(state.k), whole(now + tonumber(lease_ms)), entry)
        started[#started + 1] = describe(entry, state)
      else
        forget(entry, state)
      end
    end
  end
  return #started > 0 and cjson.encode(started) or '[]'
end

local function owned(pair)
  local state = kept(CLAIMS, pair[1])
  return state and state.q ~= 'waiting' and state.f == pair[2] and state or nil
end

function operations.complete(pairs)
  local completed = 0
  for _, pair in ipairs(cjson.decode(pairs)) do
    local entry, state = pair[1], owned(pair)
    if state then
      local connection, record = home(entry)
      forget(entry, state)
      if is_requested(entry) then
        redis.call('SET', P .. 'due:done:' .. id_of(entry), 1, 'PX', DONE_MS)
      elseif connection then
        wait(entry, connection, slot_after(record, state.s or now))
      end
      completed = completed + 1
    end
  end
  if completed > 0 then
    local bucket = P .. 'due:completed:' .. whole(math.floor(now / RATE_BUCKET_MS))
    redis.call('INCRBY', bucket, completed)
    redis.call('PEXPIRE', bucket, 12 * RATE_BUCKET_MS)
  end
  return completed
end

function operations.release(delay_ms, pairs)
  local given = 0
  for _, pair in ipairs(cjson.decode(pairs)) do
    local state = owned(pair)
    if state then
      requeue(pair[1], state, now + tonumber(delay_ms))
      given = given + 1
    end
  end
  return given
end

-- [[run id, account id, context as JSON text, delay_ms]]
function operations.enqueue(requests)
  local added = 0
  for _, request in ipairs(cjson.decode(requests)) do
    local run, account = request[1], request[2]
    if redis.call('EXISTS', P .. 'due:done:' .. run) == 0 and redis.call('HEXISTS', DETAILS, run) == 0 then
      local record = kept(ACCOUNTS, account)
      local details = { a = account, c = request[3], g = record and 1 or 0 }
      redis.call('HSET', DETAILS, run, cjson.encode(details))
      wait('r:' .. run, record and record.connection or 'default', now + request[4])
      added = added + 1
    end
  end
  return added
end

local function remove(account)
  local entry, record = 'a:' .. account, kept(ACCOUNTS, account)
  if record then redis.call('ZREM', queue(entry, record.connection), entry) end
  forget(entry, kept(CLAIMS, entry))
  redis.call('HDEL', ACCOUNTS, account)
end

-- startup_ms: nil for an account that has been in the schedule before; recover_ms: only when all is filled again.
local function put(account, text, startup_ms, recover_ms)
  local entry, new, old = 'a:' .. account, cjson.decode(text), kept(ACCOUNTS, account)
  local state, moved = kept(CLAIMS, entry), nil
  redis.call('HSET', ACCOUNTS, account, text)
  if old and (old.connection ~= new.connection or not new.enabled) then
    moved = redis.call('ZSCORE', queue(entry, old.connection), entry)
    redis.call('ZREM', queue(entry, old.connection), entry)
  end
  if not new.enabled then return forget(entry, state) end
  if is_leased(entry, state) then return end
  local due = tonumber(moved or redis.call('ZSCORE', queue(entry, new.connection), entry) or nil)
  local next_due = slot_after(new, now)
  if not due and startup_ms then
    keep_state(entry, { q = 'waiting', n = 0, c = 0, t = 'startup' })
    due = now + startup_ms
  elseif not due and recover_ms and now + recover_ms < next_due then
    -- It is unknown whether the present slot was run: it comes up as a second attempt, which asks the ledger first.
    keep_state(entry, { q = 'waiting', n = 1, c = 0 })
    due = now + recover_ms
  elseif not due then
    due = next_due
  elseif state and state.t == 'startup' then
    if due > next_due + STARTUP_SLACK_MS then due = next_due end
  elseif due > now then
    local same_grid = old and old.interval_ms == new.interval_ms and old.phase_ms == new.phase_ms
    if not same_grid or due > next_due + CLOCK_SLACK_MS then due = next_due end
  end
  wait(entry, new.connection, due)
end

local function apply(changes)
  for _, change in ipairs(cjson.decode(changes)) do
    if change.record then put(change.id, change.record, change.startup_ms, change.recover_ms) else remove(change.id) end
  end
end

local function revision()
  local cursor = kept(ACCOUNTS, '')
  return cursor and whole(cursor.revision) or ''
end

local function set_revision(to) redis.call('HSET', ACCOUNTS, '', '{"revision":' .. to .. '}') end

-- Changes of the database from one revision to another; "stale" when the mirror does not stand at the first.
function operations.apply_changes(from, to, changes)
  if revision() == to then return 'done' end
  if revision() ~= from then return 'stale' end
  apply(changes)
  set_revision(to)
  return 'done'
end

-- One part of the whole, from the holder of the rebuild's lock; `to` with the last part.
function operations.rebuild(token, lease_ms, to, changes)
  if redis.call('GET', REBUILD) ~= token then return to ~= '' and revision() == to and 'done' or 'stale' end
  redis.call('PEXPIRE', REBUILD, lease_ms)
  apply(changes)
  if to ~= '' then
    set_revision(to)
    redis.call('DEL', REBUILD)
  end
  return 'done'
end

-- Check some accounts, in turn, and put those into the queue that should stand there and do not.
function operations.requeue_lost(count)
  local scan = redis.call('HSCAN', ACCOUNTS, redis.call('GET', P .. 'due:check_cursor') or '0', 'COUNT', tonumber(count))
  local missing = 0
  for i = 1, #scan[2], 2 do
    local account, record = scan[2][i], cjson.decode(scan[2][i + 1])
    local entry = 'a:' .. account
    if account ~= '' and record.enabled and not redis.call('ZSCORE', queue(entry, record.connection), entry)
        and not is_leased(entry, kept(CLAIMS, entry)) then
      wait(entry, record.connection, slot_after(record, now))
      missing = missing + 1
    end
  end
  redis.call('SET', P .. 'due:check_cursor', scan[1])
  return missing
end

notice_clock()
return operations[ARGV[1]](unpack(ARGV, 3))
