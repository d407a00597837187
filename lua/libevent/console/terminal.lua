--- One who is attached to a console: a connection, its session, and what it has
-- asked for and was not done yet.
--
-- While nothing is asked there is no task and no timer, and the connection does
-- not keep the loop running.

local complete = require "libevent.repl.complete"
local core = require "libevent.core"
local protocol = require "libevent.console.protocol"
local session = require "libevent.repl.session"
local status = require "libevent.console.status"
local task = require "libevent.task"

--- Made by `terminal.new`.
---@class libevent.console.terminal
local Terminal = {}
Terminal.__index = Terminal

local terminal = {}

--- Requests that wait, and their bytes.
local most_requests, most_bytes = 64, protocol.most

--- Unsent bytes from which on a task that prints has to wait, and those that
-- end the connection, since what is no task cannot wait.
local high, most_unsent = 128 * 1024, 4 * 1024 * 1024

--- Bytes of output in a frame, and those after which a task lets others run.
local piece, burst = 32 * 1024, 64 * 1024

--- Words that are offered.
local most_words = 1000

--- Whether the caller is a task of the base, and may wait.
local function may_wait(base)
  local running = core.running()
  return running and coroutine.isyieldable() and running:base() == base
end

--- Lets an input end that was canceled, since nobody is there to read.
local function give_up(self)
  local running = core.running()
  if running and self.session and running == self.session.running
      and coroutine.isyieldable() then
    core.sleep(0)
  end
end

--- Waits until there is room for output; drops who does not read.
local function make_room(self, n)
  local _, unsent = self.stream:pending()
  if not may_wait(self.console.base) then
    if unsent > most_unsent then
      self:drop()
    end
    return
  end
  self.sent = self.sent + n
  if unsent <= high and self.sent > burst then
    self.sent = 0
    core.sleep(0)
  end
  while not self.gone and select(2, self.stream:pending()) > high do
    if not self.room:wait(self.console.patience) then
      self:drop()
    end
  end
end

-- Sends a frame.
function Terminal:send(kind, text)
  if self.gone or self.stream:is_closed() then
    return give_up(self)
  end
  make_room(self, text and #text or 0)
  if not self.gone and not self.stream:is_closed() then
    self.stream:write(protocol.frame(kind, text))
  end
end

--- Sends what an input says.
local function output(self, text)
  for from = 1, #text, piece do
    self:send("O", text:sub(from, from + piece - 1))
  end
end

--- What answers each kind of request, in a task.
local answers = {}

-- A line is input.
function answers.I(self, line)
  if not self.session then
    self.session = session.new(self.console.base, function(text)
      output(self, text)
    end, self.console.limit)
    self.session.apart = true
  end
  local more = self.session:feed(line)
  if more == nil then
    return self:finish ""
  end
  self:send("P", more and "1" or "0")
end

-- What is typed may become words.
function answers.C(self, text)
  local env = self.session and self.session.env or _G
  local search = self.console.base:task(complete.words, text, env)
  search:name "completion"
  search:limit(self.console.limit)
  task.set_apart(search)
  local words = search:wait() or {}
  self:send("C", protocol.pack(table.move(words, 1, most_words, 1, {})))
end

-- For a list of processes.
function answers.S(self)
  self:send("S", protocol.pack(status.row(self.console)))
end

-- For a screen; from here on the loop is measured.
function answers.T(self)
  if not self.measures then
    self.measures = true
    self.console:measure()
  end
  self:send("T", protocol.pack(status.sample(self.console)))
end

-- The monitor of a service is to do something; that may take its time.
function answers.M(self, text)
  local ok, message = nil, "this is no monitor of a service"
  local controls = self.console.controls
  if controls then
    ok, message = controls(protocol.unpack(text))
  end
  self:send("M", protocol.pack { ok = ok, message = message })
end

local function answer(self, request)
  answers[request:sub(1, 1)](self, request:sub(2))
end

--- Ends the work; where that was canceled, nobody would get an answer any more.
local function at_end_of_work(self)
  return setmetatable({}, { __close = function(_, err)
    self.working = false
    if err then
      self:drop()
    end
  end })
end

--- The task that does what is asked, one after the other.
local function work(self)
  local _ <close> = at_end_of_work(self)
  while self.queue[1] and not self.gone do
    local request = table.remove(self.queue, 1)
    self.bytes = self.bytes - #request
    local ok, err = core.pcall(answer, self, request)
    if not ok then
      self:finish(type(err) == "string" and err or type(err))
    end
  end
end

--- Lets a request be done after those before it.
local function enqueue(self, request)
  table.insert(self.queue, request)
  self.bytes = self.bytes + #request
  if #self.queue > most_requests or self.bytes > most_bytes then
    return self:finish "too much is asked at a time"
  elseif self.working then
    return
  end
  self.working = true
  local worker = self.console.base:task(work, self)
  worker:name "console"
  task.set_apart(worker)
end

--- Stops the input that runs, and forgets those that follow.
local function interrupt(self)
  self.queue, self.bytes = {}, 0
  if self.session then
    self.session:interrupt()
  end
end

--- Takes a frame.
local function take(self, frame)
  local kind = frame:sub(1, 1)
  if not self.greeted then
    local message = protocol.refuse(frame)
    if message then
      return self:finish(message)
    end
    self.greeted = true
    self:send("H", protocol.greeting)
  elseif answers[kind] then
    enqueue(self, frame)
  elseif kind == "X" then
    interrupt(self)
  elseif kind == "?" then
    self:send "!"
  else
    self:finish "what was sent is not understood"
  end
end

local function received(self, data)
  local frames = self.reader:take(data)
  for _, frame in ipairs(frames or {}) do
    if self.gone then
      return
    end
    take(self, frame)
  end
  if not frames then
    self:finish "a frame is too long"
  end
end

--- Leaves nothing behind but what is to be sent.
local function leave(self)
  if self.gone then
    return false
  end
  self.gone = true
  self.console.clients[self] = nil
  self.reader, self.bytes = nil, 0
  if self.session then
    self.session:interrupt()
  end
  if self.measures then
    self.console:unmeasure()
  end
  if not self.room:is_closed() then
    self.room:broadcast()
    self.room:close()
  end
  self.queue = {}
  return true
end

-- Ends the connection, without another word.
function Terminal:drop()
  if not self.gone then
    self.stream:close "now"
    leave(self)
  end
end

-- Says why it is over, and ends the connection.
function Terminal:finish(reason)
  if not leave(self) or self.stream:is_closed() then
    return
  end
  self.stream:setcb {}
  if select(2, self.stream:pending()) <= high then -- else a task would wait
    self.stream:write(protocol.frame("E", reason))
  end
  self.stream:close()
end

--- What is called back for a connection. What fails ends it: somebody waits for
-- an answer there.
local function callbacks(self)
  return {
    read = function(_, data)
      local ok, err = pcall(received, self, data)
      if not ok then
        self:drop()
        error(err, 0)
      end
    end,
    write = function()
      self.room:broadcast()
    end,
    event = function()
      self:drop()
    end,
  }
end

local function make(console, stream)
  local self = setmetatable({
    console = console, reader = protocol.reader(), queue = {}, bytes = 0,
    sent = 0, working = false, gone = false, greeted = false,
    room = console.base:condition "room for output", stream = stream,
  }, Terminal)
  stream:background()
  assert(stream:setcb(callbacks(self)))
  return self
end

--- Takes over a connection, which ends where that fails.
---@param console libevent.console
---@param socket libevent.socket
---@return libevent.console.terminal terminal
function terminal.new(console, socket)
  local stream = console.base:stream(socket, { linger = 1 })
  local ok, result = pcall(make, console, stream)
  if not ok then
    stream:close "now"
    error(result, 0)
  end
  return result
end

return terminal
