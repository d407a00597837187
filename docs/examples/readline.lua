#!/usr/bin/env evrun
-- What the manual shows of the line editor. The tests have no terminal: they
-- answer each question with a line.

local libevent = require "libevent"
local readline = require "libevent.readline"

local function nothing() -- for the key TAB
  return {}
end

local function ask(prompt) -- other tasks go on meanwhile
  readline.prompt(prompt)
  local line
  repeat
    libevent.wait(0, "r")
    line = readline.feed()
  until line ~= nil
  return line
end

--- readline.start
do
  readline.start(function(_, word)
    local found = {}
    for _, name in ipairs { "yes", "yesterday", "no" } do
      if name:sub(1, #word) == word then
        found[#found + 1] = name
      end
    end
    return found
  end)
  print(ask "When? ") --> y
  readline.stop()
end

--- readline.prompt
do
  readline.start(nothing)
  readline.prompt "Go on? "
  libevent.wait(0, "r")
  print(readline.feed()) --> y
  readline.stop()
end

--- readline.feed
do
  readline.start(nothing)
  readline.prompt "Delete it? "
  local line
  repeat
    libevent.wait(0, "r")
    line = readline.feed() -- false is Ctrl-D
  until line ~= nil
  print(line == "y" and "deleted" or "kept") --> deleted
  readline.stop()
end

--- readline.hide
do
  readline.start(nothing)
  local news = libevent.after(0, function()
    readline.hide()
    io.stderr:write "somebody has come in\n"
    readline.show()
  end)
  ask "> "
  news:del()
  readline.stop()
end

--- readline.show
do
  readline.start(nothing)
  readline.prompt "> "
  readline.hide()
  io.stderr:write "one moment\n"
  readline.show() -- with what has been typed already
  readline.stop()
end

--- readline.forget
do
  readline.start(nothing)
  local interrupts = libevent.signal("INT", function()
    readline.forget() -- Ctrl-C drops the line, and does not end the program
    readline.prompt "> "
  end)
  ask "> "
  interrupts:close()
  readline.stop()
end

--- readline.resize
do
  readline.start(nothing)
  local resizes = libevent.signal("WINCH", readline.resize)
  ask "> "
  resizes:close()
  readline.stop()
end

--- readline.raise
do
  readline.start(nothing)
  local stops <close> = libevent.base():signal("TSTP", function(signal)
    readline.raise(signal:number()) -- Ctrl-Z stops the program, fg goes on
  end)
  stops:add()
  ask "> "
  readline.stop()
end

--- readline.stop
do
  readline.start(nothing)
  local name = ask "What is your name? "
  readline.stop() -- the terminal is as it was before
  print("hello, " .. name) --> hello, y
end

--- readline.history
do
  local file = os.tmpname()
  readline.start(nothing)
  assert(readline.history(file, 1000))
  readline.add(ask "> ") -- the arrow keys bring it back, tomorrow too
  readline.stop()
  local saved <close> = io.open(file)
  print(saved:read "l") --> y
  os.remove(file)
end

--- readline.add
do
  readline.start(nothing)
  for _ = 1, 2 do
    local line = ask "> "
    if line and line ~= "" then
      readline.add(line)
    end
  end
  readline.stop()
end
