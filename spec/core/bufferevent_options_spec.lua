local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local loop, connected = helper.loop, helper.connected

describe("watermarks of a bufferevent", function()
  it("are what was set", loop(function(base)
    local bev <close> = base:bufferevent()
    assert.same({ 0 }, { bev:getwatermark "r" })
    bev:setwatermark("rw", 10, 20)
    assert.same({ 10, 20 }, { bev:getwatermark "r" })
    assert.same({ 10, 20 }, { bev:getwatermark "w" })
    bev:setwatermark("r", nil, 5)
    assert.same({ 0, 5 }, { bev:getwatermark "r" })
    bev:setwatermark "r"
    assert.same({ 0 }, { bev:getwatermark "r" })
    assert.same({ 10, 20 }, { bev:getwatermark "w" })
  end))

  it("hold the read callback back until there is enough",
    loop(function(base, expect)
      local bev, fd = connected(base)
      bev:setwatermark("r", 4)
      bev:setcb { read = expect(function(self)
        assert.equal("abcd", self:read())
        self:close()
        posix.close(fd)
      end) }
      bev:enable "r"
      posix.write(fd, "ab")
      base:loop "once"
      posix.write(fd, "cd")
    end))

  it("pause reading while the input is full", loop(function(base)
    local bev, fd = connected(base)
    local sent, got = 0, 0
    bev:setwatermark("r", 0, 10000)
    bev:setcb { read = function() end }
    bev:enable "r"
    local function fill()
      local ok, n = pcall(posix.write, fd, ("x"):rep(4096))
      sent = sent + (ok and n or 0)
      return ok
    end
    while fill() do end -- the socket is full
    for _ = 1, 20 do
      base:loop "nowait"
    end
    assert.is_true(#bev:input() >= 10000 and #bev:input() <= 10000 + 4096)
    assert.equal("rw", bev:enabled())
    while got < sent do
      got = got + #bev:read(1000)
      for _ = 1, 3 do
        base:loop "nowait"
      end
      assert.is_true(#bev:input() <= 10000 + 4096)
    end
    assert.equal(sent, got)
    bev:close()
    posix.close(fd)
  end))

  it("pause and go on by whatever takes from the input",
    loop(function(base)
      local bev, fd = connected(base)
      bev:setwatermark("r", 0, 4)
      bev:enable "r"
      for i, take in ipairs {
        function() return bev:read() end,
        function() return bev:input():remove() end,
        function() return libevent.evbuffer(bev:input()):remove() end,
        function()
          local buffer = libevent.evbuffer()
          bev:input():remove_buffer(buffer)
          return buffer:remove()
        end,
        function() bev:setwatermark("r", 0, 100) end,
      } do
        posix.write(fd, "12345")
        base:loop "once"
        assert.equal(5, #bev:input(), i)
        posix.write(fd, "67890")
        base:loop "nowait"
        assert.equal(5, #bev:input(), i)
        take()
        base:loop "once"
        assert.is_true(#bev:input() >= 5, i)
        bev:read()
      end
      bev:close()
      posix.close(fd)
    end))

  it("call the write callback while there still is output",
    loop(function(base, expect)
      local bev, fd = connected(base)
      local left
      bev:setwatermark("w", 100000)
      bev:setcb { write = expect(function()
        left = left or #bev:output()
        bev:setcb()
      end) }
      bev:write(("x"):rep(1000000))
      while not left do
        posix.read(fd)
        base:loop "nowait"
      end
      assert.is_true(left > 0 and left <= 100000)
      bev:close "now"
      posix.close(fd)
    end))
end)

describe("options of a bufferevent", function()
  it("have a priority", loop(function(base, expect)
    local seen = {}
    for _, priority in ipairs { 2, 0, 1 } do
      local bev, fd = connected(base)
      assert.equal(1, bev:priority())
      assert.is_true(bev:priority_set(priority))
      assert.equal(priority, bev:priority())
      bev:setcb { read = expect(function()
        seen[#seen + 1] = priority
        bev:read()
        bev:close()
        posix.close(fd)
      end) }
      bev:enable "r"
      posix.write(fd, "x")
    end
    local pair <close> = base:pair()
    assert.same({ nil, "priority_set: Operation not supported", 95 },
      { pair:priority_set(0) })
    base:loop()
    assert.same({ 0, 1, 2 }, seen)
  end, { priorities = 3 }))

  it("have sizes of one read and one write", loop(function(base)
    local bev <close> = base:bufferevent()
    for _, name in ipairs { "max_single_read", "max_single_write" } do
      assert.equal(16384, bev[name](bev))
      bev["set_" .. name](bev, 1000)
      assert.equal(1000, bev[name](bev))
      bev["set_" .. name](bev)
      assert.equal(16384, bev[name](bev))
    end
  end))

  it("read no more than the size of one read", loop(function(base)
    local bev, fd = connected(base)
    bev:set_max_single_read(3)
    bev:enable "r"
    posix.write(fd, "abcdef")
    base:loop "once"
    assert.equal("abc", bev:read())
    bev:close "now"
    posix.close(fd)
  end))

  it("have callbacks that can be taken back", loop(function(base, expect)
    local bev, fd = connected(base)
    local function none() end
    bev:setcb { read = none, write = none, event = none }
    assert.same({ none, none, none }, { bev:getcb() })
    bev:setcb { read = expect(nil, 0) }
    assert.same({ n = 3 }, table.pack(select(2, bev:getcb()), nil, nil))
    bev:setcb()
    bev:enable "r"
    posix.write(fd, "x")
    base:loop "nowait"
    bev:close "now"
    posix.close(fd)
  end))

  it("refuse bad arguments", function()
    local base <close> = libevent.event_base()
    local bev <close> = base:bufferevent()
    helper.badargs(bev.enable, bev, "letters")
    helper.badargs(bev.disable, bev, "letters")
    helper.badargs(bev.trigger, bev, "letters")
    helper.badargs(bev.shutdown, bev, "letters")
    helper.badargs(bev.flush, bev, "letters, ?mode", { "rw" })
    helper.badargs(bev.getwatermark, bev, "letter")
    helper.badargs(bev.setwatermark, bev, "letters, ?integer, ?integer",
      { "r", 0 })
    helper.badargs(bev.set_timeouts, bev, "?seconds, ?seconds", { 1 })
    helper.badargs(bev.priority_set, bev, "integer")
    helper.badargs(bev.set_max_single_read, bev, "?integer")
    helper.badargs(bev.set_max_single_write, bev, "?integer")
    helper.badargs(bev.setcb, bev, "?table")
    helper.badargs(bev.setfd, bev, "socket")
    helper.badargs(bev.read_buffer, bev, "evbuffer")
    for _, bad in ipairs { -1, 0.5, "x", {} } do
      assert.error_matches(function()
        bev:read(bad)
      end, "bad argument #1 to 'read'")
    end
    for _, call in ipairs {
      { function() bev:setcb { red = print } end, "unknown option 'red'" },
      { function() bev:setcb { read = 1 } end,
        "option 'read': function expected, got number" },
      { function() bev:setwatermark("r", 5, 4) end,
        "the high watermark is below the low one" },
      { function() bev:set_timeouts(0) end, "seconds above 0 expected" },
      { function() bev.read(base) end,
        "libevent.bufferevent expected, got libevent.event_base" },
      { function() bev:read_buffer(libevent.evbuffer(), -1) end,
        "bad argument .*integer from 0 on expected" },
      { function() bev:read_buffer(bev:input()) end,
        "the input of a bufferevent can only be taken from" },
    } do
      assert.error_matches(call[1], call[2])
    end
  end)
end)
