--- What a server knows of its connections: their tasks, and which of them are
-- quiet.

local core = require "libevent.core"

local connections = {}

--- Seconds that a task which was closed has to end, and between two looks for
-- tasks that ended without a word.
local farewell, pause = 1, 0.5

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
  for _, name in ipairs { "ended", "all_ended" } do
    local condition = self.open == 0 and self[name]
    if condition and not condition:is_closed() then
      condition:broadcast()
    end
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

-- Takes out the connections whose task has ended and could not do so: it was
-- closed at once, or canceled before it began.
function connections.sweep(self)
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
  local stream = assert(self.base:stream(connection.socket, self.hand))
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

-- Takes a connection in, unless its peer has too many already.
function connections.admit(self, socket, peer)
  local limit = self.limits.per_peer
  local host = limit and host_of(peer)
  if host and (self.hosts[host] or 0) >= limit
      and self.base:now() - self.swept >= pause then
    connections.sweep(self)
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

-- Cancels what serves the connections that are open.
function connections.cancel(self)
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

--- Whether nothing has come or gone for so long, and the task waits for the
-- peer. One that waits for anything else is at work.
local function is_quiet(connection, seconds)
  local stream, one = connection.stream, connection.task
  if not stream or stream:is_closed() or one:is_closed() then
    return false
  end
  local idle = stream:idle()
  if not idle or idle < seconds then
    return false
  end
  local what, object = one:waits()
  return what == "read" and object == tostring(stream)
end

-- Ends the input of those that are quiet: their functions may say goodbye.
function connections.dismiss_quiet(self, seconds)
  local list = {}
  for connection in pairs(self.connections) do
    if is_quiet(connection, seconds) then
      list[#list + 1] = connection
    end
  end
  for _, connection in ipairs(list) do
    connection.stream:shutdown "r"
  end
end

-- Adds the open streams of a server to a set.
function connections.streams(self, set)
  for connection in pairs(self.connections) do
    local stream = connection.stream
    if stream and not stream:is_closed() then
      set[stream] = true
    end
  end
end

-- Adds who is connected, and where its task is, to a list that may have so
-- many.
function connections.describe(self, list, most)
  for connection in pairs(self.connections) do
    if #list >= most then
      return
    end
    local one = connection.task
    list[#list + 1] = {
      peer = connection.peer,
      where = not one:is_closed() and one:where() or nil,
    }
  end
end

connections.tell_ended = tell_ended

return connections
