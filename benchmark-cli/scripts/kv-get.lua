-- kv.get of random keys, for wrk:
--
--     wrk -t1 -c50 -d5s -s benchmark-cli/scripts/kv-get.lua http://127.0.0.1:15500
--
-- Store the keys first (kv-set.lua does), or every get is a miss. KEYS is how many there are, 100000 by default.

local keys = tonumber(os.getenv("KEYS") or "100000")
local requests = {}

function init()
  math.randomseed(os.time())
  wrk.headers["Content-Type"] = "application/json"
  for i = 0, keys - 1 do
    local body = string.format('{"command":"kv.get","payload":{"key":"key:%012d"}}', i)
    requests[i] = wrk.format("POST", "/api/v1/command", nil, body)
  end
end

function request()
  return requests[math.random(0, keys - 1)]
end
