local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

--- A regular file makes libevent complain in its log.
local function complain(base)
  local name = os.tmpname()
  local fd = posix.open(name)
  local event = base:event(fd, "r", print)
  assert.is_nil((event:add()))
  event:close()
  posix.close(fd)
  os.remove(name)
end

describe("after fork", function()
  it("a child may not use the base until it calls reinit", function()
    local base <close> = libevent.event_base()
    local timer = base:timer(function() end)
    local bev = base:pair()
    local input = bev:input()
    assert.same({ "exit", 0 }, { helper.child(function()
      for _, call in ipairs {
        function() timer:add(0) end,
        function() timer:pending() end,
        function() input:remove() end,
        function() input:add_cb(print) end,
        function() input:remove_cb(print) end,
        function() base:timer(print) end,
        function() base:loop() end,
        function() base:objects() end,
      } do
        assert.error_matches(call, "the parent's [%w_]+ after fork")
      end
      assert.is_true(base:reinit())
      timer:add(0)
      assert.equal("empty", base:loop())
    end) })
    timer:add(0)
    assert.equal("empty", base:loop())
  end)

  it("a child with reinit has the same pending", helper.loop(
    function(base, expect)
      local r, w = posix.pipe()
      local seen = {}
      local function note(what)
        return expect(function(object)
          seen[#seen + 1] = what
          object:close()
        end)
      end
      base:timer(note "timer"):add(0.05)
      base:event(r, "rp", note "event"):add()
      base:event(-1, "", note "timeout"):add(0.01)
      base:signal("USR1", note "signal"):add()
      posix.write(w, "x")
      assert.same({ "exit", 0 }, { helper.child(function()
        assert.is_true(base:reinit())
        posix.raise(10)
        assert.equal("empty", base:loop())
        assert.equal(4, #seen)
      end) })
      posix.raise(10)
      assert.equal("empty", base:loop())
      assert.equal(4, #seen)
      posix.close(r)
      posix.close(w)
    end))

  it("a child that closes, collects or ends leaves the parent alone",
    function()
      for _, finish in ipairs { "base:close()", "base, event = nil "
        .. "collectgarbage() collectgarbage()", "event:close()",
        "os.exit(0, true)" } do
        helper.prints("parent\ntick\ntick\n", ([[
          local libevent, posix = require "libevent", require "spec.posix"
          io.stdout:setvbuf "line"
          base = libevent.event_base()
          local r, w = posix.pipe()
          event = base:event(r, "rp", function(event)
            posix.read(r)
            print "parent"
            event:close()
          end)
          event:add()
          base:timer(function() print "tick" end):add(0.02)
          base:timer(function() print "tick" end):add(0.04)
          local pid = posix.fork()
          if pid == 0 then
            %s
            os.exit(0, true)
          end
          posix.wait(pid)
          posix.write(w, "x")
          base:loop()
        ]]):format(finish))
      end
    end)

  it("a child made in a callback may end or loop", function()
    helper.prints("child\nparent\n", [[
      local libevent, posix = require "libevent", require "spec.posix"
      io.stdout:setvbuf "line"
      local base = libevent.event_base()
      local r, w = posix.pipe()
      base:event(r, "r", function() print "parent" end):add()
      base:timer(function()
        local pid = posix.fork()
        if pid == 0 then os.exit(0, true) end
        posix.wait(pid)
        pid = posix.fork()
        if pid == 0 then
          assert(base:reinit())
          base:close()
          local own = libevent.event_base()
          own:timer(function() print "child" end):add(0)
          own:loop()
          os.exit(0, true)
        end
        posix.wait(pid)
        posix.write(w, "x")
      end):add(0)
      base:loop()
    ]])
  end)
end)

describe("libevent.set_log_callback", function()
  after_each(function()
    libevent.set_log_callback()
  end)

  it("gets libevent's lines while a loop runs", function()
    local base <close> = libevent.event_base()
    local lines = {}
    libevent.set_log_callback(function(severity, message)
      lines[#lines + 1] = severity .. ": " .. message
    end)
    complain(base)
    assert.same({}, lines)
    base:loop()
    assert.equal(1, #lines)
    assert.matches("^warn: .*Operation not permitted", lines[1])
    base:timer(function()
      complain(base)
    end):add(0)
    base:loop()
    assert.equal(2, #lines)
  end)

  it("drops the rest where the function itself takes itself away", function()
    local base <close> = libevent.event_base()
    local lines = 0
    libevent.set_log_callback(function()
      lines = lines + 1
      libevent.set_log_callback()
    end)
    complain(base)
    complain(base)
    base:loop()
    base:loop()
    assert.equal(1, lines)
  end)

  it("keeps the oldest lines and counts the lost ones", function()
    local base <close> = libevent.event_base()
    local lines = {}
    libevent.set_log_callback(function(_, message)
      lines[#lines + 1] = message
    end)
    for _ = 1, 100 do
      complain(base)
    end
    base:loop()
    assert.equal(64, #lines)
    assert.matches("after 36 lines that were lost", lines[1])
  end)

  it("drops lines without a function, and never prints", function()
    helper.prints("", [[
      local libevent, posix = require "libevent", require "spec.posix"
      local base = libevent.event_base()
      local name = os.tmpname()
      local event = base:event(posix.open(name), "r", print)
      assert(not event:add())
      base:loop()
      libevent.set_log_callback(print)
      base:loop()
      libevent.set_log_callback(nil)
      assert(not event:add())
      base:loop()
      os.remove(name)
    ]])
  end)

  it("reports an error in the function", function()
    local base <close> = libevent.event_base()
    libevent.set_log_callback(function()
      error("in log", 0)
    end)
    complain(base)
    assert.same({ false, "in log" }, { pcall(base.loop, base) })
    assert.equal("empty", base:loop())
  end)

  it("refuses what is no function", function()
    helper.badargs(function(_, ...)
      libevent.set_log_callback(...)
    end, nil, "?function")
  end)
end)

describe("libevent.ignore_sigpipe", function()
  it("is on after loading, and can be turned off", function()
    helper.prints("", [[
      local libevent, posix = require "libevent", require "spec.posix"
      assert(libevent.ignore_sigpipe() == true)
      local r, w = posix.pipe()
      posix.close(r)
      assert(not pcall(posix.write, w, "x"))
      assert(libevent.ignore_sigpipe(false) == false)
      local pid = posix.fork()
      if pid == 0 then
        posix.write(w, "x")
        posix.exit(0)
      end
      local how, number = posix.wait(pid)
      assert(how == "signal" and number == 13)
      assert(libevent.ignore_sigpipe(true))
    ]])
  end)

  it("refuses what is no boolean", function()
    helper.badargs(function(_, ...)
      libevent.ignore_sigpipe(...)
    end, nil, "?boolean")
    helper.badargs(function(_, ...)
      libevent.track(...)
    end, nil, "boolean")
  end)
end)

describe("libevent's debug mode", function()
  it("finds nothing wrong", function()
    helper.prints("tick\n", [[
      local libevent, posix = require "libevent", require "spec.posix"
      for _ = 1, 3 do
        local base = libevent.event_base { priorities = 2 }
        local r, w = posix.pipe()
        local event = base:event(r, "rp", print)
        event:priority_set(0)
        event:add(1)
        base:signal("USR1", print):add()
        base:timer(print):add(1)
        base:defer(function() base:loopbreak() end)
        base:loop()
        event:close()
        base:close()
        posix.close(r)
        posix.close(w)
      end
      local base = libevent.event_base()
      local event, message = base:event(io.popen "sleep 0", "r", print)
      assert(not event and message == "event: Invalid argument")
      base:timer(function() print "tick" end):add(0)
      base:loop()
    ]], "LIBEVENT_DEBUG_MODE=1")
  end)
end)
