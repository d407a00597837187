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
