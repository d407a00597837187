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
    helper.badargs(base.toy, base, "seconds, table, function", { 1, {} })
    assert.error_matches(function()
      base:toy(1, { color = "red" }, print)
    end, "unknown option 'color'")
    local toy = base:toy(1, {}, print)
    assert.error_matches(function()
      toy.start(base:timer(print))
    end, "libevent.toy expected, got libevent.timer")
  end)
end)
