-- What these owners hold.
for at = 1, #ARGV[4], 13 do
  local owner = string.sub(ARGV[4], at, at + 12)
  touched[owner] = tonumber(redis.call('HGET', 'pv:n', owner) or 0)
end
return answer('')
