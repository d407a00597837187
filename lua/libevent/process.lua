--- Programs that are started: their input and output are streams.
-- @module libevent.process

local core = require "libevent.core"
local options = require "libevent.options"
local task = require "libevent.task"

local process = {}

--- A program that was started by @{process.start}. Its fields `stdin`, `stdout`
-- and `stderr` are streams where that was wanted.
---@class libevent.program
local Program = { __name = "libevent.program" }
Program.__index = Program

local own = {
  stdin = "stdio", stdout = "stdio", stderr = "stdio", fds = "table",
}

local passed = {
  directory = "string",
  env = "table",
  group = "boolean",
  limits = "table",
  listen_pid = "boolean",
  parent_ends = "string",
  setenv = "table",
  session = "boolean",
}

local names = { [0] = "stdin", "stdout", "stderr" }

--- Waits until the program has ended; a stream that nobody reads may keep it
-- from that. Only a task can.
---@param timeout? number Seconds.
---@return string? how `"exit"` or `"signal"`; nil if the time is over, or it
-- was closed.
---@return integer|string|nil what The exit status, or the name of the signal;
-- the message where the first is nil.
---@return boolean|integer|nil core Whether a signal left a core file; the code
-- where the first is nil.
function Program:wait(timeout)
  return self.process:wait(timeout)
end

--- Tells how the program has ended.
---@return string? how As for @{program:wait}; nil while it runs.
---@return integer|string|nil what
---@return boolean? core
function Program:status()
  return self.process:status()
end

--- Returns the number of the process.
---@return integer pid
function Program:pid()
  return self.process:pid()
end

--- Sends a signal.
---@param signal? string|integer `"TERM"` by default.
---@return boolean? ok
---@return string? message
---@return integer? code An errno value, `ESRCH` if it has ended.
function Program:kill(signal)
  return self.process:kill(signal)
end

--- Kills the program if it runs, and closes its streams; idempotent.
function Program:close()
  self.process:close()
  for fd = 0, 2 do
    local stream = self[names[fd]]
    if stream then
      stream:close()
    end
  end
end

Program.__close = Program.close

function Program:__tostring()
  return "libevent.program: " .. tostring(self.process)
end

--- What one of the first three descriptors is to be; notes a stream, and what
-- is to be closed here when the program has its own.
local function descriptor(base, self, fd, wanted, done)
  if wanted == nil or wanted == "inherit" then
    return nil
  elseif wanted == "null" then
    local file, message, code = io.open("/dev/null", fd == 0 and "r" or "w")
    done[#done + 1] = file
    return file or false, message, code
  elseif wanted ~= "stream" then
    return wanted
  end
  local mine, theirs, code = core.socketpair(true)
  if not mine then
    return false, theirs, code
  end
  done[#done + 1] = theirs
  local stream, message
  stream, message, code = base:stream(mine)
  if not stream then
    mine:close()
    return false, message, code
  end
  self[names[fd]] = stream
  return theirs
end

--- The descriptors of the program; nil, a message and a code if there are none
-- left.
local function descriptors(base, self, given, done)
  local fds = {}
  for fd, value in pairs(given.fds or {}) do
    fds[fd] = value
  end
  for fd = 0, 2 do
    local wanted = given[names[fd]]
    local value, message, code = descriptor(base, self, fd, wanted, done)
    if value == false and wanted ~= false then
      return nil, message, code
    elseif value ~= nil then
      fds[fd] = value
    end
  end
  return fds
end

--- Starts a program, whose options were checked.
local function launch(arguments, mine, how)
  local base, self = task.base(), setmetatable({}, Program)
  local done <close> = setmetatable({}, { __close = function(list)
    for _, each in ipairs(list) do
      each:close()
    end
    for fd = 0, self.process and -1 or 2 do
      if self[names[fd]] then
        self[names[fd]]:close()
      end
    end
  end })
  local message, code
  how.fds, message, code = descriptors(base, self, mine, done)
  if not how.fds then
    return nil, message, code
  end
  self.process, message, code = base:process(arguments, how)
  if not self.process then
    return nil, message, code
  end
  return self
end

--- Starts a program.
---@param given table The program, by its path or looked for in `PATH`, and its
-- arguments as a list, and any of:
-- - `stdin`, `stdout`, `stderr`: `"inherit"` by default, `"null"`, `"stream"`,
--   or what has a descriptor;
-- - `fds`: table, what else it gets, by the number it has there;
-- - `env`, `setenv`, `directory`, `limits`, `session`, `group`,
--   `parent_ends`, `listen_pid`: as for @{event_base:process}.
---@return libevent.program? program
---@return string? message What has failed, such as `"exec: Permission denied"`.
---@return integer? code An errno value.
function process.start(given)
  local arguments, rest = options.split("start", given)
  return launch(arguments, options.deal("start", 1, rest, own, passed))
end

--- Gives a program its input; returns why that failed. One that does not read
-- all of it is none.
local function feed(stream, input)
  local ok, message, code = stream:write(input)
  if ok then
    ok, message, code = stream:shutdown()
  end
  if ok then
    return nil
  end
  stream:close "now" -- or the program would wait for more
  if code ~= core.errno.EPIPE and code ~= core.errno.ECONNRESET then
    return { message, code }
  end
end

--- Runs a program to its end: its output is collected. Only a task can; it is
-- killed if that is canceled.
---@param given table As for @{process.start}; `stdout` and `stderr` are streams
-- by default.
---@param input? string What it reads; nothing by default.
---@return table? result `how` and `what` as for @{program:wait}, `core`, and
-- what it has written as `stdout` and `stderr`; nil if one is more than 16 MiB.
---@return string? message
---@return integer? code An errno value.
function process.run(given, input)
  local arguments, rest = options.split("run", given)
  for fd = 0, 2 do
    if rest[names[fd]] == nil then
      rest[names[fd]] = "stream"
    end
  end
  local program <close>, message, code = launch(arguments,
    options.deal("run", 1, rest, own, passed))
  if not program then
    return nil, message, code
  end
  local result, failure = {}, nil
  local function collect(scope, name)
    local text, why, number = program[name]:read "a"
    result[name] = text
    if not text then -- the program may wait for ever to write the rest
      failure = failure or { why, number }
      scope:cancel()
    end
  end
  core.scope(function(scope)
    for _, name in ipairs { "stdout", "stderr" } do
      if program[name] then
        scope:spawn(collect, scope, name)
      end
    end
    if program.stdin then
      local why = feed(program.stdin, input or "")
      failure = failure or why
    end
  end)
  if failure then
    return nil, table.unpack(failure)
  end
  result.how, result.what, result.core = program:wait()
  return result
end

return process
