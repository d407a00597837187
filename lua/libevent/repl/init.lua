--- What is typed on the terminal of the process, while its loop goes on.

local core = require "libevent.core"
local session = require "libevent.repl.session"
local task = require "libevent.task"

local repl = {}

--- Lets Ctrl-C stop the input that runs, or forget the line.
local function watch_interrupts(self, lines)
  local signal = self.base:signal("INT", function()
    if not self:interrupt() then
      lines:forget()
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

--- Where lines come from: a terminal, and edited where readline is there.
local function source(self, interactive)
  local edited = interactive and pcall(require, "libevent.readline")
    and require "libevent.repl.terminal".open(self)
  return edited or require "libevent.repl.plain".open(self, interactive)
end

--- Reads lines and runs them, one after the other.
local function converse(self, lines)
  local more = false
  while more ~= nil do
    local line = lines:read(more)
    if not line then
      break
    end
    more = self:feed(line)
  end
end

--- Whether an error is that of Ctrl-C.
local function is_interrupted(err)
  return type(err) == "string" and err:find "interrupted$" ~= nil
end

--- Reads what is typed, and runs it, until the end of the input. Only a task
-- can.
---@param greeting string What is said first on a terminal.
---@param remote? table What takes the lines instead of a session here: with
-- `base`, `feed`, `complete`, `interrupt` and `write`, as a session has them.
---@return boolean interactive Whether it was a terminal.
function repl.run(greeting, remote)
  local interactive = core.isatty(io.stdin) and core.isatty(io.stdout)
  local self = remote or session.new(task.base(), print_out)
  if interactive then
    self.write(greeting .. ", :help for help\n")
  end
  local lines <close> = source(self, interactive)
  local _ <close> = watch_interrupts(self, lines)
  local ok, err
  repeat -- one that comes too fast may hit neither an input nor a wait
    ok, err = core.pcall(converse, self, lines)
    if not ok and not is_interrupted(err) then
      error(err, 0)
    end
  until ok
  if not remote and self:is_begun() then -- it may be a file that was cut
    self.write "the last input has no end, and was not run\n"
  end
  return interactive
end

return repl
