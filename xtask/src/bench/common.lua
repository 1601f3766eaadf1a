-- What all scripts share. One thread of wrk runs one copy of it; the arguments are handed over after `--`.

-- Bytes of an id.
local ID = 24

-- A request whose head never changes: `path` and the length of the body are known beforehand.
function head(method, path, key, length)
  local lines = {
    method .. " " .. path .. " HTTP/1.1", "Host: " .. wrk.host .. ":" .. wrk.port, "X-APIKEY: " .. key,
  }
  if length then
    lines[#lines + 1] = "Content-Type: application/json"
    lines[#lines + 1] = "Content-Length: " .. length
  end
  return table.concat(lines, "\r\n") .. "\r\n\r\n"
end

-- The ids in a file, by their place, which begins with 0.
function ids_read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  local count = math.floor(#text / ID)
  return count, function(place)
    local at = (place % count) * ID
    return text:sub(at + 1, at + ID)
  end
end

function done(summary, latency, requests)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.status + errors.timeout
  print(string.format(
    'result {"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"p999_us":%d,"max_us":%d,"errors":%d}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), latency:percentile(99.9),
    latency.max, failed
  ))
end
