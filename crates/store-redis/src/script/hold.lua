local owner, number, component, remaining, expires, sealed, held_max = struct.unpack('>c13c8c4I8c8c57I8', ARGV[4])
local NOT_HELD, IS_HELD, NO_ROOM, COMPONENT_GONE = 0, 1, 2, 3

local function has_room()
  local counts = redis.call('HMGET', 'pv:n', owner, 'held', 'browsers')
  local room = held_max - (counts[2] or 0)
  if string.byte(owner, -1) == BROWSER then
    -- Rounded up, so that a place for one has room for one.
    room = math.min(room, math.ceil(held_max / 2) - (counts[3] or 0))
  end
  return tonumber(counts[1] or 0) < room
end

local slot = slot_read(KEYS[1])
if slot and not is_above(number, slot.number) then
  local is_here = slot.number == number and slot.state == HELD
  return answer(string.char(is_here and IS_HELD or NOT_HELD))
end
local replaces = slot and slot.state == HELD
local in_time = remaining > 0
local opens = component == NO_COMPONENT or component_read(component) ~= nil
local held = in_time and opens and (replaces or has_room())
if slot then
  slot_end(slot)
else
  slot = { claims = {}, state = NONE }
  slot_touch(slot)
end
slot.number = number
if held then
  slot.state, slot.deadline = HELD, now + remaining
  slot.owner, slot.component, slot.expires, slot.sealed = owner, component, expires, sealed
  entered(owner, slot.deadline)
end
slot_write(KEYS[1], slot)
if held then
  return answer(string.char(IS_HELD))
elseif not in_time then
  return answer(string.char(NOT_HELD))
end
return answer(string.char(opens and NO_ROOM or COMPONENT_GONE))
