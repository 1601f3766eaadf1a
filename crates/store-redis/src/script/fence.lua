-- A server is looked at before it is used, and each request names the one that was: what has taken its place meanwhile does nothing.
if redis.call('GET', 'pv:v') ~= ARGV[1] then
  return string.char(OTHER_SERVER)
end
