-- GET /v1/card/{id}: any of the cards, at random.
-- Arguments: API key, organisation, seed, account, file of ids.

local before, after, count, id

function init(args)
  count, id = ids_read(args[5])
  math.randomseed(tonumber(args[3]))
  local request = head("GET", "/v1/card/@", args[1])
  before, after = request:match("^([^@]*)@(.*)$")
end

function request()
  return before .. id(math.random(0, count - 1)) .. after
end
