local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local loop = helper.loop

describe("event_base", function()
  it("says how the loop ended", function()
    local base <close> = libevent.event_base()
    assert.equal("empty", base:loop())
    assert.equal("empty", base:dispatch())
    assert.equal("empty", base:loop "nowait")
    base:timer(function()
      base:loopbreak()
    end):add(0)
    local later = base:timer(print)
    later:add(60)
    assert.equal("break", base:loop())
    assert.is_true(base:got_break())
    assert.is_false(base:got_exit())
    base:loopexit()
    assert.equal("exit", base:loop())
    assert.is_true(base:got_exit())
    base:loopexit(0.01)
    assert.equal("exit", base:loop "forever")
    assert.equal("nowait", base:loop "nowait")
    base:timer(function() end):add(0)
    assert.equal("once", base:loop "once")
  end)

  it("waits once, or not at all", function()
    local base <close> = libevent.event_base()
    local fired = 0
    local function count()
      fired = fired + 1
    end
    base:timer(count):add(0)
    base:timer(count):add(0.02)
    base:timer(count):add(60)
    base:loop "nowait"
    assert.equal(1, fired)
    base:loop "once"
    assert.equal(2, fired)
    base:loop "nowait"
    assert.equal(2, fired)
  end)

  it("leaves what is due for the next run when it breaks", function()
    local base <close> = libevent.event_base()
    local fired = 0
    for _ = 1, 3 do
      base:timer(function()
        fired = fired + 1
        base:loopbreak()
      end):add(0)
      base:defer(function()
        fired = fired + 10
        base:loopbreak()
      end)
    end
    for _ = 1, 6 do
      assert.equal("break", base:loop())
    end
    assert.equal("empty", base:loop())
    assert.equal(33, fired)
  end)

  it("refuses to loop in its own loop, and survives it",
    loop(function(base, expect)
      base:timer(expect(function()
        for _, method in ipairs { base.loop, base.dispatch } do
          local ok, message = pcall(method, base)
          assert.is_false(ok)
          assert.matches("running already", message)
        end
        base:timer(expect()):add(0.001)
      end)):add(0)
    end))

  it("runs in the loop of another", loop(function(base, expect)
    base:timer(expect(function()
      local inner <close> = libevent.event_base()
      inner:timer(expect(function()
        base:defer(expect())
        base:timer(expect()):add(0)
      end)):add(0.001)
      assert.equal("empty", inner:loop())
    end)):add(0)
  end))

  it("runs in a coroutine, which can yield afterwards",
    loop(function(base, expect)
      local co = coroutine.wrap(function()
        base:timer(expect(function()
          assert.is_false(coroutine.isyieldable())
          local inner = coroutine.wrap(function()
            coroutine.yield(base:now())
            return "done"
          end)
          assert.is_number(inner())
          assert.equal("done", inner())
        end)):add(0)
        base:loop()
        coroutine.yield "looped"
        return "ended"
      end)
      assert.equal("looped", co())
      assert.equal("ended", co())
    end))

  it("calls back when the coroutine that made its events is gone",
    loop(function(base, expect)
      coroutine.wrap(function()
        base:timer(expect()):add(0.001)
        base:defer(expect())
      end)()
      collectgarbage()
    end))

  it("calls back when the coroutine that loaded the module is gone", function()
    helper.prints("timer\ndeferred\nread\ntask\n", [[
      local base, one, other
      coroutine.wrap(function()
        local libevent = require "libevent"
        base = libevent.event_base()
        one, other = libevent.socketpair()
        local bev = base:bufferevent(one)
        bev:setcb { read = function(self)
          print(self:read())
          self:close()
          base:task(print, "task")
        end }
        bev:enable "r"
        base:timer(function()
          print "timer"
          base:defer(function()
            print "deferred"
            libevent.evbuffer "read":write(other:fd())
          end)
        end):add(0)
      end)()
      collectgarbage()
      collectgarbage()
      base:loop()
      other:close()
    ]])
  end)

  it("is collected with everything pending when nobody holds it", function()
    collectgarbage()
    local before = helper.descriptors()
    local probe = setmetatable({}, { __mode = "v" })
    do
      local base = libevent.event_base()
      local r, w = posix.pipe()
      local function hold()
        return base
      end
      local timer, event = base:timer(hold), base:event(r, "rp", hold)
      local signal = base:signal("USR1", hold)
      timer:add(10)
      event:add(10)
      signal:add()
      probe[1], probe[2], probe[3], probe[4] = base, timer, event, signal
      base:defer(function() return base end)
      posix.close(w)
      posix.close(r)
    end
    collectgarbage()
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(probe))
    assert.equal(before, helper.descriptors())
  end)

  it("lives as long as one of its objects", function()
    local timer
    do
      timer = libevent.event_base():timer(function() end)
    end
    collectgarbage()
    timer:add(0)
    assert.equal("empty", timer:base():loop())
    timer:base():close()
  end)

  it("closes everything it has made", function()
    local base = libevent.event_base()
    local r, w = posix.pipe()
    local objects = {
      base:timer(print), base:timer(print),
      base:event(r, "r", print), base:event(-1, "", print),
      base:signal("HUP", print),
    }
    objects[1]:add(1)
    objects[3]:add()
    objects[5]:add()
    base:close()
    base:close()
    for _, object in ipairs(objects) do
      assert.is_true(object:is_closed())
      assert.matches(" closed$", tostring(object))
      object:close()
      assert.error_matches(function() object:pending() end,
        "attempt to use a closed")
      assert.error_matches(function() object:base() end,
        "attempt to use a closed")
    end
    posix.close(r)
    posix.close(w)
  end)

  it("raises from every method once closed", function()
    local base = libevent.event_base()
    base:close()
    for name, method in pairs(debug.getmetatable(base).__index) do
      if name ~= "close" and name ~= "is_closed" then
        local ok, message = pcall(method, base, 1, "r", print)
        assert.is_false(ok, name)
        assert.matches("attempt to use a closed event_base", message, 1, true)
      end
    end
    assert.is_true(base:is_closed())
  end)

  it("can be closed in each kind of callback", function()
    local before = helper.descriptors()
    local r, w = posix.pipe()
    local kinds = {
      function(base, fn) base:timer(fn):add(0) end,
      function(base, fn) base:event(w, "wp", fn):add() end,
      function(base, fn) base:event(-1, "", fn):active() end,
      function(base, fn) base:event(-1, "p", fn):add(0.001) end,
      function(base, fn) base:defer(fn) end,
      function(base, fn)
        base:signal("USR1", fn):add()
        for _ = 1, 3 do
          posix.raise(10)
        end
      end,
      function(base, fn)
        base:on_error(fn)
        base:timer(error):add(0)
      end,
    }
    for i, arm in ipairs(kinds) do
      local base = libevent.event_base()
      local never = base:timer(function() error "closed" end)
      local called = 0
      never:add(0.05)
      arm(base, function()
        called = called + 1
        base:close()
        collectgarbage()
        assert.is_true(never:is_closed())
        assert.error_matches(function() base:loopbreak() end, "closed")
      end)
      base:event(w, "w", function() end):add()
      assert.equal("break", base:loop(), "kind " .. i)
      assert.equal(1, called, "kind " .. i)
      assert.is_true(base:is_closed())
    end
    posix.close(r)
    posix.close(w)
    assert.equal(before, helper.descriptors())
  end)

  it("is closed at the end of a block", function()
    local outer
    do
      local base <close> = libevent.event_base()
      outer = base
    end
    assert.is_true(outer:is_closed())
  end)

  it("tells about itself", function()
    local base <close> = libevent.event_base { priorities = 3 }
    assert.equal("epoll", base:method())
    assert.is_true(base:features().et)
    assert.equal(3, base:priorities())
    assert.matches("^libevent%.event_base: 0x%x+ epoll$", tostring(base))
    assert.equal(base, base:base())
    assert.matches("Inserted events", base:dump())
    local now = base:now()
    assert.is_true(base:now() >= now)
    assert.is_true(math.abs(base:gettimeofday_cached() - os.time()) < 2)
    assert.is_true(base:update_time())
    assert.is_true(base:loopcontinue())
    for _, method in ipairs { "epoll", "poll" } do
      local found = false
      for _, name in ipairs(libevent.get_supported_methods()) do
        found = found or name == method
      end
      assert.is_true(found, method)
    end
  end)

  it("counts what is pending", function()
    local base <close> = libevent.event_base()
    assert.equal(0, base:num_events())
    base:timer(print):add(10)
    base:timer(print):add(10)
    base:event(-1, "", print):add(10)
    assert.equal(3, base:num_events "added")
    local active = base:event(-1, "", function() end)
    active:active()
    assert.equal(1, base:num_events "active")
    assert.equal(0, base:num_events "virtual")
    assert.equal(4, base:num_events "added") -- an active event counts in both
    assert.equal(5, base:num_events "all")
    base:defer(function()
      base:loopbreak()
    end)
    assert.equal(5, base:num_events())
    base:loop()
    assert.equal(3, base:num_events())
    assert.is_true(base:max_events("added", true) >= 1)
    assert.is_true(base:max_events "all" <= 3)
    assert.error_matches(function()
      base:num_events "some"
    end, "invalid option 'some'")
  end)

  it("lists its objects, with where they were made if asked", function()
    local base <close> = libevent.event_base()
    local r, w = posix.pipe()
    libevent.track(true)
    local line = debug.getinfo(1, "l").currentline + 1
    local event = base:event(r, "rp", print)
    libevent.track(false)
    local timer = base:timer(print)
    timer:add(10)
    base:timer(print)
    local objects = base:objects()
    assert.equal(2, #objects)
    assert.equal("event", objects[1].type)
    assert.equal(r, objects[1].fd)
    assert.is_false(objects[1].pending)
    assert.matches("event_base_spec%.lua:" .. line .. "$", objects[1].created)
    assert.is_true(objects[1].age >= 0 and objects[1].age < 60)
    assert.equal(tostring(event), objects[1].description)
    assert.equal("timer", objects[2].type)
    assert.is_true(objects[2].pending)
    assert.is_nil(objects[2].created)
    assert.is_nil(objects[2].fd)
    posix.close(r)
    posix.close(w)
  end)

  it("refuses bad arguments", function()
    local base <close> = libevent.event_base()
    helper.badargs(base.loop, base, "?mode")
    helper.badargs(base.loopexit, base, "?seconds")
    helper.badargs(base.num_events, base, "?kind")
    helper.badargs(base.max_events, base, "?kind")
    helper.badargs(base.defer, base, "function")
    helper.badargs(base.on_error, base, "?function")
    assert.error_matches(function() base:loop "" end, "invalid option")
    for name, method in pairs(debug.getmetatable(base).__index) do
      for _, other in ipairs { io.stdout, base:timer(print), 1, "x", {} } do
        local ok, message = pcall(method, other)
        assert.is_false(ok, name)
        assert.matches("libevent.event_base expected", message, 1, true)
      end
    end
  end)

  it("returns an error when no descriptors are left", function()
    helper.prints("true\n", [[
      local libevent, posix = require "libevent", require "spec.posix"
      posix.nofile(24)
      local base, message, code
      local bases = {}
      repeat
        base, message, code = libevent.event_base()
        bases[#bases + 1] = base
      until not base
      assert(message == "event_base: Too many open files" and code == 24)
      assert(#bases >= 2)
      local n = 0
      while posix.dup(1) do n = n + 1 end
      assert(not libevent.event_base())
      bases[1]:timer(function() print(true) end):add(0)
      bases[1]:loop()
    ]])
  end)
end)
