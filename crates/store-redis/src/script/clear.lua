local number = ARGV[4]
local slot = slot_read(KEYS[1])
if slot and is_above(slot.number, number) then
  return answer('')
end
if slot then
  slot_end(slot)
else
  slot = { claims = {}, state = NONE }
  slot_touch(slot)
end
slot.number = number
slot_write(KEYS[1], slot)
return answer('')
