local slot = slot_read(KEYS[1])
local is_back = 0
for at, claim in ipairs(slot and slot.claims or {}) do
  if claim.ticket == ARGV[4] then
    -- Its request has ended without a CVV.
    claim.digest = nil
    if at == #slot.claims and slot.state == CLAIMED then
      if now < slot.deadline then
        slot.state = HELD
        slot_touch(slot)
        entered(slot.owner, slot.deadline)
        is_back = 1
      else
        slot.state = NONE
        expired = expired + 1
      end
    end
    slot_write(KEYS[1], slot)
    break
  end
end
return answer(string.char(is_back))
