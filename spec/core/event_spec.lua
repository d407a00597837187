local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local loop = helper.loop

local EBADF, EPERM, EBUSY = 9, 1, 16

--- Like loop, with the two ends of a pipe.
local function piped(fn, options)
  return loop(function(base, expect)
    local r, w = posix.pipe()
    local guard <close> = setmetatable({}, { -- luacheck: ignore
      __close = function()
        posix.close(r)
        posix.close(w)
      end,
    })
    fn(base, expect, r, w)
    base:loop()
  end, options)
end

describe("event", function()
  it("calls back when a descriptor is readable, once",
    piped(function(base, expect, r, w)
      local event
      event = base:event(r, "r", expect(function(...)
        assert.same({ event, "r" }, { ... })
        assert.is_nil(event:pending())
      end))
      assert.is_true(event:add())
      assert.equal("r", (event:pending()))
      posix.write(w, "x")
    end))

  it("calls back again and again when it persists",
    piped(function(base, expect, r, w)
      local n = 0
      base:event(w, "wp", expect(function(event, what)
        assert.equal("w", what)
        n = n + 1
        if n == 3 then
          event:del()
        end
      end, 3)):add()
      assert.is_number(r)
    end))

  it("can be added again in its callback", piped(function(base, expect, r, w)
    posix.write(w, "xyz")
    local n = 0
    base:event(r, "r", expect(function(event)
      n = n + 1
      if n < 3 then
        assert.is_true(event:add())
      end
    end, 3)):add()
  end))

  it("tells of a timeout", piped(function(base, expect, r)
    base:event(r, "r", expect(function(event, what)
      assert.equal("t", what)
      assert.is_nil(event:pending())
    end)):add(0.001)
    local n = 0
    base:event(r, "rp", expect(function(event, what)
      assert.equal("t", what)
      n = n + 1
      if n == 3 then
        event:close()
      end
    end, 3)):add(0.005)
  end))

  it("tells what is left of its timeout", piped(function(base, expect, r)
    local event = base:event(r, "r", expect(nil, 0))
    event:add(10)
    local what, left = event:pending()
    assert.equal("rt", what)
    assert.is_true(left > 9 and left < 10.1)
    assert.is_true(event:remove_timer())
    assert.same({ "r" }, { event:pending() })
    assert.is_true(event:del())
    assert.is_nil(event:pending())
    event:add(0.5)
    event:add() -- keeps the timeout
    assert.equal("rt", (event:pending()))
    event:del()
  end))

  it("is a timeout alone without a descriptor", loop(function(base, expect)
    local event = base:event(-1, "", expect(function(_, what)
      assert.equal("t", what)
    end))
    assert.equal(-1, event:fd())
    assert.is_true(event:add())
    assert.is_nil(event:pending()) -- nothing to wait for
    event:add(0.001)
    assert.equal("t", (event:pending()))
  end))

  it("can be made active, with any letters", loop(function(base, expect)
    local seen = {}
    local event = base:event(-1, "", expect(function(event, what)
      seen[#seen + 1] = what
      local nextone = ({ "w", "rwct", "t" })[#seen]
      if nextone then
        event:active(nextone)
      else
        assert.same({ "r", "w", "rwct", "t" }, seen)
      end
    end, 4))
    assert.is_true(event:active())
    assert.equal("r", (event:pending()))
    collectgarbage()
  end))

  it("does not call back when another closes it in the same turn",
    piped(function(base, expect, r, w)
      posix.write(w, "x")
      local events, called = {}, 0
      for i = 1, 2 do
        events[i] = base:event(r, "rp", function()
          called = called + 1
          events[1]:close()
          events[2]:close()
        end)
        events[i]:add()
      end
      base:timer(expect(function()
        assert.equal(1, called)
      end)):add(0.01)
    end))

  it("can be closed in its callback, persistent or not",
    piped(function(base, expect, _, w)
      for _, letters in ipairs { "w", "wp" } do
        base:event(w, letters, expect(function(event)
          event:close()
          collectgarbage()
          assert.error_matches(function()
            event:add()
          end, "attempt to use a closed event")
        end)):add()
      end
    end))

  it("does not reach a new event with the same descriptor",
    loop(function(base, expect)
      local pipes = { { posix.pipe() }, { posix.pipe() } }
      local events = {}
      for i, pipe in ipairs(pipes) do
        local other = pipes[3 - i]
        posix.write(pipe[2], "x")
        events[i] = base:event(pipe[1], "rp", function()
          events[1]:close()
          events[2]:close()
          local number = other[1]
          posix.close(other[1])
          posix.close(other[2])
          other[1], other[2] = posix.pipe()
          assert.is_true(number == other[1] or number == other[2])
          base:event(other[1], "r", expect(function(_, what)
            assert.equal("t", what)
            for _, fds in ipairs(pipes) do
              posix.close(fds[1])
              posix.close(fds[2])
            end
          end)):add(0.02)
        end)
        events[i]:add()
      end
    end))

  it("loses nothing that came in the turn of its timeout",
    piped(function(base, expect, r, w)
      for _, letters in ipairs { "rp", "rpe" } do
        local seen = ""
        base:event(r, letters, expect(function(event, what)
          seen = seen .. what
          if what:find "r" then
            assert.equal("x", posix.read(r))
            event:close()
          end
        end, 2)):add(0.02)
        base:timer(expect(function()
          posix.spin(0.05)
          posix.write(w, "x")
        end)):add(0)
        base:loop()
        assert.matches("r", seen)
      end
    end))

  it("sees the end of the peer", loop(function(base, expect)
    local a, b = posix.socketpair()
    local event = base:event(a, "c", expect(function(_, what)
      assert.equal("c", what)
      posix.close(a)
    end))
    event:add()
    posix.close(b)
  end, { require = { "early_close" } }))

  it("is edge-triggered on request", piped(function(base, expect, r, w)
    posix.write(w, "x")
    local event = base:event(r, "rpe", expect())
    assert.equal("rpe", event:events())
    event:add()
    base:timer(expect(function()
      event:close()
    end)):add(0.01)
  end))

  it("takes a file of the io library and keeps it #blocking", function()
    local base <close> = libevent.event_base()
    local child = io.popen "echo hello; sleep 0.05"
    local line
    base:event(child, "r", function()
      line = child:read "l"
    end):add(5)
    base:loop()
    assert.equal("hello", line)
    child:close()
    assert.error_matches(function()
      base:event(child, "r", print)
    end, "closed file")
  end)

  it("has a priority", loop(function(base)
    local event = base:event(-1, "", print)
    assert.equal(2, event:priority())
    assert.is_true(event:priority_set(0))
    assert.equal(0, event:priority())
    for _, bad in ipairs { -1, 5, 1.5, "x" } do
      assert.error_matches(function()
        event:priority_set(bad)
      end, "bad argument #1 to 'priority_set'")
    end
    event:active()
    local ok, message, code = event:priority_set(1)
    assert.same({ nil, "event_priority_set: Device or resource busy", EBUSY },
      { ok, message, code })
    event:close()
  end, { priorities = 5 }))

  it("returns an error for a descriptor that is not open", function()
    local base <close> = libevent.event_base()
    local before = posix.rss()
    for _, fd in ipairs { 100000000, 2147483647, 987 } do
      local event, message, code = base:event(fd, "r", print)
      assert.same({ nil, "event: Bad file descriptor", EBADF },
        { event, message, code })
    end
    assert.is_true(posix.rss() - before < 4096)
    local r, w = posix.pipe()
    local event = base:event(r, "r", print)
    posix.close(r)
    posix.close(w)
    local ok, message, code = event:add()
    assert.same({ nil, "event_add: Bad file descriptor", EBADF },
      { ok, message, code })
    assert.same({}, base:objects()[1].pending and base:objects() or {})
  end)

  it("refuses the descriptor that the timers of its base need",
    loop(function(base, expect)
      local refused = 0
      for fd in pairs(posix.descriptors()) do
        local event, message, code = base:event(fd, "r", print)
        if code == EBUSY then
          assert.same({ nil, "event: Device or resource busy" },
            { event, message })
          refused = refused + 1
        end
      end
      assert.equal(1, refused)
      base:timer(expect()):add(0.001)
    end))

  it("returns an error for a regular file", function()
    local base <close> = libevent.event_base()
    local name = os.tmpname()
    local fd = posix.open(name)
    local event = base:event(fd, "r", print)
    assert.same({ nil, "event_add: Operation not permitted", EPERM },
      { event:add() })
    assert.same({ nil, "event_add: Operation not permitted", EPERM },
      { event:add(1) })
    assert.equal("empty", base:loop())
    event:close()
    posix.close(fd)
    os.remove(name)
  end)

  it("refuses bad arguments", function()
    local base <close> = libevent.event_base()
    local event = base:event(-1, "p", print)
    helper.badargs(base.event, base, "file, letters, ?function",
      { 1, "r", print })
    helper.badargs(event.add, event, "?seconds")
    helper.badargs(event.active, event, "?letters")
    helper.badargs(event.setcb, event, "function")
    helper.badargs(event.priority_set, event, "integer")
    assert.error_matches(function()
      base:event(1, "rx", print)
    end, "unknown event 'x', letters of 'rwcpe' expected")
    assert.error_matches(function()
      base:event(-1, "r", print)
    end, "descriptor expected for these events")
    assert.error_matches(function()
      event:active ""
    end, "at least one letter expected")
    assert.error_matches(function()
      event:add(0)
    end, "the timeout of a persistent event must not be 0")
    assert.error_matches(function()
      event.add(base:timer(print))
    end, "libevent.event expected, got libevent.timer")
  end)

  it("replaces its callback", loop(function(base, expect)
    local first, second = expect(nil, 0), expect()
    local event = base:event(-1, "", first)
    assert.equal(first, event:callback())
    event:setcb(second)
    assert.equal(second, event:callback())
    event:active()
    assert.is_nil(base:event(-1, ""):callback())
  end))

  it("is collected when nothing can fire, and only then",
    piped(function(base, expect, r, w)
      local probe = setmetatable({}, { __mode = "k" })
      probe[base:event(r, "r", print)] = "idle"
      local event = base:event(r, "r", expect())
      event:add()
      probe[event] = "pending"
      event = nil -- luacheck: ignore
      collectgarbage()
      collectgarbage()
      local states = {}
      for _, state in pairs(probe) do
        states[#states + 1] = state
      end
      assert.same({ "pending" }, states)
      posix.write(w, "x")
      base:loop()
      collectgarbage()
      collectgarbage()
      assert.is_nil(next(probe))
    end))

  it("says what it is", piped(function(base, _, r)
    local event = base:event(r, "rp", print)
    assert.matches("^libevent%.event: 0x%x+ fd " .. r .. " rp idle$",
      tostring(event))
    event:add()
    assert.matches(" pending$", tostring(event))
    event:close()
    assert.matches(" closed$", tostring(event))
  end))
end)
