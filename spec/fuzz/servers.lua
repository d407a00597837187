--- What the fuzzer does with servers and their clients: objects in Lua, which
-- reflection does not find.

local libevent = require "libevent"
local values = require "spec.fuzz.values"

local random = math.random
local pick = values.pick

local servers = {}

local kept = setmetatable({}, { __mode = "k" })

--- One of those that were made before.
local function some()
  local list = {}
  for each in pairs(kept) do
    list[#list + 1] = each
  end
  return list[1] and pick(list)
end

local function keep(object, ...)
  if object then
    kept[object] = true
  end
  return object, ...
end

local function address()
  return pick { "127.0.0.1:0", "unix:@fuzz" .. random(3), "[::1]:0", "x" }
end

local function options()
  return { connections = random(3), per_peer = random(3),
    idle = random() * 0.01, lifetime = random() * 0.01,
    linger = random() * 0.01 }
end

local calls = {
  function() return keep(libevent.serve(address(), values.body, options())) end,
  function() return keep(libevent.listen(address(), { linger = 0 })) end,
  function() return some():close() end,
  function() return some():accept(random() * 0.001) end,
  function() return some():drain(random() * 0.001) end,
  function() return some():drain(random() * 0.001, random() * 0.001) end,
  function()
    return libevent.drain(nil, random() * 0.001, random() * 0.001)
  end,
  function()
    local remove = libevent.on_drain(values.body)
    return random(2) == 1 and remove()
  end,
  function() return some():wait(random() * 0.001) end,
  function() return some():counters(), tostring(some()) end,
  function()
    return libevent.connect(pick { some():getsockname(), address() },
      { timeout = random() * 0.01 })
  end,
  function()
    return libevent.socket_connect(some():getsockname(), address())
  end,
}

--- Does anything that concerns servers.
function servers.any()
  return pick(calls)()
end

return servers
