-- What every request begins with, and what is known of a card. ARGV: whose server it is meant for, until when it counts, the time where the
-- caller has a clock for us, and what the request says.

local latest = tonumber(redis.call('GET', 'pv:t') or 0)
local now = tonumber(ARGV[3])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
-- A clock that goes back stands still here until it has caught up. One that was far ahead would stand for as long, and what was held then would stay: all
-- of it is ended, which no clock is needed for.
if latest - now > BACK_MILLIS then
  redis.call('FLUSHDB', 'SYNC')
  return string.char(SET_BACK)
end
if now > latest then
  redis.call('SET', 'pv:t', string.format('%.0f', now))
else
  now = latest
end
if now > tonumber(ARGV[2]) then
  return string.char(LATE)
end

local NONE, HELD, CLAIMED = 0, 1, 2
local NO_COMPONENT = '\0\0\0\0'

local expired, touched = 0, {}

-- How many an owner holds, how many browsers do, and how many there are.
local function count(owner, by)
  local held = redis.call('HINCRBY', 'pv:n', owner, by)
  if held <= 0 then
    redis.call('HDEL', 'pv:n', owner)
  end
  touched[owner] = math.max(held, 0)
  redis.call('HINCRBY', 'pv:n', 'held', by)
  if string.byte(owner, -1) == BROWSER then
    redis.call('HINCRBY', 'pv:n', 'browsers', by)
  end
end

-- Time ends CVVs whose keys nobody looks at, so what is held is counted by the second in which it ends, too.
local function second_of(deadline)
  return string.format('%.0f', math.ceil(deadline / 1000))
end

local function entered(owner, deadline)
  local second = second_of(deadline)
  if redis.call('HINCRBY', 'pv:e' .. second, owner, 1) == 1 then
    redis.call('ZADD', 'pv:d', second, second)
  end
  count(owner, 1)
end

-- Whether it was counted until now.
local function left(owner, deadline)
  local second = second_of(deadline)
  local ends = 'pv:e' .. second
  local among = tonumber(redis.call('HGET', ends, owner) or 0)
  if among == 0 then
    return false -- Its second is over and counted off.
  end
  if among > 1 then
    redis.call('HINCRBY', ends, owner, -1)
  else
    redis.call('HDEL', ends, owner)
    if redis.call('EXISTS', ends) == 0 then
      redis.call('ZREM', 'pv:d', second)
    end
  end
  count(owner, -1)
  return true
end

-- Counts the seconds off that are over: so many in one request that nobody waits for it.
local ended = 0
for _, second in ipairs(redis.call('ZRANGEBYSCORE', 'pv:d', '-inf', math.floor(now / 1000), 'LIMIT', 0, ENDED_MAX)) do
  local ends = 'pv:e' .. second
  local owners = redis.call('HGETALL', ends)
  redis.call('DEL', ends)
  redis.call('ZREM', 'pv:d', second)
  for at = 1, #owners, 2 do
    local among = tonumber(owners[at + 1])
    expired = expired + among
    count(owners[at], -among)
  end
  ended = ended + #owners / 2
  if ended >= ENDED_MAX then
    break
  end
end

-- A key component and when it was made.
local function component_read(number)
  local key = 'pv:k' .. number
  local made = redis.call('GET', key)
  if not made then
    return nil
  end
  local bytes, at = struct.unpack('>c32I8', made)
  if now >= at + COMPONENT_KEPT_MILLIS then
    redis.call('DEL', key)
    return nil
  end
  return bytes, at
end

-- Numbers have 64 bits, of which Lua's numbers hold 53: eight bytes, compared by halves.
local function is_above(number, other)
  local high, low = struct.unpack('>I4I4', number)
  local other_high, other_low = struct.unpack('>I4I4', other)
  return high > other_high or (high == other_high and low > other_low)
end

-- A time that is given passes when its test says so, and not while the server counts.
local longer = ARGV[3] ~= '' and 3600000 or 0

local function slot_write(key, slot)
  local parts = { struct.pack('>c8I8B', slot.number, slot.ends, slot.state) }
  local kept_until = slot.ends
  if slot.state ~= NONE then
    parts[2] = struct.pack('>c4I8c8c13c57', slot.component, slot.deadline, slot.expires, slot.owner, slot.sealed)
    if slot.state == HELD then
      kept_until = math.max(kept_until, slot.deadline)
    end
  end
  for _, claim in ipairs(slot.claims) do
    local digest = claim.digest
    parts[#parts + 1] = struct.pack('>c16I8Bc16', claim.ticket, claim.ends, digest and 1 or 0, digest or claim.ticket)
  end
  redis.call('SET', key, table.concat(parts), 'PX', string.format('%.0f', kept_until - now + longer))
end

-- Something was told of the card: what was sent before may come until its request's end.
local function slot_touch(slot)
  slot.ends = now + REQUEST_MILLIS
end

-- Ends the CVV, held or claimed.
local function slot_end(slot)
  if slot.state == HELD then
    left(slot.owner, slot.deadline)
  end
  slot.state = NONE
  slot_touch(slot)
end

-- What is known of a card now: what time has ended is ended first.
local function slot_read(key)
  local written = redis.call('GET', key)
  if not written then
    return nil
  end
  local slot, at = { claims = {} }, nil
  slot.number, slot.ends, slot.state, at = struct.unpack('>c8I8B', written)
  if slot.state ~= NONE then
    slot.component, slot.deadline, slot.expires, slot.owner, slot.sealed, at = struct.unpack('>c4I8c8c13c57', written, at)
  end
  local was, claims_were = slot.state, math.floor((#written + 1 - at) / 41)
  while at <= #written do
    local claim, has_digest, digest = {}, nil, nil
    claim.ticket, claim.ends, has_digest, digest, at = struct.unpack('>c16I8Bc16', written, at)
    claim.digest = has_digest == 1 and digest or nil
    if now < claim.ends then
      slot.claims[#slot.claims + 1] = claim
    end
  end
  if slot.state == HELD and now >= slot.deadline then
    if left(slot.owner, slot.deadline) then
      expired = expired + 1
    end
    slot.state = NONE
  end
  -- Nobody could open it.
  if slot.state ~= NONE and slot.component ~= NO_COMPONENT and not component_read(slot.component) then
    if slot.state == HELD then
      left(slot.owner, slot.deadline)
    end
    slot.state = NONE
  end
  -- The claim that it was kept beside is over.
  if slot.state == CLAIMED and #slot.claims == 0 then
    slot.state = NONE
  end
  if slot.state ~= HELD and now >= slot.ends then
    redis.call('DEL', key)
    return nil
  end
  if slot.state ~= was or #slot.claims ~= claims_were then
    slot_write(key, slot)
  end
  return slot
end

-- An answer: what was heard of the time and the counts, and what was asked for.
local function answer(body)
  local counts = redis.call('HMGET', 'pv:n', 'held', 'browsers')
  local owners = {}
  for owner, held in pairs(touched) do
    if #owners < OWNERS_MAX then
      owners[#owners + 1] = struct.pack('>c13I8', owner, held)
    end
  end
  local held, browsers = math.max(counts[1] or 0, 0), math.max(counts[2] or 0, 0)
  return struct.pack('>BI8I8I8I8I2', OURS, now, expired, held, browsers, #owners) .. table.concat(owners) .. body
end
