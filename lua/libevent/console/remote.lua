--- The other side of a console: a connection to a process, and what stands for
-- a session there.

local core = require "libevent.core"
local protocol = require "libevent.console.protocol"
local task = require "libevent.task"

local remote = {}

--- Inputs go to a process, and what they say comes back. Made by
-- `remote.connect`.
---@class libevent.console.remote
local Remote = {}
Remote.__index = Remote

local monotonic = core.evutil.gettime_monotonic

--- Seconds that an answer may take, that a completion may, and between two
-- attempts to connect.
local patience, hurry, pause = 5, 1, 0.01

local function ask(self, kind, text)
  if not self.stream:is_closed() then
    self.stream:write(protocol.frame(kind, text))
  end
end

--- Reads a frame; nil and why there is none.
local function next_frame(self, timeout)
  local frame, message, code = self.stream:readframe(protocol.format,
    protocol.most, timeout)
  if not frame then
    return nil, code == core.errno.ETIMEDOUT
      and ("%s does not answer within %g s"):format(self.title, timeout)
      or message and ("%s is gone (%s)"):format(self.title, message)
      or self.title .. " has ended"
  elseif frame:sub(1, 1) == "E" then
    local reason = frame:sub(2)
    return nil, reason ~= "" and ("%s: %s"):format(self.title, reason) or ""
  end
  return frame
end

--- Whether a process of this user, or of root, listens there.
local function check_user(stream, title)
  local pid, uid = stream:peercred()
  local own = core.posix.geteuid()
  if not pid then
    return nil, title .. ": " .. uid
  elseif uid ~= own and uid ~= 0 and own ~= 0 then
    return nil, ("%s belongs to user %d"):format(title, uid)
  end
  return true
end

--- A connected socket, or why there is none.
local function open(address, title, deadline)
  while true do
    local socket, message, code = core.socket_connect(address)
    if socket then
      return socket
    elseif code ~= core.errno.EAGAIN then
      return nil, ("%s cannot be reached (%s)"):format(title, message), code
    elseif monotonic() > deadline then
      return nil, title .. " accepts no connections"
    end
    core.sleep(pause) -- so many others wait there
  end
end

--- Connects to a console. Only a task can.
---@param path string
---@param title string What messages call the process.
---@param timeout? number Seconds for its answers.
---@param base? libevent.event_base
---@return libevent.console.remote? remote
---@return string? message
---@return integer? code An errno value, where it cannot be reached.
function remote.connect(path, title, timeout, base)
  timeout, base = timeout or patience, base or task.base()
  local address, wrong = core.evutil.parse_sockaddr_port("unix:" .. path)
  if not address then
    return nil, wrong
  end
  local socket, message, code = open(address, title, monotonic() + timeout)
  if not socket then
    return nil, message, code
  end
  local self = setmetatable({
    base = base, path = path, title = title, timeout = timeout,
    stream = base:stream(socket), prompted = base:condition "prompt",
    awaiting = false, heard = true,
  }, Remote)
  local ok, why = check_user(self.stream, title)
  if ok then
    ask(self, "H", protocol.greeting)
    ok, why = next_frame(self, timeout)
    why = ok and protocol.refuse(ok) or why
  end
  if why then
    self:close()
    return nil, why
  end
  return self
end

--- Asks for a value. Only a task can, and nothing else may read.
---@param kind string The letter of the request.
---@param text? string
---@return any value nil if there is none.
---@return string? message
function Remote:request(kind, text)
  ask(self, kind, text)
  local frame, message = next_frame(self, self.timeout)
  if not frame then
    return nil, message
  end
  local ok, value = pcall(protocol.unpack, frame:sub(2))
  if frame:sub(1, 1) ~= kind or not ok then
    return nil, self.title .. ": the answer is not understood"
  end
  return value
end

--- It is over, and why.
local function over(self, message)
  if self.ended then
    return
  end
  self.ended = message
  self:close()
  if self.on_end then
    self.on_end(message)
  end
end

--- What comes, as it comes.
local function listen(self)
  while true do
    local frame, message = next_frame(self)
    if not frame then
      return over(self, message)
    end
    self.heard = true
    local kind = frame:sub(1, 1)
    if kind == "O" then
      self.write(frame:sub(2))
    elseif kind == "P" then
      self.awaiting, self.more = false, frame:sub(2) == "1"
      self.prompted:broadcast()
    end
  end
end

--- Listens; it is over where that fails, as somebody may wait for what comes.
local function attend(self)
  local ok, err = core.pcall(listen, self)
  if not ok then
    over(self, tostring(err))
    error(err, 0)
  end
end

--- Begins to stand for a session: what inputs say is written as it comes.
---@param write fun(text: string)
---@param on_end fun(message: string) Is told that it is over; "" where somebody
-- wanted that.
function Remote:start(write, on_end)
  self.write, self.on_end = write, on_end
  self.base:task(attend, self):name "remote"
end

--- Whether something has come since it was asked last; asks again.
local function is_alive(self)
  if not self.heard then
    return false
  end
  self.heard = false
  ask(self, "?")
  return true
end

--- Sends a line, and waits until the process is ready for the next. Only a task
-- can.
---@param line string
---@return boolean? more Whether the input goes on; nil when it is over.
function Remote:feed(line)
  if self.ended then
    return nil
  end
  self.awaiting, self.interrupted, self.heard = true, false, true
  ask(self, "I", line)
  while self.awaiting and not self.ended do
    local _, _, code = self.prompted:wait(self.timeout)
    if code == core.errno.ETIMEDOUT and self.awaiting
        and not is_alive(self) then
      over(self, ("%s does not answer within %g s"):format(self.title,
        self.timeout))
    end
  end
  if self.ended then
    return nil
  end
  return self.more
end

--- Stops the input that runs; if nothing has come from the process since that
-- was asked for, leaves it.
---@return boolean stopped Whether one ran.
function Remote:interrupt()
  if self.ended then
    return false
  end
  local running = self.awaiting
  if running and self.interrupted and not self.heard then
    over(self, self.title .. " does not answer")
    return true
  end
  self.interrupted, self.heard, self.more = true, false, false
  ask(self, "X")
  return running
end

--- Returns what the last word of a text may become. A connection and a loop of
-- its own do that, so that it may be called where nothing may wait.
---@param text string
---@return string[] words None if there is no answer soon.
function Remote:complete(text)
  local base <close> = core.event_base()
  local words = {}
  local search = base:task(function()
    local own = remote.connect(self.path, self.title, hurry, base)
    words = own and own:request("C", text) or words
    if own then
      own:close()
    end
  end)
  pcall(base.loop, base)
  return search:is_done() and words or {}
end

--- Ends the connection; idempotent.
function Remote:close()
  self.ended = self.ended or ""
  self.stream:close()
  if not self.prompted:is_closed() then
    self.prompted:broadcast()
    self.prompted:close()
  end
end

Remote.__close = Remote.close

return remote
