local slot = slot_read(KEYS[1])
if slot then
  slot_end(slot)
  slot_write(KEYS[1], slot)
end
return answer('')
