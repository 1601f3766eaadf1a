-- POST /v1/transaction/{id}/capture: all of one authorisation after the other. Each is captured once.
-- Arguments: API key, organisation, first place, account, file of ids.

local before, after, id, next_place

function init(args)
  local _
  _, id = ids_read(args[5])
  local body = '{}'
  local request = head("POST", "/v1/transaction/@/capture", args[1], #body) .. body
  before, after = request:match("^([^@]*)@(.*)$")
  next_place = tonumber(args[3])
end

function request()
  next_place = next_place + 1
  return before .. id(next_place) .. after
end
