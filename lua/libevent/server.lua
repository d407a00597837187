--- Servers: a task for each connection, within limits.
-- @within libevent

local connections = require "libevent.server.connections"
local core = require "libevent.core"
local drain = require "libevent.server.drain"
local listen = require "libevent.listen"
local options = require "libevent.options"
local task = require "libevent.task"

local server = {}

--- Those that were made, for `drain`.
local servers = setmetatable({}, { __mode = "k" })

--- Serves connections, each in a task of its own. Made by @{libevent.serve}.
---@class libevent.server
local Server = { __name = "libevent.server" }
Server.__index = Server

--- Seconds that the tasks of a server have to end after they were canceled, and
-- between two looks for tasks that ended without a word, or are quiet.
local grace, pause = 2, 0.5

local kinds = {
  connections = "count",
  per_peer = "count",
  idle = "seconds",
  lifetime = "seconds",
}

--- Stops accepting.
local function stop(self)
  self.listener:close()
  self.sweeper:close()
  connections.tell_ended(self)
end

--- Waits until it has stopped and no connection is open; ends the input of
-- those that are quiet for so long.
local function wait(self, timeout, quiet)
  local deadline = timeout and self.base:now() + timeout
  local between = quiet and drain.pause(quiet) or pause
  while self.open > 0 or not self.listener:is_closed() do
    self.ended = self.ended or self.base:condition()
    if quiet then
      connections.dismiss_quiet(self, quiet)
    end
    local left = deadline and math.max(0, deadline - self.base:now())
    local look = self.open > 0 and not (left and left <= between)
    local ok, message, code = self.ended:wait(look and between or left)
    if not ok and not (look and code == core.errno.ETIMEDOUT) then
      return nil, message, code
    end
    connections.sweep(self)
  end
  return true
end

--- Returns the address it listens to, with the port that the system chose.
---@return string? address
---@return string? message
---@return integer? code An errno value.
function Server:getsockname()
  return self.listener:getsockname()
end

--- Returns how many connections there are and were.
---@return table counters `open`, `accepted`, `refused` for the limit of one
-- peer, and `failed`: those whose function raised an error.
function Server:counters()
  return {
    open = self.open,
    accepted = self.accepted,
    refused = self.refused,
    failed = self.failed,
  }
end

--- Tells whether it accepts no more, so that a function that serves a
-- connection may end it.
---@return boolean closed
function Server:is_closed()
  return self.listener:is_closed()
end

--- Takes it out of service: it takes in who waits in the system already, as
-- far as it may have more, and accepts no more. Then it waits until the
-- connections have ended. The input of those that are idle is ended, as by
-- their peers: nothing was read or sent for so many seconds, and the task waits
-- for its peer, which returns nil. At the deadline those that are left are
-- canceled. Only a task can.
---@param seconds? number Until the deadline; without it there is none.
---@param quiet? number Seconds; 1 by default.
---@return boolean? ok nil if some had to be canceled.
---@return string? message `"timed out"`
---@return integer? code `ETIMEDOUT`
---@return integer? canceled How many.
function Server:drain(seconds, quiet)
  options.seconds("drain", 1, seconds)
  quiet = options.seconds("drain", 2, quiet) or drain.quiet
  drain.settle { self.listener }
  stop(self)
  if wait(self, seconds, quiet) then
    return true
  end
  local n = self.open
  connections.cancel(self)
  wait(self, grace)
  return nil, "timed out", core.errno.ETIMEDOUT, n
end

--- Waits until it was closed and no connection is open. Only a task can.
---@param timeout? number Seconds.
---@return boolean? ok
---@return string? message `"timed out"`
---@return integer? code `ETIMEDOUT`
function Server:wait(timeout)
  options.seconds("wait", 1, timeout)
  return wait(self, timeout)
end

--- Stops accepting, and cancels the tasks of all connections; idempotent.
function Server:close()
  stop(self)
  connections.cancel(self)
end

Server.__close = Server.close

function Server:__tostring()
  return ("libevent.server: %s, %d connections"):format(self.name, self.open)
end

--- Serves an address: a function is called for each connection, in a task of
-- its own. The connection is closed when the function returns or fails. The
-- error goes to `event_base:on_error`, or else to `libevent.log`, and the
-- server goes on.
---@param address string|integer|libevent.socket As for @{libevent.listen}.
---@param fn fun(stream: libevent.stream, peer: string)
---@param given? table Any of:
-- - `connections`: integer, how many may be open, 10,000 by default; more wait
--   in the system until some have ended;
-- - `per_peer`: integer, how many from one host; more are closed at once;
-- - `idle`: seconds that a wait for the peer may take, as for
--   @{stream:timeouts};
-- - `lifetime`: seconds after which a connection is ended;
-- - the options of @{event_base:listener} except `disabled`, and of
--   @{event_base:stream}.
---@return libevent.server? server
---@return string? message
---@return integer? code An errno value, such as `EADDRINUSE`; `ECANCELED` while
-- the base drains.
function server.serve(address, fn, given)
  local limits, how, hand = options.deal("serve", 3, given, kinds,
    options.listener, options.stream)
  options.check("serve", 2, "function", fn)
  limits.connections = limits.connections or 10000
  local self = setmetatable({
    base = task.base(), fn = fn, limits = limits, hand = hand,
    connections = {}, hosts = {},
    open = 0, accepted = 0, refused = 0, failed = 0, full = false, swept = 0,
  }, Server)
  self.sweeper = self.base:timer(function(timer)
    connections.sweep(self)
    if self.full and not timer:is_closed() then
      timer:add(pause)
    end
  end)
  self.sweeper:background()
  local listener, message, code = listen.open("serve", address, how,
    function(_, socket, peer)
      connections.admit(self, socket, peer)
    end)
  if not listener then
    return nil, message, code
  end
  self.listener, self.name = listener, listener:getsockname()
  servers[self] = true
  return self
end

--- Those of a base; others may be made meanwhile.
local function of(base)
  local list = {}
  for each in pairs(servers) do
    if each.base == base then
      list[#list + 1] = each
    end
  end
  return list
end

--- Takes a base out of service, as @{server:drain} does a server: every
-- listener is closed, the functions of @{libevent.on_drain} are called, and
-- connections that have come to listeners get some time to end. The input of
-- idle ones is ended, as by their peers, be they those of servers, of tasks
-- that have accepted them, or streams and bufferevents whose event callback is
-- told `"eof"` then; those with callbacks but none for events are closed. What
-- was closed already and has not handed over all yet is waited for. At the
-- deadline those that are left are canceled and closed.
--
-- Connections of listeners in the background are spared. While it lasts,
-- nothing new can listen: `serve` and `listen` return nil, `"draining"` and
-- `ECANCELED`. Only a task can.
---@param base? libevent.event_base That of the running loop by default.
---@param seconds? number Until the deadline; without it there is none.
---@param quiet? number Seconds after which a connection is idle; 1 by default.
---@return integer canceled How many connections had to be canceled.
---@return table[] cut Some of them, 10 at most: each with `peer`, its address,
-- and `where`, the place of its task or what tostring says of it.
function server.drain(base, seconds, quiet)
  if base ~= nil then
    options.base("drain", 1, base)
  end
  options.seconds("drain", 2, seconds)
  quiet = options.seconds("drain", 3, quiet) or drain.quiet
  base = base or task.base()
  local deadline = seconds and base:now() + seconds
  local state <close> = drain.begin(base)
  local list = of(base)
  drain.close_listeners(base, list, stop)
  if drain.wait(state, list, deadline, quiet) then
    return 0, {}
  end
  local n, cut = drain.count(state, list)
  drain.cancel(state)
  for _, each in ipairs(list) do
    connections.cancel(each)
  end
  deadline = base:now() + grace
  for _, each in ipairs(list) do
    wait(each, math.max(0, deadline - base:now()))
  end
  drain.join(state, deadline)
  base:close_accepted()
  return n, cut
end

--- Lets a function be called when the base of the running loop begins to drain
-- (see @{libevent.drain}): its listeners are closed then, its connections are
-- not. Each such function gets a task of its own, in the order in which they
-- were set. The drain waits for them, too; those that are left at its deadline
-- are canceled. An error goes to `event_base:on_error`, or else to
-- `libevent.log`.
---@param fn fun()
---@return fun() remove Lets it not be called any more.
function server.on_drain(fn)
  options.check("on_drain", 1, "function", fn)
  return drain.add(task.base(), fn)
end

return server
