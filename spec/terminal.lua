--- Programs on a terminal of their own: a spec types, and waits for what they
-- write.

local assert = require "luassert"
local posix = require "spec.posix"
local program = require "spec.program"
local pty = require "spec.pty"

local terminal = {}

--- Seconds that a text may take to come.
local patience = 20

--- The collector of the programs, where specs are stressed.
local stress = os.getenv "LIBEVENT_STRESS"
local collector = stress and ("LUA_INIT='collectgarbage(\"%s\", 1, 1000)'")
  :format(stress) or ""

---@class spec.terminal
local Terminal = {}
Terminal.__index = Terminal

local lua = require "spec.interpreter".lua

--- Starts a command of the shell, in which `evrun` is the command of this tree;
-- it must not use up its input. The shell goes on for a while, as the end of a
-- session throws away what was not read.
---@param command? string
---@param environment? string Variables, such as `TERM=dumb`.
function terminal.start(command, environment)
  local self = setmetatable({ text = "" }, Terminal)
  self.fd, self.pid = pty.spawn { "/bin/sh", "-c", ([[
    trap : INT QUIT
    unset LIBEVENT_DEBUG_MODE # in which libevent watches no terminal
    export TERM=xterm INPUTRC=/dev/null %s %s
    evrun() { %s lua/evrun "$@"; }
    %s
    echo "<$?>"
    read end]]):format(collector, environment or "XDG_STATE_HOME=/dev/null",
    lua, command or "evrun") }
  return self
end

--- What one reads: neither colors nor movements of the cursor.
local function plain(text)
  return (text:gsub("\27%[[%d;?]*%a", ""):gsub("\r+\n", "\n"):gsub("\r", ""))
end

--- Types.
function Terminal:type(text)
  posix.write(self.fd, text)
end

--- Waits for a pattern in what has come since the last one; returns what stood
-- before it, and its captures.
function Terminal:expect(pattern)
  local deadline = os.time() + patience
  while true do
    local text = plain(self.text)
    local first, last = text:find(pattern)
    if first then
      self.text = text:sub(last + 1)
      return text:sub(1, first - 1), text:match(pattern)
    end
    local more = os.time() < deadline and pty.read(self.fd, 1000 * patience)
    if not more then
      error(("no '%s' in %q"):format(pattern, text), 2)
    end
    self.text = self.text .. more
  end
end

--- Types a line at a prompt, and waits for the next prompt; returns what came
-- between.
function Terminal:line(text)
  self:type(text .. "\r")
  self:expect "\n"
  return (self:expect "\n?>>? $")
end

--- Gives the terminal a size.
function Terminal:resize(rows, columns)
  pty.resize(self.fd, rows, columns)
end

--- Whether it is in its usual mode.
function Terminal:usual()
  return pty.usual(self.fd)
end

--- Takes the terminal away.
function Terminal:hang_up()
  posix.close(self.fd)
  self.fd = nil
end

--- The process of the program.
function Terminal:child()
  return program.child(self.pid)
end

--- Waits for the end of the command, which must be a good one; returns what was
-- written last.
function Terminal:finish()
  local text, status = self:expect "<(%d+)>\n"
  assert.equal("0", status, text)
  return text
end

--- Ends what is left.
function Terminal:close()
  if self.pid then
    posix.kill(self.pid, 9)
    posix.wait(self.pid)
  end
  if self.fd then
    posix.close(self.fd)
  end
end

Terminal.__close = Terminal.close

return terminal
