-- Whose server this is: ARGV[1] is a vault and the run of a server. An empty one is ours from now on. One that was filled in another run has come
-- from a file.
local whose = redis.call('GET', 'pv:v')
if not whose then
  if redis.call('DBSIZE') > 0 then
    return string.char(NOT_EMPTY)
  end
  redis.call('SET', 'pv:v', ARGV[1])
elseif whose ~= ARGV[1] then
  if string.sub(whose, 1, 12) == string.sub(ARGV[1], 1, 12) then
    return string.char(RESTORED)
  end
  return string.char(OTHER_VAULT)
end
