local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local loop, connected, drain = helper.loop, helper.connected, helper.drain

describe("bufferevent", function()
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
end)
