--- Lines that are typed on a terminal, and edited there.

local complete = require "libevent.repl.complete"
local editor = require "libevent.readline"
local screen = require "libevent.repl.screen"

--- Reads lines. Made by `terminal.open`.
---@class libevent.terminal
local Terminal = {}
Terminal.__index = Terminal

local terminal = {}

--- Lines that are kept for later sessions.
local most = 1000

--- The file of those lines; nil where the user has no home.
local function history_file()
  local state, home = os.getenv "XDG_STATE_HOME", os.getenv "HOME"
  if state and state:find "^/" then
    return state .. "/evrun/history"
  end
  return home and home ~= "" and home .. "/.local/state/evrun/history"
end

--- What the last word of a text may become, in place of the word that readline
-- sees, which may be longer.
local function completer(session)
  return function(text, word)
    local words, typed = session:complete(text), complete.word(text) or ""
    local head = word:sub(1, math.max(0, #word - #typed))
    for i, name in ipairs(words) do
      words[i] = head .. name
    end
    return words
  end
end

--- Makes what watches a signal; while it is not added, the signal does what it
-- does by default.
local function watch(self, name, callback)
  local signal = self.base:signal(name, callback)
  signal:background()
  self.signals[#self.signals + 1] = signal
  return signal
end

local function watch_signals(self)
  watch(self, "WINCH", function()
    editor.resize()
  end):add()
  self.hang_up = self.base:signal("HUP", function()
    self.over = true
    self.session:interrupt()
    self.input:active "r" -- nothing more may come
  end)
  self.hang_up:background()
  self.hang_up:add()
  for _, name in ipairs { "TSTP", "QUIT" } do
    table.insert(self.typing, watch(self, name, function(signal)
      self.screen:show()
      editor.raise(signal:number())
    end))
  end
end

--- Takes the terminal of the process.
---@param session libevent.session
---@return libevent.terminal? terminal Nil where it cannot be watched.
function terminal.open(session)
  local base = session.base
  local input = base:event(io.stdin, "r")
  if not input then
    return nil
  end
  io.stdin:setvbuf "no" -- what an input reads is no more than it wants
  local self = setmetatable({ base = base, session = session, signals = {},
    typing = {}, input = input }, Terminal)
  editor.start(completer(session))
  self.screen = screen.open(base, editor)
  local ok, err = pcall(watch_signals, self)
  if not ok then
    self:close()
    error(err, 0)
  end
  local file = history_file()
  if file then
    editor.history(file, most)
  end
  return self
end

--- Gives the terminal back.
function Terminal:close()
  self.screen:close()
  editor.stop()
  self.input:close()
  for _, signal in ipairs(self.signals) do
    signal:close()
  end
  if self.hang_up and not self.over then
    self.hang_up:close() -- else a shell that ends, too, sends another one
  end
end

Terminal.__close = Terminal.close

local function prompt(self, more)
  self.screen:prompt(more and ">> " or "> ")
end

--- Waits until a line is typed; nil at the end of the input.
local function read(self)
  while not self.over do
    if not self.input:wait() or self.over then
      return nil
    end
    self.screen:show()
    local line, gone = editor.feed()
    self.over = self.over or gone
    if line ~= nil then
      return line or nil
    end
  end
end

--- Returns the next line that is typed, or nil at the end of the input. Only a
-- task can.
---@param more boolean Whether it continues an input.
---@return string? line
function Terminal:read(more)
  prompt(self, more)
  for _, signal in ipairs(self.typing) do
    signal:add()
  end
  local line = read(self)
  for _, signal in ipairs(self.typing) do
    signal:del()
  end
  self.screen:finish()
  if not line then
    io.stdout:write "\n"
  elseif line:find "%S" then
    editor.add(line)
  end
  return line
end

--- Forgets what is typed.
function Terminal:forget()
  if self.screen.prompting then
    self.screen:show()
    editor.forget()
    prompt(self, false)
  end
end

return terminal
