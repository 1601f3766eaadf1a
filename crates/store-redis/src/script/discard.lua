local slot = slot_read(KEYS[1])
local last = slot and slot.claims[#slot.claims]
if last and last.ticket == ARGV[4] and slot.state == CLAIMED then
  slot.state = NONE
  slot_write(KEYS[1], slot)
end
return answer('')
