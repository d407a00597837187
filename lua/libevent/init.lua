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

--- The modules that a field stands for, and the functions of one.
local modules = {
  process = "libevent.process",
  service = "libevent.service",
  log = "libevent.log",
  version = "libevent.version",
}

local functions = {
  after = "libevent.timer",
  base = "libevent.task",
  connect = "libevent.connect",
  console = "libevent.console",
  defer = "libevent.task",
  drain = "libevent.server",
  every = "libevent.timer",
  future = "libevent.future",
  listen = "libevent.listen",
  mutex = "libevent.mutex",
  on_drain = "libevent.server",
  queue = "libevent.queue",
  run = "libevent.task",
  semaphore = "libevent.semaphore",
  serve = "libevent.server",
  signal = "libevent.signal",
  spawn = "libevent.task",
  supervisor = "libevent.supervisor",
  tasks = "libevent.task",
  traceback = "libevent.task",
  udp = "libevent.udp",
  wait = "libevent.task",
}

return setmetatable(libevent, {
  __index = function(self, name)
    local value
    if modules[name] then
      value = require(modules[name])
    elseif functions[name] then
      value = require(functions[name])[name]
    end
    if value ~= nil then
      self[name] = value
    end
    return value
  end,
})
