local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local loop = helper.loop

describe("event_base:defer", function()
  it("calls in order, after the callback that runs now",
    loop(function(base, expect)
      local order = {}
      base:timer(expect(function()
        for i = 1, 3 do
          base:defer(expect(function()
            order[#order + 1] = i
          end))
        end
        assert.same({}, order)
      end)):add(0)
      base:dispatch()
      assert.same({ 1, 2, 3 }, order)
    end))

  it("calls in the next turn what is deferred before the loop",
    loop(function(base, expect)
      base:defer(expect())
      assert.equal("nowait", base:loop "nowait")
    end))

  it("keeps the loop running until nothing is deferred",
    loop(function(base)
      local n = 0
      local function again()
        n = n + 1
        if n < 1000 then
          base:defer(again)
        end
      end
      base:defer(again)
      assert.equal("empty", base:loop())
      assert.equal(1000, n)
    end))

  it("does not starve input, timers or signals", loop(function(base, expect)
    local r, w = posix.pipe()
    local stop = 0
    local function again()
      if stop < 3 then
        base:defer(again)
      end
    end
    base:defer(again)
    posix.write(w, "x")
    base:event(r, "r", expect(function()
      stop = stop + 1
      posix.close(r)
      posix.close(w)
    end)):add()
    base:timer(expect(function()
      stop = stop + 1
    end)):add(0.005)
    base:signal("USR1", expect(function(signal)
      stop = stop + 1
      signal:del()
    end)):add()
    posix.raise(10)
  end))

  it("does not nest", loop(function(base, expect)
    local inside = false
    local function check()
      assert.is_false(inside)
      inside = true
      base:defer(expect(function()
        assert.is_false(inside)
      end))
      inside = false
    end
    for _ = 1, 10 do
      base:defer(expect(check))
    end
  end))

  it("takes many at a time", loop(function(base)
    local n = 0
    for _ = 1, 2 do
      for _ = 1, 10000 do
        base:defer(function()
          n = n + 1
        end)
      end
      base:loop()
    end
    assert.equal(20000, n)
  end))

  it("lets go of what it has called", loop(function(base)
    local probe = setmetatable({}, { __mode = "k" })
    do
      local function called() end
      probe[called] = true
      base:defer(function()
        called()
      end)
    end
    base:loop()
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(probe))
  end))

  it("returns nothing and refuses what is no function", function()
    local base <close> = libevent.event_base()
    assert.equal(0, select("#", base:defer(function() end)))
    helper.badargs(base.defer, base, "function")
  end)
end)
