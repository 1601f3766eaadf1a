local ticket, has_digest, digest = struct.unpack('>c16Bc16', ARGV[4])
local NOTHING, TAKEN, TAKEN_BEFORE, TWIN = 0, 1, 2, 3

local slot = slot_read(KEYS[1])
if not slot then
  return answer(string.char(NOTHING))
end

local function taken(how)
  local remaining = slot.deadline - now
  return answer(struct.pack('>Bc8c4I8c8c57', how, slot.number, slot.component, remaining, slot.expires, slot.sealed))
end

local is_twin = false
for at, claim in ipairs(slot.claims) do
  if claim.ticket == ticket then
    if at == #slot.claims and slot.state == CLAIMED and now < slot.deadline then
      return taken(TAKEN_BEFORE)
    end
    return answer(string.char(NOTHING))
  end
  is_twin = is_twin or (has_digest == 1 and claim.digest == digest)
end
if is_twin then
  return answer(string.char(TWIN))
end
if slot.state ~= HELD then
  return answer(string.char(NOTHING))
end
left(slot.owner, slot.deadline)
slot.state = CLAIMED
slot_touch(slot)
slot.claims[#slot.claims + 1] = { ticket = ticket, ends = slot.ends, digest = has_digest == 1 and digest or nil }
if #slot.claims > CLAIMS_MAX then
  table.remove(slot.claims, 1)
end
slot_write(KEYS[1], slot)
return taken(TAKEN)
