local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local loop, connected, drain = helper.loop, helper.connected, helper.drain
local EPIPE, ENOTCONN, EBUSY, ETIMEDOUT = 32, 107, 16, 110

describe("bufferevent", function()
  it("takes the socket over", loop(function(base)
    local one, other = libevent.socketpair()
    local fd = one:fd()
    local bev = base:bufferevent(one)
    assert.is_true(one:is_closed())
    assert.equal(fd, bev:fd())
    assert.equal("w", bev:enabled())
    bev:close()
    other:close()
    assert.is_nil(base:bufferevent():fd())
  end))

  it("tells of what comes and of the end", loop(function(base, expect)
    local bev, fd = connected(base)
    bev:setcb {
      read = expect(function(self)
        assert.equal(bev, self)
        assert.equal("hello", self:read())
        assert.is_nil(self:read())
        posix.close(fd)
      end),
      event = expect(function(self, ...)
        assert.same({ bev, "eof", "r", n = 3 }, table.pack(self, ...))
        assert.equal("w", self:enabled())
        self:close()
      end),
    }
    assert.is_true(bev:enable "r")
    assert.equal("rw", bev:enabled())
    posix.write(fd, "hello")
  end))

  it("reports an error of a write to a peer that is gone",
    loop(function(base, expect)
      local bev, fd = connected(base)
      bev:setcb { event = expect(function(_, ...)
        assert.same({ "error", "w", "write: Broken pipe", EPIPE }, { ... })
        assert.same({ nil, "write: Broken pipe", EPIPE }, { bev:write "y" })
        assert.matches("broken$", tostring(bev))
        bev:close()
      end) }
      posix.close(fd)
      assert.equal(1, bev:write "x")
    end))

  it("lives while its output is not sent, and then no longer",
    loop(function(base)
      local before = helper.descriptors()
      local bev, fd = connected(base)
      local big = ("x"):rep(1000000)
      assert.is_true(bev:write(big) > 0)
      bev = nil -- luacheck: ignore
      collectgarbage()
      local got = 0
      local event = base:event(fd, "rp", function(event)
        local data, last = drain(fd)
        got = got + #data
        collectgarbage()
        if last == "" then
          event:close()
        end
      end)
      event:add(30)
      base:loop()
      assert.equal(#big, got)
      posix.close(fd)
      assert.equal(before, helper.descriptors())
    end))

  it("is collected, and closed, when nothing can call back",
    loop(function(base)
      for _, callbacks in ipairs { {}, { write = print } } do
        local bev, fd = connected(base)
        bev:setcb(callbacks)
        bev:enable "r"
        bev = nil -- luacheck: ignore
        collectgarbage()
        collectgarbage()
        assert.equal("", posix.read(fd))
        posix.close(fd)
      end
    end))

  it("can be closed in any of its callbacks", function()
    for _, options in ipairs { { linger = 0.01 },
      { linger = 0.02 } } do
      for _, kind in ipairs { "read", "write", "event" } do
        loop(function(base, expect)
          local bev, fd = connected(base, options)
          bev:setcb { [kind] = expect(function(self)
            self:close()
            self:close()
            assert.error_matches(function()
              self:read()
            end, "attempt to use a closed bufferevent")
          end) }
          bev:enable "rw"
          bev:write "x"
          posix.write(fd, "y")
          if kind == "event" then
            posix.close(fd)
            fd = nil
          end
          base:loop()
          if fd then
            posix.close(fd)
          end
        end)()
      end
    end
  end)

  it("reports a read timeout and stops reading", loop(function(base, expect)
    local bev, fd = connected(base)
    bev:set_timeouts(0.01)
    bev:setcb { event = expect(function(_, ...)
      assert.same({ "timeout", "r", "timed out", ETIMEDOUT }, { ... })
      assert.equal("w", bev:enabled())
      bev:close()
      posix.close(fd)
    end) }
    bev:enable "r"
  end))

  it("reports a write timeout", loop(function(base, expect)
    local bev, fd = connected(base)
    bev:set_timeouts(nil, 0.02)
    bev:setcb { event = expect(function(_, ...)
      assert.same({ "timeout", "w", "timed out", ETIMEDOUT }, { ... })
      bev:close "now"
      posix.close(fd)
    end) }
    assert.is_true(bev:write(("x"):rep(1000000)) > 0)
  end))

  it("is no timeout when input came in the same turn",
    loop(function(base, expect)
      local bev, fd = connected(base)
      bev:set_timeouts(0.02)
      bev:setcb {
        read = expect(function()
          assert.equal("in time", bev:read())
          bev:close()
          posix.close(fd)
        end),
        event = expect(nil, 0),
      }
      bev:enable "r"
      base:timer(expect(function()
        posix.spin(0.05)
        posix.write(fd, "in time")
      end)):add(0)
    end))

  it("ends nothing where there is no connection", loop(function(base)
    for _, how in ipairs { "r", "w", "rw" } do
      local bev = base:bufferevent()
      assert.same({ nil,
        "shutdown: Transport endpoint is not connected", ENOTCONN },
        { bev:shutdown(how) })
      bev:close()
    end
  end))

  it("ends what it sends after the output", loop(function(base, expect)
    local bev, fd = connected(base)
    local big = ("x"):rep(500000)
    assert.is_true(bev:write(big) > 0)
    assert.is_true(bev:shutdown "w")
    assert.same({ nil, "write: Broken pipe", EPIPE }, { bev:write "more" })
    local got = 0
    bev:setcb { read = expect(function()
      assert.equal("still reading", bev:read())
      bev:close()
      posix.close(fd)
    end) }
    bev:enable "r"
    base:event(fd, "rp", function(event)
      local data, last = drain(fd)
      got = got + #data
      if last == "" then
        assert.equal(#big, got)
        event:close()
        posix.write(fd, "still reading")
      end
    end):add()
  end))

  it("reads no more after a shutdown of that", loop(function(base, expect)
    local bev, fd = connected(base)
    bev:setcb { event = expect(function(_, what, direction)
      assert.same({ "eof", "r" }, { what, direction })
      assert.equal(0, bev:write "still sent")
      assert.equal("still sent", posix.read(fd))
      bev:close()
      posix.close(fd)
    end), read = error }
    bev:enable "r"
    assert.is_true(bev:shutdown "r")
    assert.is_false(pcall(posix.write, fd, "x"))
  end))

  it("gives its connection away", loop(function(base, expect)
    local bev, fd = connected(base)
    bev:setcb { read = expect(function()
      local number = bev:fd()
      local socket, input = bev:detach()
      assert.equal("left over", input)
      assert.equal(number, socket:fd())
      assert.is_true(bev:is_closed())
      local again = base:bufferevent()
      again:setfd(socket)
      assert.error_matches(function()
        again:setfd(assert(libevent.socketpair()))
      end, "has a socket already")
      again:write "hello"
      assert.equal("hello", posix.read(fd))
      again:close()
      posix.close(fd)
    end) }
    bev:enable "r"
    posix.write(fd, "left over")
  end))

  it("gives nothing away that is not all here", loop(function(base)
    local bev, fd = connected(base)
    bev:write(("x"):rep(1000000))
    assert.same({ nil, "detach: Device or resource busy", EBUSY },
      { bev:detach() })
    bev:close "now"
    posix.close(fd)
    assert.same({ nil, "detach: Transport endpoint is not connected",
      ENOTCONN }, { base:bufferevent():detach() })
  end))

  it("calls back when triggered", loop(function(base, expect)
    local bev, fd = connected(base)
    bev:setcb { read = expect(), write = expect(function()
      bev:close()
      posix.close(fd)
    end) }
    bev:trigger "rw"
  end))

  it("says what it is", loop(function(base)
    local bev, fd = connected(base)
    assert.matches("^libevent%.bufferevent: 0x%x+ fd %d+ unix: → unix: idle$",
      tostring(bev))
    assert.matches(" no socket idle$", tostring(base:bufferevent()))
    bev:enable "r"
    assert.matches(" reading$", tostring(bev))
    bev:write(("x"):rep(1000000))
    bev:close()
    assert.matches(" closing$", tostring(bev))
    posix.close(fd)
    base:loop()
    assert.matches(" closed$", tostring(bev))
  end))
end)
