local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local loop = helper.loop

--- A stream, and the descriptor of its peer.
local function peered(base, options)
  local one, other = assert(libevent.socketpair())
  return base:stream(one, options), other:detach()
end

describe("a stream with callbacks", function()
  it("gets data, and then the end", loop(function(base, expect)
    local stream, fd = peered(base)
    local log = {}
    stream:setcb {
      read = expect(function(self, data)
        assert.equal(stream, self)
        log[#log + 1] = data
        posix.write(fd, "more")
        posix.close(fd)
        self:setcb {
          read = expect(function(_, more)
            log[#log + 1] = more
          end),
          event = expect(function(_, what, direction, message, code)
            log[#log + 1] = what .. direction
            assert.is_nil(message)
            assert.is_nil(code)
            self:close()
          end),
        }
      end),
    }
    posix.write(fd, "data")
    base:dispatch()
    assert.same({ "data", "more", "eofr" }, log)
  end))

  it("gets what had come before", loop(function(base, expect)
    local stream, fd = peered(base)
    stream:unread "early"
    stream:setcb { read = expect(function(_, data)
      assert.equal("early", data)
      stream:close()
    end) }
    base:dispatch()
    posix.close(fd)
  end))

  it("is told when all is written", loop(function(base, expect)
    local stream, fd = peered(base)
    local text = ("x"):rep(600000)
    local n = 0
    stream:setcb { write = expect(function(self)
      assert.same({ 0, 0 }, { self:pending() })
      self:close()
    end) }
    assert.is_true(stream:write(text) > 0)
    local reader = base:event(fd, "rp", function(event)
      local data = posix.read(fd)
      n = n + #data
      if data == "" then
        event:close()
      end
    end)
    reader:add()
    base:dispatch()
    assert.equal(#text, n)
    posix.close(fd)
  end))

  it("is told at once where nothing had to be queued",
    loop(function(base, expect)
    local stream, fd = peered(base)
    local written
    stream:setcb { write = expect(function()
      assert.is_true(written)
      stream:close()
    end) }
    stream:write "x"
    written = true
    base:dispatch()
    posix.close(fd)
  end))

  it("gets nothing while it is disabled, and loses nothing",
    loop(function(base, expect)
    local stream, fd = peered(base)
    posix.write(fd, "data")
    posix.close(fd)
    local enabled = false
    stream:setcb {
      read = expect(function(_, data)
        assert.is_true(enabled)
        assert.equal("data", data)
      end),
      event = expect(function(_, what)
        assert.equal("eof", what)
        stream:close()
      end),
    }
    stream:disable()
    base:timer(function()
      enabled = true
      stream:enable()
    end):add(0.01)
    base:dispatch()
  end))

  it("is told of a broken connection", loop(function(base, expect)
    local listener
    local peer
    listener = base:listener("127.0.0.1:0", nil, expect(function(_, socket)
      listener:close()
      base:stream(socket):setcb {
        read = expect(function() end),
        event = expect(function(self, what, direction, message, code)
          assert.same({ "error", "r", "Connection reset by peer", 104 },
            { what, direction, message, code })
          self:close()
        end),
      }
      base:timer(function()
        posix.reset(peer)
      end):add(0.01)
    end))
    peer = posix.connect(tonumber(listener:getsockname():match "%d+$"))
    posix.write(peer, "x")
    base:dispatch()
  end))

  it("is told of a write that nobody takes", loop(function(base, expect)
    local stream, fd = peered(base)
    posix.close(fd)
    stream:setcb { event = expect(function(_, what, direction, _, code)
      assert.same({ "error", "w", 32 }, { what, direction, code })
      stream:close()
    end) }
    assert.is_nil((stream:write "x"))
    base:dispatch()
  end))

  it("is told of timeouts, again and again", loop(function(base, expect)
    local stream, fd = peered(base)
    local n = 0
    stream:setcb { event = expect(function(_, what, direction, message, code)
      assert.same({ "timeout", "r", "timed out", 110 },
        { what, direction, message, code })
      n = n + 1
      if n == 2 then
        stream:close()
      end
    end, 2) }
    stream:timeouts(0.002)
    base:dispatch()
    posix.close(fd)
  end))

  it("has no timeout while data comes", loop(function(base, expect)
    local stream, fd = peered(base)
    local reads = 0
    stream:setcb {
      read = expect(function()
        reads = reads + 1
        if reads == 10 then
          stream:close()
        end
      end, 10),
      event = expect(nil, 0),
    }
    stream:timeouts(0.5)
    base:timer(function(timer)
      posix.write(fd, "x")
      if reads < 9 then
        timer:add(0.002)
      end
    end):add(0)
    base:dispatch()
    posix.close(fd)
  end))

  it("is told that output does not get on", loop(function(base, expect)
    local stream, fd = peered(base, { linger = 0 })
    stream:setcb { event = expect(function(_, what, direction)
      assert.same({ "timeout", "w" }, { what, direction })
      stream:close()
    end) }
    stream:timeouts(nil, 0.01)
    stream:write(("x"):rep(1000000))
    base:dispatch()
    posix.close(fd)
  end))

  it("is told that what is relayed does not get on, though it did before",
    loop(function(base, expect)
      local source, feed = helper.streams(base, { linger = 0 })
      local sink, fd = peered(base, { linger = 0 })
      local came, over = 0, false
      sink:setcb { event = expect(function(_, what, direction)
        assert.same({ "timeout", "w" }, { what, direction })
        over = true
        sink:close()
        source:close()
        feed:close()
        posix.close(fd)
      end) }
      sink:timeouts(nil, 0.01)
      sink:write(("x"):rep(1000000))
      assert.is_true(source:relay(sink))
      base:timer(function(timer)
        while not over and came < 1000000 do
          local data = posix.read(fd)
          if not data then
            return timer:add(0.001)
          end
          came = came + #data
        end
        base:timer(function()
          if not over then
            feed:write(("x"):rep(4000000))
          end
        end):add(0.03)
      end):add(0)
    end))

  it("is told that what is relayed does not get on, though nothing was there",
    loop(function(base, expect)
      local source, feed = helper.streams(base, { linger = 0 })
      local sink, fd = peered(base, { linger = 0 })
      sink:timeouts(nil, 0.01)
      sink:setcb { event = expect(function(_, what, direction)
        assert.same({ "timeout", "w" }, { what, direction })
        sink:close()
        source:close()
        feed:close()
        posix.close(fd)
      end) }
      assert.is_true(source:relay(sink))
      base:timer(function()
        feed:write(("x"):rep(4000000))
      end):add(0.03)
    end))

  it("lives by itself, and dies in its own callback",
    loop(function(base, expect)
    local one, other = libevent.socketpair()
    local fd = other:detach()
    base:stream(one):setcb {
      read = expect(function(self)
        self:close()
        collectgarbage()
        error "reported"
      end),
    }
    posix.write(fd, "x")
    assert.error_matches(function()
      base:dispatch()
    end, "reported")
    posix.close(fd)
  end))

  it("goes on after an error of a callback", loop(function(base, expect)
    local stream, fd = peered(base)
    local errors = 0
    base:on_error(function()
      errors = errors + 1
    end)
    stream:setcb { read = expect(function(_, data)
      if data == "two" then
        stream:close()
      end
      posix.write(fd, "two")
      error(data)
    end, 2) }
    posix.write(fd, "one")
    base:dispatch()
    assert.equal(2, errors)
    posix.close(fd)
  end))

  it("may not yield in them", loop(function(base)
    local stream, fd = peered(base)
    stream:setcb { read = function()
      coroutine.yield()
    end }
    posix.write(fd, "x")
    assert.error_matches(function()
      base:dispatch()
    end, "outside a coroutine")
    stream:close()
    posix.close(fd)
  end))

  it("keeps its timeouts where one is refused", helper.run(function(base)
    local stream, fd = peered(base)
    stream:timeouts(0.01)
    assert.is_false(pcall(stream.timeouts, stream, 1000, -1))
    assert.same({ nil, "timed out", libevent.errno.ETIMEDOUT },
      { stream:read() })
    stream:close()
    posix.close(fd)
  end))

  it("refuses bad arguments", loop(function(base)
    local stream, fd = peered(base)
    helper.badargs(stream.timeouts, stream, "?seconds, ?seconds", { 1 })
    assert.is_false(pcall(stream.setcb, stream, { read = 1 }))
    assert.is_false(pcall(stream.setcb, stream, { reed = print }))
    assert.is_false(pcall(stream.setcb, stream, 1))
    assert.error_matches(function()
      stream:timeouts(0)
    end, "seconds above 0 expected")
    stream:close()
    posix.close(fd)
  end))
end)
