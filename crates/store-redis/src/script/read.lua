local shown = {}
for at, key in ipairs(KEYS) do
  local slot = slot_read(key)
  if slot and slot.state == HELD then
    shown[at] = struct.pack('>Bc8c8I8', 1, slot.number, slot.expires, slot.deadline - now)
  else
    shown[at] = string.char(0)
  end
end
return answer(table.concat(shown))
