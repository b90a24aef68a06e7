-- GET of random keys through webdis, the counterpart of kv-get.lua.

local keys = tonumber(os.getenv("KEYS") or "100000")
local requests = {}

function init()
  math.randomseed(os.time())
  for i = 0, keys - 1 do
    requests[i] = wrk.format("GET", string.format("/GET/key:%012d", i))
  end
end

function request()
  return requests[math.random(0, keys - 1)]
end
