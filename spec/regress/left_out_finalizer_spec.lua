-- The collector cannot call a finalizer where a stack is at its end: it frees
-- the userdata all the same.

local helper = require "spec.helper"

--- `deep` calls a function from within n functions of C.
local deep = [[
  local function deep(n, fn)
    if n > 0 then
      string.gsub("x", "x", function() deep(n - 1, fn) end)
    else
      fn()
    end
  end
  local function collect()
    collectgarbage()
    collectgarbage()
  end
]]

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
  helper.prints("true\ttrue\n", deep .. prepare .. hinder .. go_on)
end

--- The collector calls the finalizers of what is younger than 400 others, or
-- than as many as `left` says, where it can, and of what is older where it
-- cannot.
local halves = [[
  local libevent = require "libevent"
  debug.sethook() -- nobody else is to collect
  collectgarbage "stop"
  collectgarbage("incremental", 100, 50, 3)
  local base = libevent.event_base()
  local called = 0
  local function fill(n)
    for _ = 1, n do
      setmetatable({}, { __gc = function()
        called = called + 1
      end })
    end
  end
  local function clean()
    for _ = 1, 4 do
      collectgarbage()
    end
  end
  local function halve(depth)
    called = 0
    repeat
      collectgarbage("step", 0)
    until called > 0
    pcall(deep, depth, function()
      for _ = 1, 60 do
        collectgarbage("step", 0)
      end
    end)
  end
]]

describe("an object whose finalizer Lua leaves out", function()
  it("at the end of the C stack is closed by its base", function()
    survives [[
      for n = 190, 200 do
        make()
        pcall(deep, n, collect)
      end
    ]]
  end)

  it("in a recursion that runs away is closed by its base", function()
    survives [[
      local found
      local function recurse()
        if not pcall(recurse) and not found then
          collect()
          found = true
        end
      end
      for _ = 1, 30 do
        make()
        found = false
        recurse()
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
    helper.prints("true\tend\n", deep .. [[
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
      for n = 185, 200 do
        make()
        pcall(deep, n, collect)
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

  it("may be a bufferevent whose view was found", function()
    helper.prints("end\n", deep .. halves .. [[
      local function make()
        local bev = base:bufferevent((libevent.socketpair()))
        fill(400)
        bev:input()
        bev:output()
      end
      for depth = 190, 200 do
        make()
        halve(depth)
        clean()
      end
      base:close()
      print "end"
    ]])
  end)

  it("may be an end of a pair whose other end was found", function()
    helper.prints("end\n", deep .. halves .. [[
      local function make(left)
        fill(400)
        local one = base:pair()
        fill(left)
        local meta, times = {}, 0
        function meta.__gc(self)
          times = times + 1
          if times < 4 then
            setmetatable(self, meta)
          end
          if times > 1 then
            pcall(one.write, one, "x")
            pcall(one.shutdown, one, "rw")
            pcall(one.partner, one)
          end
        end
        setmetatable({}, meta)
      end
      for depth = 194, 198 do
        for left = 1, 12 do
          make(left)
          halve(depth)
          clean()
        end
      end
      base:close()
      print "end"
    ]])
  end)

  it("may be a stream whose reader has lost its coroutine", function()
    helper.prints("canceled\n", deep .. [[
      local libevent, posix = require "libevent", require "spec.posix"
      debug.sethook() -- nobody else is to collect
      collectgarbage "stop"
      local base = libevent.event_base()
      local function begin(n)
        local co
        local mine, theirs = libevent.socketpair()
        local task = base:task(function(stream)
          co = coroutine.running()
          stream:readuntil(("delimiter"):rep(20) .. n, 1000, 0.01)
        end, base:stream(mine))
        base:loop "nowait"
        coroutine.close(co)
        return task, theirs
      end
      for n = 190, 200 do
        local task, theirs = begin(n)
        local writes = base:timer(function() -- the turn that gives up
          pcall(posix.write, theirs:fd(), ("delimit"):rep(50))
        end)
        local over = base:timer(function() end)
        writes:add(0)
        over:add(0.01)
        pcall(deep, n, collect)
        local junk = {}
        for i = 1, 2000 do
          junk[i] = ("A"):rep(200) .. i
        end
        repeat
          local _, left = over:pending()
        until left == 0
        while not task:is_done() do
          base:loop "once"
        end
        if n == 200 then
          print(task:status())
        end
      end
      base:close()
    ]])
  end)

  it("is closed with the Lua state where it belongs to no base", function()
    helper.prints("", deep .. [[
      local libevent = require "libevent"
      debug.sethook() -- nobody else is to collect
      collectgarbage "stop"
      for n = 185, 200 do
        libevent.socketpair()
        libevent.evbuffer "x"
        pcall(deep, n, collect)
      end
    ]])
  end)
end)
