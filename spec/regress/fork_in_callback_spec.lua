local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local SIGTERM = 15

describe("a child forked in a callback", function()
  it("does not go on with the loop of its parent", function()
    helper.prints("child\nwrote\ngot\ntimer\n", [[
      local libevent, posix = require "libevent", require "spec.posix"
      io.stdout:setvbuf "line"
      local base = libevent.event_base()
      local r, w = posix.pipe()
      base:event(r, "r", function() print "got" end):add()
      base:timer(function() print "timer" end):add(0.1)
      local child
      base:timer(function()
        child = posix.fork()
        if child ~= 0 then
          posix.wait(child)
          base:timer(function()
            print "wrote"
            posix.write(w, "x")
          end):add(0.03)
        end
      end):add(0)
      base:defer(function() end)
      local ok, err = pcall(base.loop, base)
      if child == 0 then
        assert(not ok and err:find "forked in a callback", err)
        print "child"
        os.exit(0, true)
      end
      assert(ok, err)
    ]])
  end)

  it("may go on with it after reinit", helper.loop(function(base)
    local r, w = posix.pipe()
    local child
    base:timer(function()
      child = posix.fork()
      if child == 0 then
        base:reinit()
        base:timer(function()
          posix.write(w, "child")
          posix.exit(0)
        end):add(0.001)
      else
        posix.wait(child)
      end
    end):add(0)
    base:loop()
    assert.equal("child", posix.read(r))
    posix.close(r)
    posix.close(w)
  end))
end)

describe("the signals of a child", function()
  it("do not reach its parent", helper.loop(function(base, expect)
    local signal = base:signal("TERM", expect(nil, 0))
    signal:add()
    local r, w = posix.pipe()
    local child = posix.fork()
    if child == 0 then
      posix.write(w, "ready")
      posix.spin(10)
      posix.exit(0)
    end
    base:event(r, "r", expect(function()
      posix.kill(child, SIGTERM)
      assert.same({ "signal", SIGTERM }, { posix.wait(child) })
    end)):add()
    base:timer(expect(function()
      signal:close()
      posix.close(r)
      posix.close(w)
    end)):add(0.1)
  end))

  it("can be watched by a base of its own", function()
    local base <close> = libevent.event_base()
    local signal = base:signal("TERM", print)
    signal:add()
    assert.same({ "exit", 0 }, { helper.child(function()
      local own = libevent.event_base()
      local got
      assert(own:signal("TERM", function(watch)
        got = true
        watch:del()
      end):add())
      posix.raise(SIGTERM)
      assert.equal("empty", own:loop())
      assert.is_true(got)
      local ok, message = base:reinit()
      assert.is_true(ok, message)
    end) })
    assert.equal("s", signal:pending())
  end)
end)

describe("a child that cannot have the base", function()
  --- A base of its own that watches signals keeps it from having the other.
  local start = [[
    local libevent, posix = require "libevent", require "spec.posix"
    io.stdout:setvbuf "line"
    local base = libevent.event_base()
    local r, w = posix.pipe()
    base:signal("USR1", print):add()
    local function occupy()
      local own = libevent.event_base()
      local signal = own:signal("USR2", print)
      signal:add()
      return signal
    end
  ]]

  it("can close what is pending, and have the base later", function()
    helper.prints("", start .. [[
      local event = base:event(r, "rp", print)
      event:add()
      local child = posix.fork()
      if child == 0 then
        local signal = occupy()
        event:close()
        event = nil
        collectgarbage()
        collectgarbage()
        signal:close()
        assert(base:reinit())
        posix.write(w, "x")
        base:timer(function() base:close() end):add(0.01)
        base:loop()
        posix.exit(0)
      end
      local how, number = posix.wait(child)
      assert(how == "exit" and number == 0)
    ]])
  end)

  it("can close what only a task has made watched", function()
    helper.prints("", start .. [[
      local one, other = libevent.socketpair()
      local stream, udp = base:stream(one), base:udp("127.0.0.1:0")
      local name = udp:getsockname()
      libevent.run(base, function()
        assert(not stream:read(1, 0.01))
        assert(not udp:recvfrom(0.01))
        base:loopbreak()
      end)
      local child = posix.fork()
      if child == 0 then
        local signal = occupy()
        stream:close()
        stream, udp = nil, nil
        collectgarbage()
        collectgarbage()
        signal:close()
        assert(base:reinit())
        posix.write(other:fd(), "x")
        local own = base:udp()
        own:sendto("x", name)
        own:close()
        base:timer(function() base:close() end):add(0.01)
        base:loop()
        posix.exit(0)
      end
      local how, number = posix.wait(child)
      assert(how == "exit" and number == 0)
    ]])
  end)

  it("has the descriptors of what it closed until then", function()
    helper.prints("", start .. [[
      local helper = require "spec.helper"
      local stream = base:stream((libevent.socketpair()))
      libevent.run(base, function()
        assert(not stream:read(1, 0.01))
        base:loopbreak()
      end)
      local child = posix.fork()
      if child == 0 then
        collectgarbage()
        local signal, before = occupy(), helper.descriptors()
        stream:close()
        assert(helper.descriptors() == before)
        signal:close()
        collectgarbage()
        before = helper.descriptors()
        assert(base:reinit())
        assert(helper.descriptors() == before - 1)
        posix.exit(0)
      end
      local how, number = posix.wait(child)
      assert(how == "exit" and number == 0)
    ]])
  end)

  it("can close it in a callback", function()
    helper.prints("parent\n", start .. [[
      local events, child, own = {}, nil, nil
      base:event(-1, "", function()
        child = posix.fork()
        if child == 0 then
          own = occupy()
          base:close()
          events = nil
          collectgarbage()
          collectgarbage()
        end
      end):active()
      for i = 1, 5 do
        events[i] = base:event(-1, "", function()
          assert(child ~= 0)
        end)
        events[i]:active()
      end
      base:timer(function()
        print "parent"
        base:close()
      end):add(0.05)
      local why = base:loop()
      assert(why == "break")
      if child == 0 then
        posix.exit(0)
      end
      local how, number = posix.wait(child)
      assert(how == "exit" and number == 0)
    ]])
  end)
end)

describe("a child that collects what is idle", function()
  it("does not take the base for itself", helper.loop(function(base, expect)
    local idle = { base:event(-1, "", print) }
    assert.is_nil(idle[1]:pending())
    local child
    base:timer(function()
      child = posix.fork()
      if child == 0 then
        idle[1] = nil
        collectgarbage()
        collectgarbage()
      end
    end):add(0)
    base:timer(expect()):add(0.02)
    local ok, message = pcall(base.loop, base)
    if child == 0 then
      posix.exit(not ok and message:find "forked in a callback" and 0 or 1)
    end
    assert.same({ "exit", 0 }, { posix.wait(child) })
    assert.is_true(ok)
  end))

  it("has a loop that does not end with its parent's turn", function()
    helper.prints("timer\nempty\n", [[
      local libevent, posix = require "libevent", require "spec.posix"
      local base = libevent.event_base()
      local child
      local one = base:event(-1, "", function() end)
      local two = base:event(-1, "", function() child = posix.fork() end)
      one:active()
      two:active()
      local ok = pcall(base.loop, base, "once")
      if child == 0 then
        assert(not ok and base:reinit())
        base:timer(function() print "timer" end):add(0.01)
        print(base:loop())
        posix.exit(0)
      end
      posix.wait(child)
    ]])
  end)
end)

describe("a child without descriptors", function()
  it("gets an error from reinit, and can close", function()
    helper.prints("child\nparent\n", [[
      local libevent, posix = require "libevent", require "spec.posix"
      io.stdout:setvbuf "line"
      local base = libevent.event_base()
      local r, w = posix.pipe()
      base:signal("USR1", function(signal) signal:del() end):add()
      base:event(r, "r", function() print "parent" end):add()
      base:timer(function() posix.raise(10) end):add(0.01)
      local child = posix.fork()
      if child == 0 then
        posix.nofile(4)
        local ok, message, code = base:reinit()
        assert(not ok and code == 24, message)
        base:close()
        collectgarbage()
        print "child"
        posix.exit(0)
      end
      posix.wait(child)
      posix.write(w, "x")
      base:loop()
    ]])
  end)
end)
