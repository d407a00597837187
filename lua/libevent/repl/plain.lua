--- Lines of standard input as they come, without editing.

local core = require "libevent.core"

--- Reads lines. Made by `plain.open`.
---@class libevent.plain
local Plain = {}
Plain.__index = Plain

local plain = {}

--- Takes standard input.
---@param session libevent.session
---@param interactive boolean Whether prompts are shown.
---@return libevent.plain plain
function plain.open(session, interactive)
  io.stdin:setvbuf "no"
  return setmetatable({
    session = session,
    interactive = interactive,
    input = session.base:event(io.stdin, "r"),
  }, Plain)
end

--- Lets standard input go.
function Plain:close()
  if self.input then
    self.input:close()
  end
end

Plain.__close = Plain.close

local function prompt(self, more)
  if self.interactive then
    self.session.write(more and ">> " or "> ")
  end
end

--- Waits for the next byte. Files cannot be watched, nor can, in libevent's
-- debug mode, what blocks.
local function next_byte(self)
  if self.input then
    local _, _, code = self.input:wait()
    if code and code ~= core.errno.EPERM then
      return nil
    end
  end
  return io.stdin:read(1)
end

--- Returns the next line, or nil at the end of the input; reads no byte behind
-- it, which is somebody else's. Only a task can.
---@param more boolean Whether it continues an input.
---@return string? line
function Plain:read(more)
  prompt(self, more)
  local bytes = {}
  while true do
    local byte = next_byte(self)
    if not byte or byte == "\n" then
      return (byte or #bytes > 0) and table.concat(bytes) or nil
    end
    bytes[#bytes + 1] = byte
  end
end

--- Begins again; the terminal has forgotten what was typed.
function Plain:forget()
  if self.interactive then
    self.session.write "\n"
    prompt(self, false)
  end
end

return plain
