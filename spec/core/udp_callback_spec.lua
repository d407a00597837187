local helper = require "spec.helper"

local run, loop = helper.run, helper.loop

local ECONNREFUSED = 111

local function bound(base)
  local udp = assert(base:udp "127.0.0.1:0")
  return udp, udp:getsockname()
end

describe("a UDP socket with callbacks", function()
  it("gets each datagram", loop(function(base, expect)
    local one, here = bound(base)
    local other, there = bound(base)
    local log = {}
    one:setcb { read = expect(function(self, data, peer)
      assert.equal(one, self)
      assert.equal(there, peer)
      log[#log + 1] = data
      if #log == 3 then
        one:close()
        other:close()
      end
    end, 3) }
    other:sendbatch { "a", here, "", here, "c", here }
    base:dispatch()
    assert.same({ "a", "", "c" }, log)
  end))

  it("lives as long as it may call back", loop(function(base, expect)
    local address
    do
      local one
      one, address = bound(base)
      one:setcb { read = expect(function(self, data, peer)
        self:sendto(data, peer)
        self:close()
      end) }
    end
    collectgarbage()
    local other, here = bound(base)
    other:setcb { read = expect(function(self, data, peer)
      assert.same({ "x", address }, { data, peer })
      self:setcb()
    end) }
    assert.not_equal(address, here)
    other:sendto("x", address)
  end))

  it("gets no more than 64 in one turn", loop(function(base, expect)
    local one, here = bound(base)
    local n, at = 0, nil
    one:setcb { read = expect(function(self)
      n = n + 1
      if n == 1 then
        base:timer(function()
          at = n
        end):add(0)
      elseif n == 150 then
        self:close()
      end
    end, 150) }
    for _ = 1, 150 do
      one:sendto("x", here)
    end
    base:dispatch()
    assert.is_true(at <= 128)
  end))

  it("gets none while it is disabled", loop(function(base, expect)
    local one, here = bound(base)
    local log = {}
    assert.is_true(one:setcb { read = expect(function(self, data)
      log[#log + 1] = data
      if data == "b" then
        self:close()
      else
        assert.is_true(self:disable "r")
        base:timer(expect(function()
          assert.same({ "a" }, log)
          self:enable "r"
        end)):add(0.001)
      end
    end, 2) })
    one:sendbatch { "a", here, "b", here }
    base:dispatch()
    assert.same({ "a", "b" }, log)
  end))

  it("is told of errors, and goes on", loop(function(base, expect)
    local gone, address = bound(base)
    gone:close()
    local one = bound(base)
    local again
    one:connect(address)
    one:setcb {
      error = expect(function(self, message, code)
        assert.equal(one, self)
        assert.same({ "Connection refused", ECONNREFUSED }, { message, code })
        again = assert(base:udp(address))
        again:sendto("here", self:getsockname())
      end),
      read = expect(function(self, data)
        assert.equal("here", data)
        self:close()
        again:close()
      end),
    }
    one:send "x"
  end))

  it("goes on after an error that nobody is told of", loop(
    function(base, expect)
    local gone, address = bound(base)
    gone:close()
    local one = bound(base)
    one:connect(address)
    one:setcb { read = expect(function(self, data)
      assert.equal("here", data)
      self:close()
    end) }
    one:send "x"
    base:timer(expect(function()
      local again <close> = assert(base:udp(address))
      again:sendto("here", one:getsockname())
    end)):add(0)
  end))

  it("goes on after an error in a callback", loop(function(base, expect)
    local one, here = bound(base)
    local log = {}
    base:on_error(function(message, _, object)
      assert.equal(one, object)
      log[#log + 1] = message
    end)
    one:setcb { read = expect(function(self, data)
      if data == "b" then
        self:close()
      end
      error(data, 0)
    end, 2) }
    one:sendbatch { "a", here, "b", here }
    base:dispatch()
    assert.same({ "a", "b" }, log)
  end))

  it("lets what was deferred run in between", loop(function(base, expect)
    local one, here = bound(base)
    local log = {}
    one:setcb { read = expect(function(self, data)
      log[#log + 1] = data
      base:defer(function()
        log[#log + 1] = "deferred"
        if data == "b" then
          self:close()
        end
      end)
    end, 2) }
    one:sendbatch { "a", here, "b", here }
    base:dispatch()
    assert.same({ "a", "deferred", "b", "deferred" }, log)
  end))

  it("ends with the loop", loop(function(base, expect)
    local one, here = bound(base)
    one:setcb { read = expect(function()
      base:loopbreak()
    end) }
    one:sendbatch { "a", here, "b", here }
    assert.equal("break", base:loop())
    base:close()
    assert.is_true(one:is_closed())
  end))

  it("has no task that receives", run(function(base)
    local one <close> = bound(base)
    one:setcb { read = print }
    assert.error_matches(function()
      one:recvfrom()
    end, "the socket has a read callback")
    one:disable()
    assert.is_nil((one:recvfrom(0)))
  end))

  it("refuses bad arguments", loop(function(base)
    local one <close> = bound(base)
    helper.badargs(one.enable, one, "?letters")
    helper.badargs(one.disable, one, "?letters")
    for _, bad in ipairs { 1, "x", { read = 1 }, { error = "x" },
      { write = print } } do
      assert.error_matches(function()
        one:setcb(bad)
      end, "bad argument #1 to 'setcb'")
    end
  end))
end)
