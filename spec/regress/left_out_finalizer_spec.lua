-- The collector cannot call a finalizer where a stack is at its end: it frees
-- the userdata all the same.

local helper = require "spec.helper"

--- `make` makes objects of each kind that nothing holds, and streams whose
-- input is watched still.
local prepare = [[
  local libevent, posix = require "libevent", require "spec.posix"
  local objects = require "spec.objects"
  debug.sethook() -- nobody else is to collect
  collectgarbage "stop"
  local base = libevent.event_base()
  local peers = {}
  local function make()
    for _, new in pairs(objects.idle) do
      new(base, print)
    end
    local mine, theirs = libevent.socketpair()
    local task = base:task(function(stream)
      stream:read(1)
    end, base:stream(mine))
    posix.write(theirs:fd(), "x")
    while not task:is_done() do
      base:loop "once"
    end
    peers[#peers + 1] = theirs
  end
  local function count()
    local n = 0
    for _, of_type in pairs(base:num_objects()) do
      n = n + of_type
    end
    return n
  end
]]

--- Uses the memory that userdata may have stood in, and then all that may still
-- point there.
local go_on = [[
  collectgarbage()
  collectgarbage()
  local left = count()
  local junk = {}
  for i = 1, 20000 do
    junk[i] = ("A"):rep(16 + i % 500) .. i
  end
  for _, peer in ipairs(peers) do
    pcall(posix.write, peer:fd(), "more")
  end
  base:loop "nowait"
  collectgarbage()
  print(left > 0, #base:objects() >= left)
  base:close()
  collectgarbage()
]]

local function survives(hinder)
  helper.prints("true\ttrue\n", prepare .. hinder .. go_on)
end

describe("an object whose finalizer Lua leaves out", function()
  it("at the end of the C stack is closed by its base", function()
    survives [[
      local function deep(n)
        if n > 0 then
          string.gsub("x", "x", function() deep(n - 1) end)
        else
          collectgarbage()
          collectgarbage()
        end
      end
      for n = 190, 200 do
        make()
        pcall(deep, n)
      end
    ]]
  end)

  it("in a recursion that runs away is closed by its base", function()
    survives [[
      local function recurse()
        make()
        return pcall(recurse)
      end
      for _ = 1, 30 do
        pcall(recurse)
        collectgarbage()
      end
    ]]
  end)

  it("at the end of the Lua stack is closed by its base", function()
    survives [[
      local function fill(...)
        for _ = 1, 3000 do
          local _ = {}
        end
      end
      collectgarbage("incremental", 100, 1000)
      for n = 999990, 999900, -5 do
        collectgarbage "stop"
        make()
        collectgarbage "restart"
        pcall(function() fill(table.unpack({}, 1, n)) end)
      end
    ]]
  end)

  it("may be a task that waits for what is of no base, or another", function()
    helper.prints("true\tend\n", [[
      local libevent = require "libevent"
      debug.sethook() -- nobody else is to collect
      collectgarbage "stop"
      local main = libevent.event_base()
      local conditions, others = {}, {}
      local function make()
        local base = libevent.event_base()
        local idle, held = libevent.condition(), libevent.condition()
        local other = main:task(function()
          libevent.sleep(0.01)
        end)
        base:task(function()
          idle:wait()
        end)
        held:hold(base:task(function()
          other:wait()
        end))
        conditions[#conditions + 1] = idle
        conditions[#conditions + 1] = held
        others[#others + 1] = other
        base:loop "nowait"
      end
      local function deep(n)
        if n > 0 then
          string.gsub("x", "x", function() deep(n - 1) end)
        else
          collectgarbage()
          collectgarbage()
        end
      end
      for n = 185, 200 do
        make()
        pcall(deep, n)
      end
      collectgarbage()
      collectgarbage()
      local junk = {}
      for i = 1, 20000 do
        junk[i] = ("A"):rep(16 + i % 500) .. i
      end
      local woken = 0
      for _, condition in ipairs(conditions) do
        woken = woken + condition:signal()
        condition:unhold()
      end
      main:loop()
      print(woken > 0, "end")
      os.exit(0, false) -- a base that is left so leaks
    ]])
  end)

  it("is closed with the Lua state where it belongs to no base", function()
    helper.prints("", [[
      local libevent = require "libevent"
      debug.sethook() -- nobody else is to collect
      collectgarbage "stop"
      local function deep(n)
        if n > 0 then
          string.gsub("x", "x", function() deep(n - 1) end)
        else
          collectgarbage()
          collectgarbage()
        end
      end
      for n = 185, 200 do
        libevent.socketpair()
        libevent.evbuffer "x"
        pcall(deep, n)
      end
    ]])
  end)
end)
