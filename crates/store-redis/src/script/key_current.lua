local offered, offered_bytes = struct.unpack('>c4c32', ARGV[4])
local number = redis.call('GET', 'pv:k')
local bytes, at
if number then
  bytes, at = component_read(number)
end
if not bytes or now >= at + COMPONENT_MILLIS then
  -- The time of one that has this number would begin anew.
  if component_read(offered) then
    return answer(string.char(0))
  end
  number, bytes, at = offered, offered_bytes, now
  local kept = string.format('%.0f', COMPONENT_KEPT_MILLIS)
  redis.call('SET', 'pv:k' .. number, struct.pack('>c32I8', bytes, at), 'PX', kept)
  redis.call('SET', 'pv:k', number, 'PX', kept)
end
return answer(struct.pack('>Bc4c32I8', 1, number, bytes, at + COMPONENT_MILLIS - now))
