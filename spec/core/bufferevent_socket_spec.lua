local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local loop = helper.loop
local ECONNREFUSED, ENOENT, EMFILE, ETIMEDOUT = 111, 2, 24, 110

--- A listener that hands each connection to fn as a bufferevent.
local function serve(base, address, fn)
  local listener
  listener = assert(base:listener(address, nil, function(_, socket)
    listener:close()
    fn(base:bufferevent(socket))
  end))
  return listener:getsockname()
end

describe("bufferevent:connect", function()
  for _, address in ipairs { "127.0.0.1:0", "[::1]:0", "unix:@",
    "unix:" .. os.tmpname() } do
    it("connects to " .. address:gsub("/.*", "/…"),
      loop(function(base, expect)
        if address == "unix:@" then
          address = "unix:@lua-libevent-" .. posix.getpid()
        end
        os.remove(address:match "^unix:(/.*)" or "")
        local at = serve(base, address, expect(function(bev)
          assert.matches(address:match "^[^0@/]*", bev:getsockname(), 1, true)
          bev:setcb { read = function()
            bev:write(bev:read():upper())
            bev:close()
          end }
          bev:enable "r"
        end))
        local client = base:bufferevent()
        local seen = {}
        client:setcb {
          read = expect(function(self)
            seen[#seen + 1] = self:read()
          end),
          event = expect(function(self, what, direction)
            seen[#seen + 1] = what
            if what == "connected" then
              assert.is_nil(direction)
              assert.equal(at, self:getpeername())
              self:write " world"
            else
              self:close()
            end
          end, 2),
        }
        client:write "hello"
        client:enable "r"
        assert.equal("rw", client:enabled())
        assert.is_true(client:connect(at))
        base:loop()
        assert.same({ "connected", "HELLO WORLD", "eof" }, seen)
      end))
  end

  it("reports a refused connection in the event callback",
    loop(function(base, expect)
      local free = serve(base, "127.0.0.1:0", function() end)
      base:objects() -- the listener is closed by the collector or here:
      local listener = base:listener("127.0.0.1:0", nil, print)
      free = listener:getsockname() or free
      listener:close()
      local bev = base:bufferevent()
      bev:setcb { event = expect(function(self, ...)
        assert.same({ "error", nil, "connect: Connection refused",
          ECONNREFUSED, n = 4 }, table.pack(...))
        assert.same({ nil, "write: Broken pipe", 32 }, { self:write "x" })
        self:close()
        base:loopexit()
      end) }
      bev:enable "r" -- must not hide the reason
      assert.is_true(bev:connect(free))
      bev = nil -- luacheck: ignore
      collectgarbage()
      base:loop()
      base:close()
    end))

  it("reports a path where nothing is in the event callback",
    loop(function(base, expect)
      local bev = base:bufferevent()
      bev:setcb { event = expect(function(self, ...)
        assert.same({ "error", nil, "connect: No such file or directory",
          ENOENT, n = 4 }, table.pack(...))
        self:close()
      end) }
      assert.is_true(bev:connect "unix:/no/such/path")
    end))

  it("returns an error where there are no descriptors",
    loop(function(base)
      local bev = base:bufferevent()
      local fill, limit = {}, posix.nofile(40)
      while true do
        local socket = libevent.socketpair()
        if not socket then
          break
        end
        fill[#fill + 1] = socket
      end
      while true do
        local fd = posix.dup(0)
        if not fd then
          break
        end
        fill[#fill + 1] = fd
      end
      local ok, message, code = bev:connect "127.0.0.1:9"
      for _, each in ipairs(fill) do
        if math.type(each) then
          posix.close(each)
        else
          each:close()
        end
      end
      posix.nofile(limit)
      collectgarbage()
      collectgarbage()
      assert.same({ nil, "connect: Too many open files", EMFILE },
        { ok, message, code })
      assert.is_nil(bev:fd())
    end))

  it("is given up after the write timeout", loop(function(base, expect)
    -- A full backlog answers nothing.
    local full = base:listener("127.0.0.1:0", { backlog = 1, disabled = true },
      print)
    local at, waiting = full:getsockname(), {}
    for i = 1, 4 do
      waiting[i] = base:bufferevent()
      waiting[i]:connect(at)
    end
    local bev = base:bufferevent()
    bev:set_timeouts(nil, 0.05)
    bev:setcb { event = expect(function(self, ...)
      assert.same({ "timeout", "w", "timed out", ETIMEDOUT }, { ... })
      self:close()
      for i = 1, 4 do
        waiting[i]:close "now"
      end
      full:close()
    end) }
    bev:connect(at)
  end))

  it("can be closed before the answer", loop(function(base, expect)
    local at = serve(base, "127.0.0.1:0", expect(function(server)
      server:close()
    end))
    local bev = base:bufferevent()
    bev:setcb { event = expect(nil, 0) }
    bev:connect(at)
    assert.matches("connecting$", tostring(bev))
    bev:close()
  end))

  it("refuses a second connection and what is no address",
    loop(function(base)
      local bev <close> = base:bufferevent((libevent.socketpair()))
      assert.error_matches(function()
        bev:connect "127.0.0.1:1"
      end, "the bufferevent has a socket already")
      local one = base:pair()
      assert.error_matches(function()
        one:connect "127.0.0.1:1"
      end, "an end of a pair takes no socket")
      one:close()
      local new <close> = base:bufferevent()
      for _, bad in ipairs { "", "localhost", "127.0.0.1", "127.0.0.1:70000",
        "::1:80", "unix:", "nobody:http" } do
        assert.error_matches(function()
          new:connect(bad)
        end, "bad argument #1 to 'connect'")
      end
      assert.error_matches(function()
        new:connect(80)
      end, "bad argument #1 to 'connect' %(address expected, got number%)")
    end))
end)

describe("event_base:bufferevent", function()
  it("refuses bad arguments", function()
    local base <close> = libevent.event_base()
    for _, bad in ipairs { 1, "x", true, base, {} } do
      assert.error_matches(function()
        base:bufferevent(bad)
      end, "bad argument #1 to 'bufferevent'")
    end
    local one = libevent.socketpair()
    one:close()
    assert.error_matches(function()
      base:bufferevent(one)
    end, "attempt to use a closed socket")
    assert.error_matches(function()
      base:bufferevent(nil, { color = 1 })
    end, "unknown option 'color'")
    for _, bad in ipairs { -1, 0 / 0, "5", 1 / 0, {} } do
      assert.error_matches(function()
        base:bufferevent(nil, { linger = bad })
      end, "option 'linger': seconds from 0 to 1e9 expected")
    end
  end)

  it("leaves the socket alone when it refuses", function()
    local base <close> = libevent.event_base()
    local one <close> = libevent.socketpair()
    pcall(base.bufferevent, base, one, { defer = 1 })
    assert.is_false(one:is_closed())
  end)
end)
