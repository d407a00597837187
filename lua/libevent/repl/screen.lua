--- What the process writes while a line is typed: the line makes room for it,
-- and is there again when the loop goes on.

local core = require "libevent.core"

--- Made by `screen.open`; its methods show the line.
---@class libevent.screen
local Screen = {}
Screen.__index = Screen

local screen = {}

--- What files have in common.
local files = getmetatable(io.stdout).__index

local write = files.write

--- Notes what is about to be written to the terminal: hides the line until the
-- end of the turn, and remembers whether the text ends within a line.
local function make_room(self, ...)
  if self.prompting and not self.hidden and not self.base:is_closed() then
    self.hidden = true
    pcall(self.editor.hide) -- it cannot while it completes
    self.base:defer(function()
      self:show()
    end)
  end
  for i = select("#", ...), 1, -1 do
    local text = select(i, ...)
    if text ~= "" then
      self.ragged = type(text) ~= "string" or text:sub(-1) ~= "\n"
      return
    end
  end
end

--- Functions that write, and what stands in their place.
local function wrapped(self)
  local print, warn, io_write = _G.print, _G.warn, io.write
  return {
    { files, "write", function(file, ...)
      if self.terminals[file] then
        make_room(self, ...)
      end
      return write(file, ...)
    end },
    { io, "write", function(...)
      if self.terminals[io.output()] then
        make_room(self, ...)
      end
      return io_write(...)
    end },
    { _G, "print", function(...)
      make_room(self, "\n")
      return print(...)
    end },
    { _G, "warn", function(...)
      if self.terminals[io.stderr] then
        make_room(self, "\n")
      end
      return warn(...)
    end },
  }
end

--- Takes the functions that write to the terminal, until it is closed.
---@param base libevent.event_base
---@param editor table The module `libevent.readline`, started.
---@return libevent.screen screen
function screen.open(base, editor)
  local self = setmetatable({ base = base, editor = editor, terminals = {},
    restored = {} }, Screen)
  for _, file in ipairs { io.stdout, io.stderr } do
    self.terminals[file] = core.isatty(file) or nil
  end
  for i, one in ipairs(wrapped(self)) do
    local owner, name, fn = table.unpack(one)
    self.restored[i] = { owner, name, fn, rawget(owner, name) }
    rawset(owner, name, fn)
  end
  return self
end

--- Puts the functions back, but for those that a script has replaced.
function Screen:close()
  self.prompting, self.hidden = false, false
  for _, one in ipairs(self.restored) do
    local owner, name, fn, before = table.unpack(one)
    if rawget(owner, name) == fn then
      rawset(owner, name, before)
    end
  end
end

--- Ends the line that the last text has left open.
function Screen:newline()
  if self.ragged then
    self.ragged = false
    write(io.stdout, "\n")
  end
end

--- Begins a line.
---@param text string Its prompt.
function Screen:prompt(text)
  self:newline()
  self.editor.prompt(text)
  self.prompting, self.hidden = true, false
end

--- Shows the line that a text has hidden.
function Screen:show()
  if self.hidden then
    self.hidden = false
    self:newline()
    self.editor.show()
  end
end

--- The line has ended.
function Screen:finish()
  self.prompting, self.hidden = false, false
end

return screen
