-- POST /v1/transaction: 10.99 with one card after the other.
-- Arguments: API key, organisation, first place, account, file of ids.

local before, after, id, next_place

function init(args)
  local _
  _, id = ids_read(args[5])
  local body_before = '{"account":"' .. args[4] .. '","amount":1099,"card":"'
  local body_after = '","customer_ip":"203.0.113.7","dynamic_descriptor":"Example shop",'
    .. '"merchant_reference":"order-1001","user_agent":"wrk"}'
  before = head("POST", "/v1/transaction", args[1], #body_before + 24 + #body_after) .. body_before
  after = body_after
  next_place = tonumber(args[3])
end

function request()
  next_place = next_place + 1
  return before .. id(next_place) .. after
end
