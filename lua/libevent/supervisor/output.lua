--- Standard error of a monitor and its workers, without ever waiting for who
-- reads it: what cannot be written soon is counted and left out.

local core = require "libevent.core"
local log = require "libevent.log"
local persist = require "libevent.supervisor.persist"

local output = {}

--- Bytes that may wait, and those that are written at once.
local most_waiting, piece = 1024 * 1024, 4096

--- Seconds that the end waits for a reader; and between two attempts where
-- there is no memory.
local patience, pause = 1, 0.1

--- Made by `output.new`.
---@class libevent.supervisor.output
local Output = {}
Output.__index = Output

--- Makes one.
---@param base libevent.event_base
---@param file file*
---@return libevent.supervisor.output
function output.new(base, file)
  local self = setmetatable({ base = base, file = file, queue = {}, size = 0,
    dropped = 0, pumping = false, text = "", at = 1 }, Output)
  self.pumped = setmetatable({}, { __close = function()
    self.pumping = false
  end })
  return self
end

--- Takes what waits to be written, and tells how much was left out.
local function take(self)
  if self.dropped > 0 then
    table.insert(self.queue, log.render { level = "warn",
      time = core.evutil.gettimeofday(), message = "output was left out",
      fields = { bytes = self.dropped } } .. "\n")
    self.dropped = 0
  end
  self.text, self.at, self.queue = table.concat(self.queue), 1, {}
  self.size = 0
end

--- Writes what was taken, as room comes; what cannot be written at all is lost.
local function write(self, room)
  while self.at <= #self.text do
    local n, _, code = core.posix.put(self.file,
      self.text:sub(self.at, self.at + piece - 1))
    self.at = self.at + (n or 0)
    if code and not (code == core.errno.EAGAIN and room) then
      self.text = ""
    elseif code then
      room:wait()
    end
  end
end

--- Writes all; called again, it goes on where it was.
local function write_all(self)
  local room <close> = self.base:event(self.file, "w") -- nil for a file
  write(self, room)
  while #self.queue > 0 do
    take(self)
    write(self, room)
  end
end

local function pump(self)
  local _ <close> = self.pumped
  persist.insist(pause, write_all, self)
end

--- Writes lines, later.
---@param text string Whole lines.
function Output:write(text)
  if self.size + #text > most_waiting then
    self.dropped = self.dropped + #text
    return
  end
  table.insert(self.queue, text)
  self.size = self.size + #text
  if not self.pumping and not self.base:is_closed() then
    self.task = self.base:task(pump, self)
    self.pumping = true
    self.task:name "output"
  end
end

--- Waits until all is written, for a moment. Only a task can.
function Output:flush()
  if self.pumping then
    core.timeout(patience, core.pcall, self.task.wait, self.task)
  end
end

--- Lets the lines of the log go there, until it is closed.
---@return table guard For a <close> variable.
function Output:capture_log()
  local before = log.output(function(_, record)
    self:write(log.render(record) .. "\n")
  end)
  return setmetatable({}, { __close = function()
    log.output(before)
    log.flush()
  end })
end

return output
