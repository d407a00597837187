--- One worker process: how it is started, what it tells, and how it ends.

local await = require "libevent.supervisor.await"
local core = require "libevent.core"
local describe = require "libevent.log.format".tostring
local log = require "libevent.log"
local persist = require "libevent.supervisor.persist"
local process = require "libevent.process"
local tail = require "libevent.supervisor.tail"

local worker = {}

--- Seconds between the steps by which a hung worker is ended, that one may take
-- longer to end than its connections may, and that its last words may take.
local step, grace, last_words = 0.25, 1, 0.05

--- How often what it tells is read again for which there was no memory, and
-- seconds between that.
local attempts, pause = 100, 0.05

--- Bytes of its output that are looked at in one go; those of its status; how
-- many counters it may have, and bytes of their names.
local most_read, most_status, most_counters, most_name = 16384, 256, 64, 64

--- Seconds as one reads them.
function worker.rounded(seconds)
  return seconds * 1000 // 1 / 1000
end

--- Made by `worker.start`.
---
--- Its `state` is "starting", "ready", "draining", "hung" or "ended".
---@class libevent.supervisor.worker
local Worker = {}
Worker.__index = Worker

local function change(self, state)
  self.state = state
  self.changed:broadcast()
  self.on_change(self)
end

--- Reads counters, as far as they are numbers that one can count with. Each
-- word is looked at once, however long it is.
local function read_counters(text)
  local counters, n = {}, 0
  for name, text_of in text:gmatch "%f[%w_]([%w_]+)=(%S+)" do
    local value = tonumber(text_of)
    if value and value - value == 0 and #name <= most_name
        and n < most_counters then
      counters[name], n = value, n + 1
    end
  end
  return counters
end

--- What the assignments of a worker mean; see sd_notify(3).
local words = {
  READY = function(self)
    if self.state == "starting" then
      self.ready_at = self.base:now()
      change(self, "ready")
    end
  end,
  STATUS = function(self, text)
    self.status = text ~= "" and text:sub(1, most_status) or nil
  end,
  STOPPING = function(self)
    if self.state == "starting" or self.state == "ready" then
      change(self, "draining")
    end
  end,
  X_COUNTERS = function(self, text)
    self.counters, self.counted = read_counters(text), self.base:now()
  end,
}

--- Reads from a stream, though there may be no memory for it for a while; where
-- bytes were lost with it, there is none for ever.
local function read_again(read, stream, what)
  local data, message, code = read(stream, what)
  for _ = 1, attempts do
    if code ~= core.errno.ENOMEM then
      break
    end
    core.sleep(pause)
    if stream:is_closed() then
      return nil
    end
    data, message, code = read(stream, what)
  end
  return data, message, code
end

--- Reads what the worker tells. Everything is a sign of life.
local function listen(self)
  local channel = self.channel
  local line, message, code = read_again(channel.read, channel, "l")
  while line do
    local name, value = line:match "^([%w_]+)=(.*)$"
    self.heard = self.base:now()
    if words[name] then
      words[name](self, value)
    end
    line, message, code = read_again(channel.read, channel, "l")
  end
  if code == core.errno.EMSGSIZE or code == core.errno.ENOMEM then
    log.warn("a worker is not listened to any more", { worker = self.number,
      pid = self.pid, error = message })
  end
end

--- Takes output, whatever becomes of it: a worker that is not read has to wait.
local function pass_on(self, fn, data)
  local ok, err = core.pcall(fn, self.tail, data)
  if not ok then
    log.error("the output of a worker is lost", { worker = self.number,
      error = describe(err) })
  end
end

local function relay(self)
  local stderr = self.program.stderr
  local data = read_again(stderr.readsome, stderr, most_read)
  while data do
    pass_on(self, self.tail.add, data)
    data = read_again(stderr.readsome, stderr, most_read)
  end
  pass_on(self, self.tail.finish)
end

--- Ends one that hangs: first it is asked where, and once more, since that is
-- told in another way if a C function does not return. Only a task can.
function Worker:finish()
  for _, signal in ipairs { "ABRT", "ABRT", "KILL" } do
    if self.state ~= "ended" then
      self.killed = true
      self.program:kill(signal)
      self:wait(step)
    end
  end
  self:wait()
end

--- Looks whether there was a sign of life in time.
local function watch(self, timer)
  local left = self.heard + self.how.heartbeat - self.base:now()
  if self.state == "starting" then
    left = self.how.heartbeat
  end
  if left > 0 then
    timer:add(left)
  elseif self.state ~= "hung" and self.state ~= "ended" then
    self.hung = true
    change(self, "hung")
    log.warn("a worker hangs", { worker = self.number, pid = self.pid,
      seconds = self.how.heartbeat })
    self.base:task(self.finish, self):name "end of a hung worker"
  end
end

--- Waits for the end, and notes how it was.
local function see_off(self)
  self.how_ended, self.what, self.core = self.program:wait()
  self.ended_at = self.base:now()
  self.pulse:close()
  persist.insist(step, change, self, "ended")
  core.pcall(self.relaying.wait, self.relaying, last_words)
  self.program:close()
  self.channel:close "now"
  self.is_told = true
  persist.insist(step, self.changed.broadcast, self.changed)
  self.on_end(self)
end

--- The descriptors a worker gets, and its environment.
local function prepare(self, how, sockets, names, theirs)
  local fds = {}
  for i, socket in ipairs(sockets) do
    fds[2 + i] = socket
  end
  fds[3 + #sockets] = theirs
  local environment = {
    EVRUN_CHANNEL = ("%d"):format(3 + #sockets),
    EVRUN_NAME = how.name or false,
    EVRUN_START = ("%g"):format(how.start),
    EVRUN_WORKER = ("%d"):format(self.number),
    LISTEN_FDNAMES = names,
    LISTEN_FDS = ("%d"):format(#sockets),
    NOTIFY_SOCKET = false,
    WATCHDOG_PID = false,
    WATCHDOG_USEC = how.heartbeat > 0
      and ("%d"):format(how.heartbeat * 1e6 // 1) or false,
  }
  for name, value in pairs(how.setenv or {}) do
    environment[name] = value
  end
  return fds, environment
end

--- Starts the program.
local function launch(self, how, sockets, names)
  local mine, theirs, code = core.socketpair(true)
  if not mine then
    return nil, theirs, code
  end
  local fds, environment = prepare(self, how, sockets, names, theirs)
  self.channel = self.base:stream(mine)
  local given = table.move(how.command, 1, #how.command, 1, {
    stdin = "null", stderr = "stream", fds = fds, setenv = environment,
    listen_pid = true, group = true, limits = how.limits,
    directory = how.directory, parent_ends = "TERM",
  })
  local program, message
  program, message, code = process.start(given)
  theirs:close()
  if not program then
    self.channel:close "now"
    return nil, message, code
  end
  self.program, self.pid = program, program:pid()
  return true
end

--- Looks after the program from here on.
local function attend(self)
  self.pulse = self.base:timer(function(timer)
    watch(self, timer)
  end)
  if self.how.heartbeat > 0 then
    self.pulse:add(self.how.heartbeat)
  end
  self.relaying = self.base:task(relay, self)
  self.relaying:name "output of a worker"
  self.base:task(listen, self):name "channel of a worker"
  self.base:task(see_off, self):name "end of a worker"
end

--- Starts a worker.
---@param base libevent.event_base
---@param number integer
---@param how table The plan of the supervisor.
---@param sockets libevent.object[] What it inherits.
---@param names string What that is called.
---@param told table Functions that take the worker: `on_change`, of its state,
-- and `on_end`, when its last words are known.
---@return libevent.supervisor.worker? worker
---@return string? message
---@return integer? code
function worker.start(base, number, how, sockets, names, told)
  local self = setmetatable({
    base = base, number = number, how = how, state = "starting",
    on_change = told.on_change, on_end = told.on_end,
    changed = base:condition "change of a worker",
    started = base:now(), heard = base:now(),
    tail = tail.new(number, how.write),
  }, Worker)
  local ok, message, code = launch(self, how, sockets, names)
  if not ok then
    return nil, message, code
  end
  ok, message = core.pcall(attend, self)
  if not ok then
    self.program:close()
    self.channel:close "now"
    error(message, 0)
  end
  return self
end

--- Waits until it serves. Only a task can.
---@param seconds number
---@return boolean? ok nil if it has ended or hangs, or the time is over.
function Worker:wait_ready(seconds)
  await(self.base, self.changed, function()
    return self.state ~= "starting"
  end, seconds)
  self.late = self.state == "starting"
  return self.state == "ready" or nil
end

--- Waits until it has ended. Only a task can.
---@param seconds? number
---@return boolean? ok
function Worker:wait(seconds)
  return await(self.base, self.changed, function()
    return self.state == "ended"
  end, seconds)
end

--- Waits until it has ended, and its last words are known. Only a task can.
function Worker:wait_told()
  await(self.base, self.changed, function()
    return self.is_told
  end)
end

--- Lets it end in its own time, and kills it if it does not. Only a task can.
---@param seconds number What its connections get.
---@return boolean ok Whether it has ended by itself.
function Worker:drain(seconds)
  if self.state == "ended" then
    return true
  end
  self.dismissed = true
  if self.state == "starting" then
    seconds = 0
  end
  if self.state ~= "draining" then -- a second signal would end it at once
    if self.state ~= "hung" then
      change(self, "draining")
    end
    self.program:kill "TERM"
  end
  if self:wait(seconds + grace) then
    return true
  end
  log.warn("a worker did not end in time", { worker = self.number,
    pid = self.pid, seconds = seconds + grace })
  self:kill()
  self:wait()
  return false
end

--- Ends one that ends by itself, if that takes too long. Only a task can.
---@param seconds number What its connections get.
function Worker:expire(seconds)
  if not self:wait(seconds + grace) then
    self.overdue = seconds + grace
    self:finish()
  end
end

--- Kills it.
function Worker:kill()
  if self.state ~= "ended" then
    self.dismissed, self.killed = true, true
    self.program:kill "KILL"
  end
end

--- Tells whether one that was to end has died of something else: what it served
-- is lost. Programs that do not watch TERM end by it.
---@return boolean failed
function Worker:has_failed()
  return not self.killed and self.what ~= 0 and self.what ~= "TERM"
end

--- Returns seconds since it serves; nil if it never did.
function Worker:served()
  return self.ready_at and (self.ended_at or self.base:now()) - self.ready_at
end

--- Says how it has ended.
---@return string cause
function Worker:cause()
  local how
  if self.how_ended == "signal" then
    how = "signal " .. self.what .. (self.core and ", core dumped" or "")
  else
    how = ("exit status %s"):format(self.what)
  end
  if self.hung then
    return ("no sign of life for %g s, %s"):format(self.how.heartbeat, how)
  elseif self.overdue then
    return ("did not end within %g s, %s"):format(self.overdue, how)
  elseif self.late then
    return ("not ready within %g s, %s"):format(self.how.start, how)
  end
  return how
end

--- Says why it does not serve, with its last words.
---@return string why
function Worker:why()
  local said = self.tail:text()
  return self:cause() .. (said ~= "" and ": " .. said or "")
end

--- Returns what there is to tell of its death.
---@return table death
function Worker:death()
  return {
    worker = self.number, pid = self.pid, cause = self:cause(),
    how = self.how_ended, what = self.what, core = self.core or false,
    hung = self.hung or false, was_ready = self.ready_at ~= nil,
    lived = worker.rounded(self.ended_at - self.started),
    stderr = self.tail:text(), counters = self.counters, status = self.status,
  }
end

return worker
