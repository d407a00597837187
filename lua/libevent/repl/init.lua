--- What is typed on the terminal of the process, while its loop goes on.

local core = require "libevent.core"
local session = require "libevent.repl.session"
local task = require "libevent.task"

local repl = {}

--- Reads lines from standard input without stopping the loop: a byte when there
-- is one, so that nothing that follows is swallowed.
---@param base libevent.event_base
---@return fun(): string? next Waits for a line; nil at the end of the input.
function repl.lines(base)
  io.stdin:setvbuf "no"
  local event = base:event(io.stdin, "r") -- files cannot be watched
  return function()
    local bytes = {}
    while true do
      local _, _, code = event:wait()
      if code and code ~= core.errno.EPERM then
        return nil
      end
      local byte = io.stdin:read(1)
      if not byte or byte == "\n" then
        return (byte or #bytes > 0) and table.concat(bytes) or nil
      end
      bytes[#bytes + 1] = byte
    end
  end
end

--- Feeds lines to a session until it is over.
---@param self libevent.session
---@param next_line fun(more: boolean): string?
function repl.loop(self, next_line)
  local more = false
  while more ~= nil do
    local line = next_line(more)
    if not line then
      return
    end
    more = self:feed(line)
  end
end

--- Lets Ctrl-C stop the input that runs, or forget the line.
local function watch_interrupts(base, self, forget)
  local signal = base:signal("INT", function()
    if not self:interrupt() then
      forget()
    end
  end)
  signal:background()
  if signal:add() then
    signal:interrupts()
  end
  return signal
end

local function print_out(text)
  io.stdout:write(text)
  io.stdout:flush()
end

--- Reads what is typed, and runs it, until the end of the input. Only a task
-- can.
---@param greeting string What is said first on a terminal.
---@param remote? table What takes the lines instead of a session here: with
-- `feed`, `complete`, `interrupt` and `write`, as a session has them.
function repl.run(greeting, remote)
  local base = task.base()
  local interactive = core.isatty(io.stdin) and core.isatty(io.stdout)
  local found, terminal = false, nil
  if interactive then
    found, terminal = pcall(require, "libevent.repl.terminal")
  end
  local self = remote or session.new(base, print_out)
  if interactive then
    self.write(greeting .. ", :help for help\n")
  end
  if found then
    return terminal.run(self)
  end
  local lines = repl.lines(base)
  local _ <close> = watch_interrupts(base, self, function() end)
  repl.loop(self, function(more)
    if interactive then
      self.write(more and ">> " or "> ")
    end
    return lines()
  end)
end

return repl
