--- One who types: each input is a task, which may wait; what it prints goes
-- back to where it was typed.

local core = require "libevent.core"
local commands = require "libevent.repl.commands"
local complete = require "libevent.repl.complete"
local evaluate = require "libevent.repl.evaluate"
local show = require "libevent.repl.show"
local tasks = require "libevent.task"

--- Reads inputs, runs them, and writes what they give. Made by `session.new`.
---@class libevent.session
local Session = {}
Session.__index = Session

local session = {}

--- Global variables are those of the program; what writes, writes here.
local function environment(self)
  local env = { _G = _G }
  function env.print(...)
    local texts = table.pack(...)
    for i = 1, texts.n do
      texts[i] = tostring(texts[i])
    end
    self.write(table.concat(texts, "\t") .. "\n")
  end
  env.io = setmetatable({
    write = function(...)
      self.write(table.concat { ... })
      return io.stdout
    end,
  }, { __index = io })
  return setmetatable(env, { __index = _G, __newindex = _G })
end

--- Makes a session.
---@param base libevent.event_base Where the inputs run.
---@param write fun(text: string) Takes what they say.
---@param limit? integer Instructions that an input may run.
---@return libevent.session session
function session.new(base, write, limit)
  local self = setmetatable({ base = base, write = write, limit = limit },
    Session)
  self.env = environment(self)
  return self
end

local function finish(self, started, ...)
  rawset(self.env, "_", (...))
  if select("#", ...) > 0 then
    self.write(show.values(...) .. "\n")
  end
  if self.timed then
    self.write(("%.6f s\n"):format(core.evutil.gettime_monotonic() - started))
  end
end

--- The task of an input.
local function run(self, chunk)
  local started = core.evutil.gettime_monotonic()
  local function work()
    return finish(self, started, chunk())
  end
  local ok, err, traceback = core.pcall(work)
  if not ok then
    local text = type(err) == "string" and traceback or show.value(err)
    self.stopped = text:find "^[^\n]*interrupted\n" ~= nil
    self.write(text:gsub("\n\t[^\n]*repl/session.lua:.*$", "") .. "\n")
  end
end

--- Runs a chunk as a task, and waits for it.
---@param chunk function
---@param timed? boolean Whether to say how long it took.
function Session:execute(chunk, timed)
  self.timed = timed
  local task = self.base:task(run, self, chunk)
  task:name "input"
  task:limit(self.limit)
  if self.apart then
    tasks.set_apart(task)
  end
  self.running = task
  local ok, err, message = core.pcall(task.wait, task)
  self.running = nil
  if not ok then -- it was stopped again, while it told why
    self.write((type(err) == "string" and err or type(err)) .. "\n")
  elseif message == "canceled" then
    self.write "canceled\n"
  end
end

--- Takes a line. Returns whether it is not the end of an input.
---@param line string
---@return boolean? more Nil when the session is over.
function Session:feed(line)
  self.stopped = false
  local text = self.begun and self.begun .. "\n" .. line or line
  if not self.begun and line:find "^%s*:%a" then
    return commands.run(self, line)
  elseif text:find "^%s*$" then
    return false
  end
  local chunk, message = evaluate.compile(text, self.env)
  if not chunk and not message then
    self.begun = text
    return true
  end
  self.begun = nil
  if chunk then
    self:execute(chunk)
  else
    self.write(message .. "\n")
  end
  return false
end

--- Tells whether an input has begun that goes on.
---@return boolean begun
function Session:is_begun()
  return self.begun ~= nil
end

--- Returns what the last word of a text may become.
---@param text string What is typed, up to the cursor.
---@return string[] words
function Session:complete(text)
  return complete.words(text, self.env)
end

--- Stops the input that runs, or forgets what has been typed of the next one.
---@return boolean stopped Whether one ran.
function Session:interrupt()
  self.begun = nil
  local running = self.running
  if running and not running:is_closed() and running:cancel() then
    return true
  end
  local stopped = self.stopped -- by the very signal that is told now
  self.stopped = false
  return stopped
end

return session
