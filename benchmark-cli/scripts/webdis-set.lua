-- SET of random keys through webdis, the counterpart of kv-set.lua.

local keys = tonumber(os.getenv("KEYS") or "100000")
local requests = {}

function init()
  math.randomseed(os.time())
  local value = string.rep("v", 88)
  for i = 0, keys - 1 do
    requests[i] = wrk.format("GET", string.format("/SET/key:%012d/%012d%s", i, i, value))
  end
end

function request()
  return requests[math.random(0, keys - 1)]
end
