local helper = require "spec.helper"

local loop = helper.loop

describe("event_base:pair", function()
  it("makes two ends of which each reads what the other writes",
    loop(function(base, expect)
      local one, other = base:pair()
      assert.equal(other, one:partner())
      assert.equal(one, other:partner())
      assert.is_nil(one:fd())
      assert.matches("pair idle$", tostring(one))
      other:setcb { read = expect(function(self)
        assert.equal(other, self)
        self:write(self:read():upper())
      end) }
      other:enable "r"
      one:setcb { read = expect(function(self)
        assert.equal("PING", self:read())
        self:close()
      end) }
      one:enable "r"
      assert.equal(0, one:write("pi", "ng"))
    end))

  it("calls the write callback when it has handed over",
    loop(function(base, expect)
      local one, other = base:pair()
      other:enable "r"
      one:setcb { write = expect(function(self)
        assert.equal(0, #self:output())
        self:close()
        other:close()
      end) }
      one:write "x"
    end))

  it("keeps what the other end does not read yet", loop(function(base, expect)
    local one, other = base:pair()
    assert.equal(4, one:write "wait")
    base:loop "nowait"
    other:setcb { read = expect(function()
      assert.equal("wait", other:read())
    end) }
    other:enable "r"
    base:loop()
    one:close()
    other:close()
  end))

  it("calls back though nobody holds an end", loop(function(base, expect)
    do
      local one, other = base:pair()
      other:setcb { read = expect(function(self)
        assert.equal("hello", self:read())
      end) }
      other:enable "r"
      one:write "hello"
    end
    collectgarbage()
    collectgarbage()
  end))

  it("tells the other end of a close, after what was written",
    loop(function(base, expect)
      local one, other = base:pair()
      local seen = {}
      other:setcb {
        read = expect(function(self)
          seen[#seen + 1] = self:read()
        end),
        event = expect(function(self, what, direction)
          seen[#seen + 1] = what .. " " .. direction
          assert.is_nil(self:partner())
          assert.same({ nil, "write: Broken pipe", 32 }, { self:write "x" })
          self:close()
        end),
      }
      other:enable "r"
      one:write "last"
      one:close()
      one = nil -- luacheck: ignore
      collectgarbage()
      base:loop()
      assert.same({ "last", "eof r" }, seen)
    end))

  it("hands over at a close what the watermarks held back",
    loop(function(base, expect)
      local one, other = base:pair()
      local big = ("x"):rep(1 << 20)
      other:setwatermark("r", 0, 1000)
      local got = 0
      other:setcb {
        read = function(self)
          got = got + #self:read()
        end,
        event = expect(function(self)
          got = got + #(self:read() or "")
          assert.equal(#big, got)
          self:close()
        end),
      }
      one:write(big)
      one:close()
      other:enable "r"
    end))

  it("flushes", loop(function(base, expect)
    local one, other = base:pair()
    other:setcb { read = expect(), event = expect(function(_, what)
      assert.equal("eof", what)
      assert.equal("flushed", other:read())
      other:close()
      assert.same({ nil, "flush: Broken pipe", 32 }, { one:flush "w" })
      one:close()
    end) }
    one:write "flushed"
    assert.is_true(one:flush("w", "normal"))
    assert.equal(7, #one:output())
    assert.is_true(one:flush "w")
    assert.equal(0, #one:output())
    assert.is_true(one:flush("w", "finished"))
  end))

  it("ends one direction on shutdown", loop(function(base, expect)
    local one, other = base:pair()
    other:setcb { event = expect(function(_, what)
      assert.equal("eof", what)
      other:write "still here"
    end) }
    one:setcb { read = expect(function()
      assert.equal("still here", one:read())
      one:close()
      other:close()
    end) }
    one:enable "r"
    assert.is_true(one:shutdown "w")
    assert.same({ nil, "write: Broken pipe", 32 }, { one:write "x" })
  end))

  it("reads no more after a shutdown of that", loop(function(base, expect)
    local one, other = base:pair()
    one:setcb { read = error }
    one:enable "r"
    assert.is_true(one:shutdown "r")
    assert.equal(6, other:write "unread")
    other:setcb { read = expect(function()
      assert.equal("still sent", other:read())
      other:close()
      one:close()
    end) }
    other:enable "r"
    one:write "still sent"
  end))

  it("has read timeouts, which keep it", loop(function(base, expect)
    do
      local one = base:pair()
      one:set_timeouts(0.01)
      one:setcb { event = expect(function(self, what, direction)
        assert.same({ "timeout", "r" }, { what, direction })
        self:close()
      end) }
      one:enable "r"
    end
    collectgarbage()
  end))

  it("has a timeout in each direction", loop(function(base, expect)
    for i, times in ipairs { { 0.01, 0.02 }, { 10, 0.01 }, { 0.01, 10 } } do
      local one, other = base:pair()
      local told = {}
      one:set_timeouts(times[1], times[2])
      one:setcb { event = expect(function(_, what, direction)
        assert.equal("timeout", what)
        told[#told + 1] = direction
        if i > 1 or #told == 2 then
          assert.equal(({ "rw", "w", "r" })[i], table.concat(told))
          one:close "now"
          other:close "now"
        end
      end, i == 1 and 2 or 1) }
      one:enable "r"
      one:write "nobody reads this"
    end
  end))

  it("is collected with data queued, in any order", loop(function(base)
    for i = 1, 20 do
      local one, other = base:pair()
      local function callback() return one, other end
      one:setcb { read = callback, event = callback }
      other:setcb { read = callback, event = callback }
      one:enable "r"
      one:write(("x"):rep(100000)) -- by reference
      other:write "y"
      if i % 3 == 0 then
        one:close()
      elseif i % 3 == 1 then
        other:close "now"
      end
    end
    collectgarbage()
  end))

  it("keeps the other end while one is held", loop(function(base, expect)
    local one
    do
      local other
      one, other = base:pair()
      other:setcb { read = expect(function(self)
        self:write(self:read())
      end) }
      other:enable "r"
    end
    collectgarbage()
    collectgarbage()
    one:setcb { read = expect(function()
      one:close()
    end) }
    one:enable "r"
    one:write "echo"
  end))
end)
