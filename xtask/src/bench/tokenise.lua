-- POST /v1/card: a number that was never sent before, with a CVV. The floor is sent the same.
-- Arguments: API key, organisation, first number; account and ids, which are not used; `bare` for no CVV.

-- The last nine digits before the check digit count up; the sums of their halves are known beforehand.
local BIN, LOW = "400000", 100000
local high_text, high_sum, low_text, low_sum = {}, {}, {}, {}
local before, after, next_number

-- ISO/IEC 7812-1 annex B: in a number of sixteen digits, those at odd places count double.
local function luhn(text, first_place)
  local sum = 0
  for place = 1, #text do
    local digit = text:byte(place) - 48
    if (first_place + place) % 2 == 0 then
      digit = digit * 2
      if digit > 9 then digit = digit - 9 end
    end
    sum = sum + digit
  end
  return sum
end

function init(args)
  for number = 0, 9999 do
    high_text[number] = string.format("%04d", number)
    high_sum[number] = luhn(BIN, 1) + luhn(high_text[number], 7)
  end
  for number = 0, LOW - 1 do
    low_text[number] = string.format("%05d", number)
    low_sum[number] = luhn(low_text[number], 11)
  end
  local year = tonumber(os.date("%Y")) + 2
  local body_before = '{"card_number":"' .. BIN
  local cvv = args[6] == "bare" and '' or '"cvv":"111",'
  local body_after = '","expiry_month":"12","expiry_year":"' .. year .. '",' .. cvv .. '"organisation":"' .. args[2] .. '"}'
  before = head("POST", "/v1/card", args[1], #body_before + 10 + #body_after) .. body_before
  after = body_after
  next_number = tonumber(args[3])
end

function request()
  local high, low = math.floor(next_number / LOW) % 10000, next_number % LOW
  local check = (10 - (high_sum[high] + low_sum[low]) % 10) % 10
  next_number = next_number + 1
  return before .. high_text[high] .. low_text[low] .. check .. after
end
