--- Servers: a task for each connection, within limits.
-- @within libevent

local core = require "libevent.core"
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

--- Seconds that the tasks of a server have to end after they were canceled,
-- those that a task which was closed has, and between two looks for tasks that
-- ended without a word.
local grace, farewell, pause = 2, 1, 0.5

local kinds = {
  connections = "count",
  per_peer = "count",
  idle = "seconds",
  lifetime = "seconds",
}

--- The part of an address that says who it is; nil for a unix socket.
local function host_of(peer)
  return peer:match "^(.*):%d+$"
end

--- Accepts or does not, as there is room.
local function regulate(self)
  local full = self.open >= self.limits.connections
  if self.listener:is_closed() or full == self.full then
    return
  end
  if full then
    self.listener:disable()
    self.sweeper:add(pause)
  else
    self.sweeper:del()
  end
  self.full = full or not self.listener:enable()
end

--- Wakes those who wait for the end of all connections.
local function tell_ended(self)
  if self.open == 0 and self.ended and not self.ended:is_closed() then
    self.ended:broadcast()
  end
end

--- A connection: closing it takes it out of the books.
local Connection = {}
Connection.__index = Connection

function Connection:__close()
  if self.gone then
    return
  end
  self.gone = true
  local owner, host = self.server, self.host;
  (self.stream or self.socket):close()
  owner.connections[self] = nil
  owner.open = owner.open - 1
  if host then
    local n = owner.hosts[host] - 1
    owner.hosts[host] = n > 0 and n or nil
  end
  tell_ended(owner)
  regulate(owner)
end

--- Whether the task of a connection has ended. One that was closed may still
-- run `<close>` handlers for some time.
local function has_ended(connection, now)
  local one = connection.task
  if not one:is_closed() then
    return one:is_done()
  end
  connection.closed = connection.closed or now
  return now - connection.closed >= farewell
end

--- Takes out the connections whose task has ended and could not do so: it was
-- closed at once, or canceled before it began.
local function sweep(self)
  local now, list = self.base:now(), {}
  for connection in pairs(self.connections) do
    if has_ended(connection, now) then
      list[#list + 1] = connection
    end
  end
  for _, connection in ipairs(list) do
    connection:__close()
  end
  self.swept = now
end

--- Tells of an error: the base's `on_error`, or else the log.
local function tell(self, err, traceback, connection)
  self.failed = self.failed + 1
  if self.base:is_closed()
      or not self.base:report(err, traceback, connection.stream) then
    require("libevent.log").error("a connection failed", {
      server = self.name,
      peer = connection.peer,
      error = require("libevent.log.format").tostring(err),
      traceback = traceback,
    })
  end
end

local function run(self, connection)
  local idle, lifetime = self.limits.idle, self.limits.lifetime
  local stream = self.base:stream(connection.socket, self.hand)
  connection.stream = stream
  if idle then
    stream:timeouts(idle, idle)
  end
  if lifetime then
    core.timeout(lifetime, self.fn, stream, connection.peer)
  else
    self.fn(stream, connection.peer)
  end
end

--- The task of a connection.
local function serve_one(self, connection)
  local mine <close> = connection
  local ok, err, traceback = core.pcall(run, self, mine)
  if not ok then
    tell(self, err, traceback, mine)
  end
end

--- Takes a connection in, unless its peer has too many already.
local function admit(self, socket, peer)
  local limit = self.limits.per_peer
  local host = limit and host_of(peer)
  if host and (self.hosts[host] or 0) >= limit
      and self.base:now() - self.swept >= pause then
    sweep(self)
  end
  if host and (self.hosts[host] or 0) >= limit then
    self.refused = self.refused + 1
    return socket:close()
  end
  local connection = setmetatable(
    { server = self, socket = socket, peer = peer, host = host }, Connection)
  connection.task = self.base:task(serve_one, self, connection)
  self.connections[connection] = true
  self.accepted, self.open = self.accepted + 1, self.open + 1
  if host then
    self.hosts[host] = (self.hosts[host] or 0) + 1
  end
  regulate(self)
end

--- Cancels what serves the connections that are open.
local function cancel(self)
  local list = {}
  for connection in pairs(self.connections) do
    list[#list + 1] = connection
  end
  for _, connection in ipairs(list) do
    local is_closed = connection.task:is_closed()
    if not is_closed then
      connection.task:cancel()
    end
    if is_closed or not connection.stream then -- not begun: it never will
      connection:__close()
    end
  end
end

--- Stops accepting.
local function stop(self)
  self.listener:close()
  self.sweeper:close()
  tell_ended(self)
end

--- Waits until it has stopped and no connection is open.
local function wait(self, timeout)
  local deadline = timeout and self.base:now() + timeout
  while self.open > 0 or not self.listener:is_closed() do
    self.ended = self.ended or self.base:condition()
    local left = deadline and math.max(0, deadline - self.base:now())
    local look = self.open > 0 and not (left and left <= pause)
    local ok, message, code = self.ended:wait(look and pause or left)
    if not ok and not (look and code == core.errno.ETIMEDOUT) then
      return nil, message, code
    end
    sweep(self)
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

--- Stops accepting, and waits until the connections have ended; at the deadline
-- those that are left are canceled. Only a task can.
---@param seconds? number
---@return boolean? ok nil if some had to be canceled.
---@return string? message `"timed out"`
---@return integer? code `ETIMEDOUT`
---@return integer? canceled How many.
function Server:drain(seconds)
  stop(self)
  if wait(self, seconds) then
    return true
  end
  local n = self.open
  cancel(self)
  wait(self, grace)
  return nil, "timed out", core.errno.ETIMEDOUT, n
end

--- Waits until it was closed and no connection is open. Only a task can.
---@param timeout? number Seconds.
---@return boolean? ok
---@return string? message `"timed out"`
---@return integer? code `ETIMEDOUT`
function Server:wait(timeout)
  return wait(self, timeout)
end

--- Stops accepting, and cancels the tasks of all connections; idempotent.
function Server:close()
  stop(self)
  cancel(self)
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
---@param given table|nil Any of:
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
---@return integer? code An errno value, such as `EADDRINUSE`.
function server.serve(address, fn, given)
  local limits, how, hand = options.deal("serve", 3, given, kinds,
    options.listener, options.stream)
  if type(fn) ~= "function" then
    error(("bad argument #2 to 'serve' (function expected, got %s)"):format(
      type(fn)), 2)
  end
  limits.connections = limits.connections or 10000
  local self = setmetatable({
    base = task.base(), fn = fn, limits = limits, hand = hand,
    connections = {}, hosts = {},
    open = 0, accepted = 0, refused = 0, failed = 0, full = false, swept = 0,
  }, Server)
  self.sweeper = self.base:timer(function(timer)
    sweep(self)
    if self.full and not timer:is_closed() then
      timer:add(pause)
    end
  end)
  self.sweeper:background()
  local listener, message, code = listen.open("serve", address, how,
    function(_, socket, peer)
      admit(self, socket, peer)
    end)
  if not listener then
    return nil, message, code
  end
  self.listener, self.name = listener, listener:getsockname()
  servers[self] = true
  return self
end

--- Ends all serving of a base: every listener is closed, and the connections of
-- servers have some time to end, as for @{server:drain}. Only a task can.
---@param base? libevent.event_base That of the running loop by default.
---@param seconds? number
---@return integer canceled How many connections had to be canceled.
function server.drain(base, seconds)
  base = base or task.base()
  local canceled, deadline = 0, seconds and base:now() + seconds
  for _, each in ipairs(base:objects()) do
    if each.type == "evconnlistener" and each.object
        and not listen.is_spared(each.object) then
      each.object:close()
    end
  end
  listen.close_all(base)
  local list = {} -- others may be made meanwhile
  for each in pairs(servers) do
    if each.base == base then
      list[#list + 1] = each
    end
  end
  for _, each in ipairs(list) do
    local left = deadline and math.max(0, deadline - base:now())
    local _, _, _, n = each:drain(left)
    canceled = canceled + (n or 0)
  end
  return canceled
end

return server
