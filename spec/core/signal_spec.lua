local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local loop = helper.loop

local SIGUSR1, SIGUSR2, EINVAL = 10, 12, 22

describe("signal", function()
  it("calls back for each delivery, with its name",
    loop(function(base, expect)
      local n = 0
      local signal
      signal = base:signal("USR1", expect(function(...)
        assert.same({ signal, "USR1" }, { ... })
        n = n + 1
        if n == 3 then
          signal:del()
        end
      end, 3))
      assert.is_nil(signal:pending())
      assert.is_true(signal:add())
      assert.is_true(signal:add())
      assert.equal("s", signal:pending())
      for _ = 1, 3 do
        posix.raise(SIGUSR1)
      end
    end))

  it("knows names and numbers", function()
    local base <close> = libevent.event_base()
    for name, number in pairs {
      INT = 2, SIGTERM = 15, HUP = 1, SIGUSR2 = SIGUSR2, CHLD = 17,
      RTMIN = 34, ["RTMIN+3"] = 37, ["SIGRTMIN+30"] = 64,
    } do
      local signal = base:signal(name, print)
      assert.equal(number, signal:number())
      assert.equal(name:gsub("^SIG", ""):gsub("^RTMIN$", "RTMIN+0"),
        signal:name())
      assert.equal(signal:name(), base:signal(number, print):name())
    end
    for _, bad in ipairs { "NOPE", "SIG", "int", "", "RTMIN+", "RTMIN+31",
      "RTMIN-1", "RTMIN+x" } do
      assert.error_matches(function()
        base:signal(bad, print)
      end, "unknown signal")
    end
  end)

  it("can be closed in its callback while more are queued",
    loop(function(base, expect)
      local signal = base:signal("USR1", expect(function(signal)
        signal:close()
        collectgarbage()
      end))
      signal:add()
      for _ = 1, 3 do
        posix.raise(SIGUSR1)
      end
    end))

  it("can add and delete itself and another in its callback",
    loop(function(base, expect)
      local second = base:signal("USR2", expect(function(signal)
        signal:del()
      end))
      local n = 0
      base:signal("USR1", expect(function(signal)
        n = n + 1
        signal:del()
        if n < 3 then
          assert.is_true(signal:add())
          posix.raise(SIGUSR1)
        else
          second:add()
          posix.raise(SIGUSR2)
        end
      end, 3)):add()
      posix.raise(SIGUSR1)
    end))

  it("belongs to one base of the process at a time", function()
    local one <close> = libevent.event_base()
    local two <close> = libevent.event_base()
    local got = {}
    local function watch(base, name)
      return base:signal(SIGUSR1, function(signal)
        got[#got + 1] = name
        signal:del()
      end)
    end
    local first, second = watch(one, "one"), watch(two, "two")
    assert.is_true(first:add())
    assert.error_matches(function()
      second:add()
    end, "signals are watched by another event_base")
    assert.is_nil(second:pending())
    first:del()
    assert.is_true(second:add())
    posix.raise(SIGUSR1)
    assert.equal("empty", two:loop())
    assert.is_true(first:add())
    posix.raise(SIGUSR1)
    assert.equal("empty", one:loop())
    assert.same({ "two", "one" }, got)
    assert.is_true(first:add())
    one:close()
    assert.is_true(second:add())
  end)

  it("gives the signal back when it is deleted", function()
    helper.prints("caught\n", [[
      local libevent, posix = require "libevent", require "spec.posix"
      local base = libevent.event_base()
      base:signal("TERM", function(signal)
        print "caught"
        signal:close()
      end):add()
      posix.raise(15)
      base:loop()
      local pid = posix.fork()
      if pid == 0 then
        posix.raise(15)
        posix.exit(0)
      end
      local how, number = posix.wait(pid)
      assert(how == "signal" and number == 15)
    ]])
  end)

  it("returns an error for one that cannot be caught", function()
    local base <close> = libevent.event_base()
    for _, name in ipairs { "KILL", "STOP" } do
      assert.same({ nil, "evsignal_add: Invalid argument", EINVAL },
        { base:signal(name, print):add() })
    end
    local other <close> = libevent.event_base()
    local signal = other:signal("USR1", print)
    assert.is_true(signal:add())
  end)

  it("refuses bad arguments", function()
    local base <close> = libevent.event_base()
    local signal = base:signal("USR1", print)
    helper.badargs(base.signal, base, "name, function", { "INT" })
    helper.badargs(signal.add, signal, "?none")
    helper.badargs(signal.setcb, signal, "function")
    for _, number in ipairs { 0, 65, -1, 1.5 } do
      assert.error_matches(function()
        base:signal(number, print)
      end, "bad argument #1 to 'signal'")
    end
  end)

  it("says what it is and replaces its callback", loop(function(base, expect)
    local signal = base:signal("USR1", expect(nil, 0))
    assert.matches("^libevent%.signal: 0x%x+ USR1 idle$", tostring(signal))
    signal:setcb(expect(function()
      assert.matches(" USR1 pending$", tostring(signal))
      signal:del()
    end))
    signal:add()
    posix.raise(SIGUSR1)
  end))

  it("survives a storm from another process", loop(function(base, expect)
    local me, got = posix.getpid(), 0
    local child
    base:signal("USR1", function()
      got = got + 1
    end):add()
    base:signal("CHLD", expect(function()
      assert.same({ "exit", 0 }, { posix.wait(child) })
      assert.is_true(got > 0)
      base:loopbreak()
    end)):add()
    child = posix.fork()
    if child == 0 then
      for _ = 1, 5000 do
        posix.kill(me, SIGUSR1)
      end
      posix.exit(0)
    end
    base:loop()
    base:close()
  end))
end)
