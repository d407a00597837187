--- libevent for Lua: the facade of everything the package offers.
--
-- What the C core exports stands here under libevent's own names. The modules
-- above it are loaded on first use: `libevent.version` is
-- `require "libevent.version"`.
-- @module libevent

local core = require "libevent.core"

local libevent = {}

for name, value in pairs(core) do
  libevent[name] = value
end

--- The modules that a field stands for.
local modules = {
  version = "libevent.version",
}

return setmetatable(libevent, {
  __index = function(self, name)
    local module = modules[name]
    if module then
      local value = require(module)
      self[name] = value
      return value
    end
  end,
})
