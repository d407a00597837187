-- A finalizer may run wherever a call allocates, and close or change the very
-- object that is at work.

local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local loop, connected = helper.loop, helper.connected

--- Calls call(...) while its first allocation runs a finalizer; returns what
-- pcall does.
local function with_finalizer(finalizer, call, ...)
  collectgarbage()
  collectgarbage "stop"
  setmetatable({}, { __gc = finalizer })
  local mode = collectgarbage("incremental", 100, 1000, 30)
  collectgarbage "restart"
  local results = table.pack(pcall(call, ...))
  collectgarbage("incremental", 200, 100, 13)
  collectgarbage(mode)
  return table.unpack(results, 1, results.n)
end

--- Without the collector of a stress run: the moment matters here.
local function precisely(fn)
  return loop(function(base, expect)
    debug.sethook()
    fn(base, expect)
  end)
end

describe("a finalizer in the middle of a call", function()
  it("may close the bufferevent that is detached, or write to it",
    precisely(function(base)
      local bev, fd = connected(base)
      local ok, message = with_finalizer(function()
        bev:close()
      end, bev.detach, bev)
      assert.is_false(ok)
      assert.matches("attempt to use a closed bufferevent", message)
      posix.close(fd)
      bev, fd = connected(base)
      local big = ("x"):rep(1000000)
      assert.same({ true, nil, "detach: Device or resource busy", 16 },
        { with_finalizer(function()
          bev:write(big)
        end, bev.detach, bev) })
      bev:close "now"
      posix.close(fd)
    end))

  it("may close the buffer that is searched for a number",
    precisely(function()
      local buffer = libevent.evbuffer "12345"
      local ok, message = with_finalizer(function()
        buffer:close()
      end, buffer.search, buffer, 34)
      assert.is_false(ok)
      assert.matches("attempt to use a closed evbuffer", message)
    end))

  it("may ask for the same view", precisely(function(base)
    local bev, fd = connected(base)
    local first
    local _, second = with_finalizer(function()
      first = bev:output()
    end, bev.output, bev)
    assert.equal(first, second)
    bev:close()
    assert.is_true(first:is_closed())
    posix.close(fd)
  end))

  it("may add a long string while another is added", precisely(function()
    helper.prints("true\n", [[
      local libevent = require "libevent"
      local outer, inner = libevent.evbuffer(), libevent.evbuffer()
      local secret, long = ("secret"):rep(20000), ("x"):rep(100000)
      collectgarbage "stop"
      setmetatable({}, { __gc = function() inner:add(secret .. "!") end })
      collectgarbage("incremental", 100, 1000, 30)
      collectgarbage "restart"
      outer:add(long)
      collectgarbage()
      collectgarbage()
      print(inner:remove() == secret .. "!")
    ]])
  end))

  it("may take bytes while others are taken: none comes twice",
    precisely(function()
      -- Long ones: a short string may be there already, and need no memory.
      local a, b, c = ("a"):rep(50), ("b"):rep(50), ("c"):rep(50)
      local buffer = libevent.evbuffer(a .. b .. c)
      local inner
      local _, outer = with_finalizer(function()
        inner = buffer:remove(50)
      end, buffer.remove, buffer, 50)
      assert.same({ a, b, c }, { inner, outer, buffer:remove() })
      buffer:add(a, "\n", b, "\n", c, "\n")
      _, outer = with_finalizer(function()
        inner = buffer:readln()
      end, buffer.readln, buffer)
      assert.same({ a, b, c }, { inner, outer, buffer:readln() })
    end))

  it("may close what lingers", precisely(function(base)
    for padding = 0, 150, 10 do
      local bev, fd = connected(base)
      bev:write(("x"):rep(1000000))
      local co = coroutine.create(function(...)
        return select("#", ...), bev:close()
      end)
      with_finalizer(function()
        bev:close "now"
      end, coroutine.resume, co, table.unpack({}, 1, padding))
      bev:close "now"
      assert.is_true(bev:is_closed())
      posix.close(fd)
    end
    assert.same({}, base:objects())
  end))

  it("may add a change callback while another is added",
    precisely(function()
      local buffer, seen = libevent.evbuffer(), {}
      with_finalizer(function()
        buffer:add_cb(function()
          seen[#seen + 1] = "inner"
        end)
      end, buffer.add_cb, buffer, function()
        seen[#seen + 1] = "outer"
      end)
      buffer:add "x"
      table.sort(seen)
      assert.same({ "inner", "outer" }, seen)
    end))

  it("may close what is prepended to: its sources keep theirs",
    precisely(function()
      local buffer, source = libevent.evbuffer(), libevent.evbuffer "kept"
      local ok = with_finalizer(function()
        buffer:close()
      end, buffer.prepend, buffer, source)
      assert.is_false(ok)
      assert.equal("kept", source:remove())
    end))
end)

describe("a change callback that raises", function()
  local function fail()
    error("oops", 0)
  end

  it("leaves no output behind that nobody sends", loop(function(base)
    local bev, fd = connected(base)
    local source = libevent.evbuffer "hello"
    source:add_cb(fail)
    local output = bev:output()
    assert.same({ false, "oops" }, { pcall(output.add, output, source) })
    bev, output = nil, nil -- luacheck: ignore
    collectgarbage()
    base:loop "once"
    assert.equal("hello", posix.read(fd))
    posix.close(fd)
  end))

  it("leaves no input full for ever", loop(function(base, expect)
    local bev, fd = connected(base)
    local failing, got = libevent.evbuffer "x", 0
    failing:add_cb(fail)
    bev:setwatermark("r", 0, 3)
    bev:setcb { read = expect(function()
      got = got + 1
      if got == 2 then
        bev:close "now"
        posix.close(fd)
      end
    end, 2) }
    bev:enable "r"
    posix.write(fd, "abc")
    base:loop "once"
    posix.write(fd, "def")
    local target = libevent.evbuffer()
    assert.is_false(pcall(target.add, target, failing, bev:input()))
    assert.equal("xabc", target:remove())
  end))
end)

describe("a pair", function()
  it("tells the end once, and at close 'now', too",
    loop(function(base, expect)
      local one, other = base:pair()
      other:setcb { event = expect() }
      one:shutdown "w"
      base:loop()
      one:shutdown "w"
      base:loop()
      assert.error_matches(function()
        one:output():add "late"
      end, "the bufferevent sends no more")
      one:close()
      base:loop()
      other:close()
      one, other = base:pair()
      other:setcb { event = expect() }
      one:close "now"
      base:loop()
      other:close()
    end))

  it("times out neither after the end nor while the input is full",
    loop(function(base, expect)
      local one, other = base:pair()
      one:setcb { event = expect(function(_, what)
        assert.equal("eof", what)
      end) }
      one:set_timeouts(0.01)
      one:enable "r"
      other:shutdown "w"
      assert.equal("empty", base:loop())
      one:close()
      other:close()
      one, other = base:pair()
      one:setcb { event = expect(nil, 0) }
      one:setwatermark("r", 0, 3)
      one:set_timeouts(0.01)
      one:enable "r"
      other:write "abcdef"
      assert.equal("empty", base:loop())
      assert.equal(3, #one:input())
      one:close "now"
      other:close "now"
    end))

  it("may close the socket that is taken over", precisely(function(base)
    for name, argument in pairs {
      stream = {}, bufferevent = {}, listener = {}, udp = {},
    } do
      local socket = assert(libevent.socket(posix.datagram()))
      local ok, message = with_finalizer(function()
        socket:close()
      end, base[name], base, socket, argument)
      assert.is_false(ok, name)
      assert.matches("bad argument #%d to '[?%w]+' %(attempt to use a "
        .. "closed socket%)", message, 1, false, name)
      assert.same({}, base:objects())
    end
  end))
end)
