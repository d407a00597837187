--- How a base goes out of service: the parts of `libevent.drain`.

local connections = require "libevent.server.connections"
local core = require "libevent.core"
local listen = require "libevent.listen"

local drain = {}

--- Seconds without a byte after which a connection is idle, if nothing is said;
-- the longest time between two looks at them; and the shortest.
drain.quiet = 1
local longest, shortest = 0.5, 0.01

--- Turns in which listeners take in what waits in the system; each accepts 64.
local turns = 16

--- Connections that are told of.
local most = 10

--- The functions to call, by base.
local hooks = setmetatable({}, { __mode = "k" })

-- Seconds between two looks where connections are idle after so many.
function drain.pause(quiet)
  return math.min(longest, math.max(shortest, quiet))
end

-- Lets listeners accept who waits already: a close would reset them.
function drain.settle(listeners)
  for _ = 1, turns do
    local waiting = false
    for _, listener in ipairs(listeners) do
      waiting = waiting or not listener:is_closed() and listener:waiting()
    end
    if not waiting then
      return
    end
    core.sleep(0)
  end
end

--- A drain that goes on.
local State = {}
State.__index = State

function State:__close()
  listen.drains(self.base, -1)
  if not self.ended:is_closed() then
    self.ended:close()
  end
end

-- Begins: nothing new can listen until that ends.
function drain.begin(base)
  local state = setmetatable({
    base = base, ended = base:condition "drain", tasks = {},
  }, State)
  state.first = listen.drains(base, 1) == 1
  return state
end

-- Closes all listeners that are not spared; those of servers by `stop`.
function drain.close_listeners(base, servers, stop)
  local list = listen.listeners(base)
  for _, each in ipairs(base:objects()) do
    if each.type == "evconnlistener" and each.object
        and not listen.is_spared(each.object) then
      list[#list + 1] = each.object
    end
  end
  drain.settle(list)
  for _, listener in ipairs(list) do
    listener:close()
  end
  for _, each in ipairs(servers) do
    stop(each)
  end
end

-- Adds a function; returns one that takes it out.
function drain.add(base, fn)
  local entry, list = { fn = fn }, hooks[base] or {}
  hooks[base] = list
  list[#list + 1] = entry
  return function()
    for i, each in ipairs(list) do
      if each == entry then
        table.remove(list, i)
      end
    end
  end
end

--- Calls a function, and tells of its error.
local function call(base, fn)
  local ok, err, traceback = core.pcall(fn)
  if not ok and not base:report(err, traceback) then
    require("libevent.log").error("a function of on_drain failed", {
      error = require("libevent.log.format").tostring(err),
      traceback = traceback,
    })
  end
end

--- Starts the functions that were added, and lets them run.
local function start(self)
  for _, each in ipairs(hooks[self.base] or {}) do
    table.insert(self.tasks, self.base:task(call, self.base, each.fn))
  end
  if #self.tasks > 0 then
    core.sleep(0)
  end
end

-- Cancels those that have not ended.
function drain.cancel(self)
  for _, each in ipairs(self.tasks) do
    if not each:is_closed() then
      each:cancel()
    end
  end
end

-- Waits until they have.
function drain.join(self, deadline)
  for _, each in ipairs(self.tasks) do
    if not each:is_closed() then
      each:wait(math.max(0, deadline - self.base:now()))
    end
  end
end

--- The open streams of servers, as a set.
local function streams_of(servers)
  local set = {}
  for _, each in ipairs(servers) do
    connections.streams(each, set)
  end
  return set
end

--- Ends the input of a connection, or closes it if nobody would be told.
local function dismiss(base, connection)
  local is_stream = tostring(connection):find "^libevent%.stream:"
  local read, _, event = connection:getcb()
  if not event and (read or not is_stream) then
    connection:close()
  elseif is_stream then
    connection:shutdown "r"
  else -- its own shutdown would let what still comes break the connection
    connection:disable "r"
    base:defer(function()
      if not connection:is_closed() then
        event(connection, "eof", "r")
      end
    end)
  end
end

--- Ends what is idle, and no server looks after.
local function dismiss_quiet(base, servers, quiet)
  local served = streams_of(servers)
  for _, each in ipairs(base:accepted()) do
    local idle = not served[each] and not each:is_closed() and each:idle()
    if idle and idle >= quiet then
      dismiss(base, each)
    end
  end
end

--- Ends what is idle; returns whether nothing is left.
local function look(self, servers, quiet)
  local over = true
  for _, each in ipairs(servers) do
    connections.sweep(each)
    connections.dismiss_quiet(each, quiet)
    over = over and each.open == 0
  end
  for _, each in ipairs(self.tasks) do
    over = over and (each:is_closed() or each:is_done())
  end
  dismiss_quiet(self.base, servers, quiet)
  return over and self.base:accepted().n == 0
end

-- Calls the functions, and waits until nothing is left; false at the deadline.
function drain.wait(self, servers, deadline, quiet)
  local base, pause = self.base, shortest
  for _, each in ipairs(servers) do
    each.all_ended = self.ended
  end
  if self.first then
    start(self)
  end
  local last = false -- what was closed by then gets a turn to end
  while not base:is_closed() and not look(self, servers, quiet) do
    if last then
      return false
    end
    local left = deadline and deadline - base:now() or math.huge
    last = left <= 0
    self.ended:wait(math.max(0, math.min(pause, left)))
    pause = math.min(2 * pause, drain.pause(quiet))
  end
  return true
end

--- Adds connections that no server looks after to a list.
local function describe(base, served, list)
  local fds = {}
  for stream in pairs(served) do
    fds[stream:fd()] = true
  end
  for _, each in ipairs(base:objects()) do
    if #list < most and each.accepted and not fds[each.fd] then
      list[#list + 1] = {
        peer = each.peer, where = each.created or each.description,
      }
    end
  end
end

-- Counts what is left, and describes some of it.
function drain.count(self, servers)
  local list, served = {}, streams_of(servers)
  local n = self.base:accepted().n
  for _ in pairs(served) do
    n = n - 1
  end
  if n > 0 then
    describe(self.base, served, list)
  end
  for _, each in ipairs(servers) do
    n = n + each.open
    connections.describe(each, list, most)
  end
  return n, list
end

return drain
