local helper = require "spec.helper"
local libevent = require "libevent"
require "spec.toy"

describe("lev_api", function()
  it("gives another shared object a type of its own",
    helper.loop(function(base, expect)
      local counts = {}
      local toy
      toy = base:toy(0.001, { count = 3 }, expect(function(self, left)
        assert.equal(toy, self)
        counts[#counts + 1] = left
        if left > 0 then
          self:start()
        else
          assert.same({ 2, 1, 0 }, counts)
          self:close()
        end
      end, 3))
      assert.is_true(toy:start())
      assert.equal("toy", base:objects()[1].type)
      assert.equal(base, toy:base())
      assert.same({ nil, "toy: No such file or directory", 2 },
        { toy:fail() })
    end))

  it("calls back from within a call, in a callback or outside any loop",
    helper.loop(function(base, expect)
      local depth = 0
      local toy
      toy = base:toy(1, {}, expect(function(self, left)
        assert.equal(toy, self)
        assert.equal(1, left)
        depth = depth + 1
        if depth < 5 then
          self:call()
        end
      end, 10))
      toy:call()
      assert.equal(5, depth)
      base:timer(expect(function()
        depth = 0
        coroutine.wrap(toy.call)(toy)
      end)):add(0)
    end))

  it("keeps the first error of such callbacks for the loop", function()
    local base <close> = libevent.event_base()
    local n = 0
    local toy = base:toy(1, {}, function()
      n = n + 1
      error("error " .. n, 0)
    end)
    for _ = 1, 3 do
      assert.is_true(toy:call())
    end
    assert.same({ false, "error 1" }, { pcall(base.loop, base) })
    assert.equal("empty", base:loop())
    assert.equal(3, n)
  end)

  it("calls back while an error of the log function is reported",
    helper.loop(function(base, expect)
      local toy = base:toy(1, {}, expect())
      base:on_error(expect(function()
        toy:call()
      end))
      libevent.set_log_callback(function()
        error "in log"
      end)
      base:timer(function()
        local file <close> = io.tmpfile()
        assert.is_nil((base:event(file, "r", print):add()))
      end):add(0)
      base:loop()
      libevent.set_log_callback()
      toy:close()
    end))

  it("closes such an object with its base", function()
    local base = libevent.event_base()
    local toy = base:toy(1, {}, print)
    toy:start()
    base:close()
    assert.error_matches(function()
      toy:start()
    end, "attempt to use a closed toy")
    assert.matches("^libevent%.toy: 0x%x+ closed$", tostring(toy))
  end)

  it("checks its arguments like the others", function()
    local base <close> = libevent.event_base()
    helper.badargs(base.toy, base, "seconds, ?table, function", { 1, {} })
    assert.error_matches(function()
      base:toy(1, { color = "red" }, print)
    end, "unknown option 'color'")
    local toy = base:toy(1, {}, print)
    assert.error_matches(function()
      toy.start(base:timer(print))
    end, "libevent.toy expected, got libevent.timer")
  end)
end)
