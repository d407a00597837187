local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local loop = helper.loop

describe("timer", function()
  it("calls back once, with itself", loop(function(base, expect)
    local timer
    timer = base:timer(expect(function(...)
      assert.equal(1, select("#", ...))
      assert.equal(timer, ...)
    end))
    assert.is_true(timer:add(0.001))
  end))

  it("is idle until it is added, and after it has called back",
    loop(function(base, expect)
      local timer = base:timer(expect(function(timer)
        assert.is_nil(timer:pending())
      end))
      assert.is_nil(timer:pending())
      timer:add(10)
      local what, left = timer:pending()
      assert.equal("t", what)
      assert.is_true(left > 9 and left <= 10.001)
      timer:add(0)
      assert.equal("t", (timer:pending()))
    end))

  it("loops when its callback adds it again", loop(function(base, expect)
    local n = 0
    base:timer(expect(function(timer)
      n = n + 1
      if n < 50 then
        timer:add(0)
      end
    end, 50)):add(0)
  end))

  it("calls back in the order of the times, then of the adding",
    loop(function(base, expect)
      local order = {}
      local function add(name, seconds)
        base:timer(expect(function()
          order[#order + 1] = name
        end)):add(seconds)
      end
      for i = 1, 20 do
        add(20 + i, 0.1)
      end
      for i = 1, 20 do
        add(i, 0.005)
      end
      base:dispatch()
      for i = 1, 40 do
        assert.equal(i, order[i])
      end
    end))

  it("takes the last of several times", loop(function(base, expect)
    local timer = base:timer(expect())
    timer:add(30)
    timer:add(0.001)
    local other = base:timer(expect())
    other:add(0)
    other:add(0.002)
  end))

  it("does not call back once deleted", loop(function(base, expect)
    local deleted = base:timer(expect(nil, 0))
    deleted:add(0.001)
    base:timer(expect()):add(0.005)
    assert.is_true(deleted:del())
    assert.is_true(deleted:del())
    assert.is_nil(deleted:pending())
  end))

  it("can be deleted, closed or moved by another that is due with it",
    loop(function(base, expect)
      local deleted = base:timer(expect(nil, 0))
      local closed = base:timer(expect(nil, 0))
      local moved = base:timer(expect())
      base:timer(expect(function()
        deleted:del()
        closed:close()
        moved:add(0.002)
      end)):add(0)
      deleted:add(0)
      closed:add(0)
      moved:add(0)
    end))

  it("replaces its callback, also in a callback", loop(function(base, expect)
    local timer
    timer = base:timer(expect(function()
      timer:setcb(expect())
      timer:add(0)
    end))
    timer:add(0)
  end))

  it("can be closed in its own callback", loop(function(base, expect)
    base:timer(expect(function(timer)
      timer:close()
      timer:close()
      assert.is_true(timer:is_closed())
      assert.has_error(function()
        timer:add(1)
      end, "attempt to use a closed timer")
    end)):add(0)
  end))

  it("outlives its callback when that drops and closes it",
    loop(function(base, expect)
      local timer
      timer = base:timer(expect(function(self)
        self:close()
        self, timer = nil, nil -- luacheck: ignore
        collectgarbage()
        collectgarbage()
      end))
      timer:add(0)
    end))

  it("keeps other timers and descriptors going while it adds itself with 0",
    loop(function(base, expect)
      local r, w = posix.pipe()
      local turns, writable, later = 0, 0, false
      base:event(w, "wp", function(event)
        writable = writable + 1
        if later then
          event:close()
          posix.close(r)
          posix.close(w)
        end
      end):add()
      base:timer(expect(function()
        later = true
      end)):add(0.01)
      base:timer(function(timer)
        turns = turns + 1
        if later then -- the event ran in every turn but may be the last
          assert.is_true(math.abs(turns - writable) <= 2)
        else
          timer:add(0)
        end
      end):add(0)
    end))

  it("is on time after a slow callback", loop(function(base, expect)
    local start = base:now()
    base:timer(expect(function()
      local took = base:now() - start
      assert.is_true(took >= 0.5, took)
      -- A busy machine may be late, but not by as much as the callback took.
      assert.is_true(took < 0.8, took)
    end)):add(0.5)
    base:timer(expect(function()
      posix.spin(0.4)
    end)):add(0)
  end))

  it("counts from now, not from the start of the turn",
    loop(function(base, expect)
      base:timer(expect(function()
        posix.spin(0.05)
        local start = base:now()
        base:timer(expect(function()
          assert.is_true(base:now() - start >= 0.03)
        end)):add(0.03)
      end)):add(0)
    end))

  it("never comes early, and a millisecond is one", loop(function(base)
    local best, start = math.huge, base:now()
    local function due()
      local took = base:now() - start
      assert.is_true(took >= 0.001, took)
      best = math.min(best, took)
      if best > 0.003 then -- a busy machine: try once more
        start = base:now()
        base:timer(due):add(0.001)
      end
    end
    base:timer(due):add(0.001)
  end))

  it("keeps its rate when it adds itself again", loop(function(base, expect)
    local n, kept, start = 0, 0, base:now()
    local over = expect() -- it collects garbage, which may take a millisecond
    base:timer(function(timer)
      n = n + 1
      if n < 100 then
        timer:add(0.001)
        -- Counted from now it would be more than a millisecond, rounded up;
        -- so it is only where this callback is late.
        local _, left = timer:pending()
        kept = kept + (left <= 0.001 and 1 or 0)
        return
      end
      assert.is_true(base:now() - start >= 0.099)
      assert.is_true(kept > 0)
      over()
    end):add(0.001)
  end))

  it("takes 0 and a billion seconds", loop(function(base, expect)
    local timer = base:timer(expect())
    assert.is_true(timer:add(1e9))
    local _, left = timer:pending()
    assert.is_true(left > 1e9 - 1 and left < 1e9 + 1)
    timer:add(0)
  end))

  it("refuses bad times, functions and objects", function()
    local base <close> = libevent.event_base()
    local timer = base:timer(print)
    helper.badargs(timer.add, timer, "seconds")
    helper.badargs(timer.setcb, timer, "function")
    helper.badargs(base.timer, base, "function")
    for _, seconds in ipairs { -0.001, 1e9 + 1, 0 / 0, 1 / 0, -1 / 0 } do
      assert.error_matches(function()
        timer:add(seconds)
      end, "bad argument #1 to 'add' %(seconds from 0 to 1e9 expected%)")
    end
    assert.is_nil(timer:pending())
    for name, method in pairs { add = timer.add, del = timer.del } do
      for _, other in ipairs { base, io.stdout, 1, "x", {} } do
        local ok, message = pcall(method, other, 1)
        assert.is_false(ok, name)
        assert.matches("libevent.timer expected", message, 1, true)
      end
    end
  end)

  it("fires without being held, and is collected then",
    loop(function(base, expect)
      local probe = setmetatable({}, { __mode = "k" })
      probe[base:timer(expect(function()
        base:timer(expect(function()
          collectgarbage()
          assert.is_nil(next(probe))
        end)):add(0.002)
      end))] = true
      next(probe):add(0.001)
      collectgarbage()
      assert.is_truthy(next(probe))
    end))

  it("is collected in a cycle with its closure unless pending", function()
    local base <close> = libevent.event_base()
    local probe = setmetatable({}, { __mode = "k" })
    for i = 1, 2 do
      local timer
      timer = base:timer(function()
        return timer
      end)
      probe[timer] = i
      if i == 2 then
        timer:add(10)
      end
    end
    collectgarbage()
    collectgarbage()
    local timer, i = next(probe)
    assert.equal(2, i)
    timer:del()
    timer = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(probe))
  end)

  it("says what it is", function()
    local base <close> = libevent.event_base()
    local timer = base:timer(print)
    assert.matches("^libevent%.timer: 0x%x+ idle$", tostring(timer))
    timer:add(5)
    assert.matches("^libevent%.timer: 0x%x+ due in [45]%.%d+ s$",
      tostring(timer))
    assert.equal(base, timer:base())
    timer:close()
    assert.matches("^libevent%.timer: 0x%x+ closed$", tostring(timer))
    assert.is_false(getmetatable(timer))
  end)

  it("manages thousands with equal, random and distant times #load",
    loop(function(base, expect)
      local n = helper.sanitized and 10000 or 100000
      local random, last, late = math.random, 0, 0
      local fired = expect(nil, 0)
      for i = 1, n do
        base:timer(function()
          late = late + 1
        end):add(i % 2 == 0 and 0.05 or random() * 0.2)
        local timer = base:timer(fired)
        timer:add(random() * 1e6)
        if i % 3 == 0 then
          timer:del()
        else
          timer:close()
        end
      end
      assert.equal(n // 2 + n // 2, base:num_events())
      base:timer(expect(function()
        last = late
      end)):add(0.25)
      base:timer(expect(function()
        assert.equal(n, last)
      end)):add(0.3)
    end))
end)
