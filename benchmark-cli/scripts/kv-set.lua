-- kv.set of random keys with values of 100 bytes, for wrk:
--
--     wrk -t1 -c50 -d5s -s benchmark-cli/scripts/kv-set.lua http://127.0.0.1:15500
--
-- KEYS is how many keys there are, 100000 by default.

local keys = tonumber(os.getenv("KEYS") or "100000")
local requests = {}

function init()
  math.randomseed(os.time())
  wrk.headers["Content-Type"] = "application/json"
  local value = string.rep("v", 88)
  for i = 0, keys - 1 do
    local body = string.format('{"command":"kv.set","payload":{"key":"key:%012d","value":"%012d%s"}}', i, i, value)
    requests[i] = wrk.format("POST", "/api/v1/command", nil, body)
  end
end

function request()
  return requests[math.random(0, keys - 1)]
end
