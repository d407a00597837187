local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local loop, connected = helper.loop, helper.connected
local EPIPE, ENOTCONN, EBUSY, ETIMEDOUT = 32, 107, 16, 110

--- Reads what a descriptor has.
local function drain(fd)
  local parts = {}
  while true do
    local data = posix.read(fd)
    if not data or data == "" then
      return table.concat(parts), data
    end
    parts[#parts + 1] = data
  end
end

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

  it("reads up to n bytes, leaving the rest", loop(function(base, expect)
    local bev, fd = connected(base)
    bev:setcb { read = expect(function()
      assert.equal("", bev:read(0))
      assert.equal("a", bev:read(1))
      assert.equal("bc", bev:read(2))
      assert.equal(3, #bev:input())
      assert.equal("def", bev:read(100))
      assert.is_nil(bev:read(100))
      bev:close()
      posix.close(fd)
    end) }
    bev:enable "r"
    posix.write(fd, "abcdef")
  end))

  it("writes strings, numbers, lists and buffers at once",
    loop(function(base)
      local bev, fd = connected(base)
      local buffer = libevent.evbuffer("in a ", "buffer ")
      assert.equal(0, bev:write())
      assert.equal(0, bev:write "")
      assert.equal(0, bev:write "one ")
      assert.equal(0, bev:write("two ", 3, " ", { "fo", "ur ", 5 }, " "))
      assert.equal(0, bev:write(buffer))
      assert.equal(0, #buffer)
      assert.equal("one two 3 four 5 in a buffer ", drain(fd))
      buffer:add "mixed"
      assert.equal(9, bev:write("and ", buffer)) -- through the output
      assert.equal(9, #bev:output())
      base:loop "once"
      assert.equal("and mixed", drain(fd))
      bev:close()
      posix.close(fd)
    end))

  it("queues what the socket does not take, and sends it in order",
    loop(function(base, expect)
      local bev, fd = connected(base)
      local parts, total = {}, 0
      for i = 1, 40 do
        parts[i] = (string.char(64 + i)):rep(i % 3 == 0 and 70000 or 5000)
        total = total + #parts[i]
        local pending = bev:write(parts[i])
        assert.equal(pending, #bev:output())
      end
      local got = {}
      base:event(fd, "rp", function(event)
        got[#got + 1] = drain(fd)
        total = total - #got[#got]
        if total == 0 then
          event:close()
        end
      end):add()
      bev:setcb { write = expect(function()
        assert.equal(0, #bev:output())
      end) }
      base:loop()
      assert.is_true(table.concat(parts) == table.concat(got))
      bev:close()
      posix.close(fd)
    end))

  it("calls the write callback when a write went out at once",
    loop(function(base, expect)
      local bev, fd = connected(base)
      bev:setcb { write = expect(function(self)
        self:close()
        posix.close(fd)
      end) }
      assert.equal(0, bev:write "x")
      bev = nil -- luacheck: ignore
    end))

  it("holds back what is written while sending is disabled",
    loop(function(base, expect)
      local bev, fd = connected(base)
      bev:disable "w"
      assert.equal(3, bev:write "abc")
      base:loop "nowait"
      assert.is_nil(posix.read(fd))
      bev:setcb { write = expect(function()
        assert.equal("abc", posix.read(fd))
        bev:close()
        posix.close(fd)
      end) }
      bev:enable "w"
    end))

  it("accepts all or nothing", loop(function(base)
    local bev, fd = connected(base)
    local buffer = libevent.evbuffer "kept"
    for _, bad in ipairs { true, print, io.stdout, bev } do
      assert.error_matches(function()
        bev:write("a", buffer, bad)
      end, "bad argument #3 to 'write' %(string, table or evbuffer expected")
    end
    assert.error_matches(function()
      bev:write { "a", {} }
    end, "bad argument #1 to 'write' %(string expected at 2, got table%)")
    assert.error_matches(function()
      bev:write(bev:output())
    end, "can only be added to")
    assert.equal("kept", buffer:remove())
    assert.is_nil(posix.read(fd))
    bev:close()
    posix.close(fd)
  end))

  it("echoes by moving the input to the output", loop(function(base, expect)
    local bev, fd = connected(base)
    bev:setcb { read = expect(function()
      bev:write(bev:input())
      assert.equal(0, #bev:input())
      assert.equal("ping", posix.read(fd))
      bev:close()
      posix.close(fd)
    end) }
    bev:enable "r"
    posix.write(fd, "ping")
  end))

  it("moves its input to a buffer", loop(function(base, expect)
    local bev, fd = connected(base)
    local buffer, told = libevent.evbuffer "x", {}
    buffer:add_cb(function(_, added)
      told[#told + 1] = added
    end)
    assert.equal(0, bev:read_buffer(buffer))
    bev:setcb { read = expect(function()
      assert.equal(2, bev:read_buffer(buffer, 2))
      assert.equal(1, bev:read_buffer(buffer))
      assert.same({ "xabc", 0 }, { buffer:copyout(), #bev:input() })
      assert.same({ 2, 1 }, told)
      assert.equal(3, base:counters().bytes_read)
      bev:close()
      posix.close(fd)
    end) }
    bev:enable "r"
    posix.write(fd, "abc")
  end))

  it("goes on to read when its input is moved to a buffer",
    loop(function(base, expect)
      local bev, fd = connected(base)
      local other, rest = base:pair()
      bev:setwatermark("r", 0, 4)
      bev:setcb { read = expect(function()
        bev:read_buffer(other:output())
      end, 2) }
      rest:setcb { read = function()
        if #rest:input() == 8 then
          assert.equal("abcdefgh", rest:read())
          bev:close()
          posix.close(fd)
        else
          posix.write(fd, "efgh")
        end
      end }
      bev:enable "r"
      rest:enable "r"
      posix.write(fd, "abcd")
    end))

  it("has views of its buffers that only go one way", loop(function(base)
    local bev, fd = connected(base)
    local input, output = bev:input(), bev:output()
    assert.equal(input, bev:input())
    assert.error_matches(function()
      input:add "x"
    end, "the input of a bufferevent can only be taken from")
    for _, method in ipairs { "remove", "drain", "copyout", "readln",
      "search_eol", "contiguous_space" } do
      assert.error_matches(function()
        output[method](output)
      end, "the output of a bufferevent can only be added to")
    end
    output:add "through the output"
    output = nil -- luacheck: ignore
    base:loop "once"
    assert.equal("through the output", posix.read(fd))
    input:close()
    assert.equal(0, #bev:input())
    input = bev:input()
    bev:close()
    assert.is_true(input:is_closed())
    assert.error_matches(function()
      return #input
    end, "attempt to use a closed evbuffer")
    posix.close(fd)
  end))

  it("tells of changes that libevent makes to its buffers",
    loop(function(base, expect)
      local bev, fd = connected(base)
      local big = ("x"):rep(200000)
      bev:setwatermark("r", 100)
      bev:input():add_cb(expect(function(input, added, deleted, before)
        assert.equal(bev:input(), input)
        assert.same({ 5, 0, 0 }, { added, deleted, before })
      end))
      bev:enable "r"
      posix.write(fd, "hello")
      base:loop "once"
      local told = 0
      bev:output():add_cb(function(_, added, deleted)
        told = told + added - deleted
      end)
      assert.equal(#big, bev:write(big))
      assert.equal(#big, told)
      while #bev:output() > 0 do
        base:loop "once"
        drain(fd)
      end
      base:loop "nowait"
      assert.equal(0, told)
      bev:close()
      posix.close(fd)
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
