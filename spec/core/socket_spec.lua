local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local loop = helper.loop

local EBADF, EAGAIN, EBUSY, EINVAL, EPIPE = 9, 11, 16, 22, 32
local ENOTSOCK, EOPNOTSUPP, ECONNRESET, ENOTCONN = 88, 95, 104, 107

--- Calls fn(accepted, connected, base, expect) with both ends of a TCP
-- connection, both sockets.
local function tcp(fn, address, options)
  return loop(function(base, expect)
    local ends = {}
    local function ready()
      if ends.accepted and ends.connected then
        fn(ends.accepted, ends.connected, base, expect)
      end
    end
    local listener = assert(base:listener(address or "127.0.0.1:0", options,
      expect(function(listener, socket)
        listener:close()
        ends.accepted = socket
        ready()
      end)))
    local client = base:bufferevent()
    client:setcb {
      event = expect(function(_, what)
        assert.equal("connected", what)
        ends.connected = client:detach()
        ready()
      end),
    }
    assert(client:connect(listener:getsockname()))
  end)
end

--- Writes and reads through two descriptors.
local function talks(one, other)
  posix.write(one, "ping")
  assert.equal("ping", posix.read(other))
  posix.write(other, "pong")
  assert.equal("pong", posix.read(one))
end

describe("socket", function()
  it("comes in pairs that are connected", loop(function()
    local one, other = libevent.socketpair()
    assert.not_equal(one:fd(), other:fd())
    assert.is_true(posix.descriptors()[one:fd()])
    assert.is_true(posix.descriptors()[other:fd()])
    talks(one:fd(), other:fd())
    one:close()
    assert.equal("", posix.read(other:fd()))
    other:close()
  end))

  it("does not block", loop(function()
    local one, other = libevent.socketpair()
    for _, socket in ipairs { one, other } do
      assert.same({ nil, "read: Resource temporarily unavailable", EAGAIN },
        { libevent.evbuffer():read(socket:fd()) })
    end
  end))

  it("is not inherited by programs", loop(function()
    local one, other = libevent.socketpair()
    local taken = assert(libevent.socket(posix.dup(one:fd())))
    for _, socket in ipairs { one, other, taken } do
      assert.is_true(os.execute("test ! -e /proc/self/fd/" .. socket:fd()))
    end
  end))

  it("gives its descriptor away, open", loop(function()
    local one, other = libevent.socketpair()
    local fd = one:fd()
    assert.equal(fd, one:detach())
    assert.is_true(one:is_closed())
    one:close()
    one = nil -- luacheck: ignore
    collectgarbage()
    talks(fd, other:fd())
    posix.close(fd)
    assert.equal("", posix.read(other:fd()))
    other:close()
  end))

  it("takes over a descriptor that is open", loop(function()
    local a, b = posix.socketpair()
    local one, other = libevent.socket(a), libevent.socket(b)
    assert.same({ a, b }, { one:fd(), other:fd() })
    talks(a, b)
    one:close()
    assert.is_nil(posix.descriptors()[a])
    assert.equal("", posix.read(b))
    other:close()
  end))

  it("takes over again what was given away", loop(function()
    local one, other = libevent.socketpair()
    for _ = 1, 3 do
      one = assert(libevent.socket(one:detach()))
    end
    talks(one:fd(), other:fd())
    one:close()
    other:close()
  end))

  it("takes over no descriptor that another owns", loop(function()
    local one, other = libevent.socketpair()
    local busy = { nil, "socket: Device or resource busy", EBUSY }
    assert.same(busy, { libevent.socket(one:fd()) })
    local a, b = posix.socketpair()
    local taken = libevent.socket(a)
    assert.same(busy, { libevent.socket(a) })
    collectgarbage()
    talks(one:fd(), other:fd())
    talks(a, b)
    taken:close()
    posix.close(b)
  end))

  it("takes over what is open and a socket alone", loop(function()
    local r, w = posix.pipe()
    for _, fd in ipairs { r, w } do
      assert.same({ nil, "socket: Socket operation on non-socket", ENOTSOCK },
        { libevent.socket(fd) })
      assert.is_true(posix.descriptors()[fd])
      posix.close(fd)
    end
    for _, fd in ipairs { r, w, 987, 2147483647 } do
      assert.same({ nil, "socket: Bad file descriptor", EBADF },
        { libevent.socket(fd) })
    end
  end))

  it("is closed when it is collected, or its block ends", function()
    collectgarbage()
    local before = helper.descriptors()
    local one = libevent.socketpair()
    do
      local other <close> = libevent.socket(posix.dup(one:fd()))
      assert.is_true(posix.descriptors()[other:fd()])
    end
    collectgarbage()
    collectgarbage()
    assert.equal(before + 1, helper.descriptors())
    one = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.equal(before, helper.descriptors())
    for _ = 1, 100 do
      libevent.socketpair()
    end
    collectgarbage()
    collectgarbage()
    assert.equal(before, helper.descriptors())
  end)

  it("has an address, though of no network", function()
    local socket <close> = assert(libevent.socket(posix.netlink()))
    assert.equal("family 16", socket:getsockname())
  end)

  it("has addresses", tcp(function(accepted, connected)
    local here, there = accepted:getsockname(), accepted:getpeername()
    assert.matches("^127%.0%.0%.1:%d+$", here)
    assert.matches("^127%.0%.0%.1:%d+$", there)
    assert.not_equal(here, there)
    assert.same({ there, here },
      { connected:getsockname(), connected:getpeername() })
    assert.matches("^libevent%.socket: 0x%x+ fd " .. accepted:fd() .. " "
      .. here:gsub("%.", "%%.") .. " → " .. there:gsub("%.", "%%.") .. "$",
      tostring(accepted))
    accepted:close()
    connected:close()
    assert.matches("^libevent%.socket: 0x%x+ closed$", tostring(accepted))
  end))

  it("may be without a name", loop(function()
    local one, other = libevent.socketpair()
    for _, socket in ipairs { one, other } do
      assert.same({ "unix:", "unix:" },
        { socket:getsockname(), socket:getpeername() })
      assert.matches("^libevent%.socket: 0x%x+ fd %d+ unix: → unix:$",
        tostring(socket))
      assert.is_nil(socket:base())
      socket:close()
    end
  end))

  local path = os.tmpname()
  os.remove(path)
  for _, address in ipairs { "unix:" .. path, "unix:@" .. path .. "\0" } do
    it(("has the name of a unix socket: %q"):format(address:sub(1, 6)),
      tcp(function(accepted, connected)
        assert.equal(address, accepted:getsockname())
        assert.equal(address, connected:getpeername())
        assert.equal("unix:", accepted:getpeername())
        accepted:close()
        connected:close()
      end, address))
  end

  it("ends either direction", loop(function()
    local one, other = libevent.socketpair()
    local buffer = libevent.evbuffer "x"
    assert.is_true(one:shutdown "w")
    assert.equal("", posix.read(other:fd()))
    assert.same({ nil, "write: Broken pipe", EPIPE },
      { buffer:write(one:fd()) })
    posix.write(other:fd(), "still")
    assert.equal("still", posix.read(one:fd()))
    assert.is_true(one:shutdown "r")
    assert.same({ nil, "write: Broken pipe", EPIPE },
      { buffer:write(other:fd()) })
    one:close()
    other:close()
    one, other = libevent.socketpair()
    assert.is_true(one:shutdown "rw")
    assert.equal("", posix.read(other:fd()))
    assert.equal("", posix.read(one:fd()))
    assert.is_false(one:is_closed())
    one:close()
    other:close()
  end))

  it("tells that the connection is gone, and why",
    tcp(function(accepted, connected, base, expect)
      assert.equal(0, accepted:getsockopt "error")
      assert.is_true(connected:setsockopt("linger", 0))
      connected:close() -- resets the connection
      base:event(accepted:fd(), "r", expect(function()
        assert.equal(ECONNRESET, accepted:getsockopt "error")
        assert.equal(0, accepted:getsockopt "error")
        assert.same({ nil, "getpeername: Transport endpoint is not connected",
          ENOTCONN }, { accepted:getpeername() })
        assert.same({ nil, "shutdown: Transport endpoint is not connected",
          ENOTCONN }, { accepted:shutdown "rw" })
        assert.matches(" fd %d+ 127%.0%.0%.1:%d+$", tostring(accepted))
        accepted:close()
      end)):add(10)
    end))

  it("refuses bad arguments", loop(function()
    local one, other = libevent.socketpair()
    helper.badargs(function(_, ...)
      return libevent.socket(...)
    end, nil, "integer")
    helper.badargs(one.setsockopt, one, "option, boolean", { "keepalive" })
    helper.badargs(one.setsockopt, one, "option, integer", { "rcvbuf" })
    helper.badargs(one.getsockopt, one, "option")
    helper.badargs(one.shutdown, one, "letters")
    for _, bad in ipairs { -1, 1 << 31, 1.5 } do
      assert.error_matches(function()
        libevent.socket(bad)
      end, "bad argument #1")
    end
    for _, bad in ipairs { true, "x", -1, 1e9 + 1, 0 / 0, {} } do
      assert.error_matches(function()
        one:setsockopt("linger", bad)
      end, "bad argument #2 to 'setsockopt'")
    end
    assert.equal(false, one:getsockopt "linger")
    assert.error_matches(function()
      one.fd(libevent.evbuffer())
    end, "libevent.socket expected, got libevent.evbuffer")
    other:close()
  end))

  it("refuses everything once it is closed", loop(function()
    local one, other = libevent.socketpair()
    one:close()
    posix.close(other:detach())
    for _, socket in ipairs { one, other } do
      for name, argument in pairs { fd = "", detach = "", getsockname = "",
        getpeername = "", setsockopt = "nodelay", getsockopt = "nodelay",
        shutdown = "r" } do
        assert.error_matches(function()
          socket[name](socket, argument, true)
        end, "attempt to use a closed socket")
      end
    end
  end))
end)

describe("socket option", function()
  it("is set and read back", tcp(function(accepted, connected)
    for _, name in ipairs { "nodelay", "cork", "keepalive", "reuseaddr",
      "reuseport", "broadcast", "oobinline" } do
      for _, value in ipairs { true, false, true } do
        assert.is_true(accepted:setsockopt(name, value), name)
        assert.equal(value, accepted:getsockopt(name), name)
      end
    end
    for name, value in pairs { keepidle = 60, keepintvl = 7, keepcnt = 5 } do
      assert.is_true(accepted:setsockopt(name, value), name)
      assert.equal(value, accepted:getsockopt(name), name)
    end
    for _, name in ipairs { "rcvbuf", "sndbuf" } do -- at least so much
      for _, value in ipairs { 32768, 65536 } do
        assert.is_true(accepted:setsockopt(name, value), name)
        local got = accepted:getsockopt(name)
        assert.is_true(got == value or got == 2 * value, name)
      end
    end
    accepted:close()
    connected:close()
  end))

  it("are set to something, and error to nothing", loop(function()
    local one <close> = libevent.socketpair()
    assert.error_matches(function()
      one:setsockopt "linger"
    end, "bad argument #2 to 'setsockopt' %(seconds or false expected")
    assert.error_matches(function()
      one:setsockopt("error", 1)
    end, "bad argument #1 to 'setsockopt' %(the error can only be asked for")
  end))

  it("linger is seconds, rounded up, or false", loop(function()
    local one, other = libevent.socketpair()
    assert.equal(false, one:getsockopt "linger")
    for given, got in pairs { [0] = 0, [0.001] = 1, [1] = 1, [2.5] = 3,
      [3600] = 3600, [false] = false } do
      assert.is_true(one:setsockopt("linger", given))
      assert.equal(got, one:getsockopt "linger")
    end
    one:close()
    other:close()
  end))

  for _, v6only in ipairs { true, false } do
    it("v6only is as the listener had it: " .. tostring(v6only),
      tcp(function(accepted, connected)
        assert.equal(v6only, accepted:getsockopt "v6only")
        assert.same({ nil, "v6only: Invalid argument", EINVAL },
          { accepted:setsockopt("v6only", v6only) }) -- too late
        accepted:close()
        connected:close()
      end, "[::]:0", { v6only = v6only }))
  end

  it("may be none of the socket's", loop(function()
    local one, other = libevent.socketpair()
    for name, value in pairs { nodelay = true, cork = true, v6only = false,
      keepidle = 1, keepintvl = 1, keepcnt = 1 } do
      local what = name .. ": Operation not supported"
      assert.same({ nil, what, EOPNOTSUPP }, { one:setsockopt(name, value) })
      assert.same({ nil, what, EOPNOTSUPP }, { one:getsockopt(name) })
    end
    one:close()
    other:close()
  end))

  it("may be refused by the system", tcp(function(accepted, connected)
    for _, name in ipairs { "keepidle", "keepintvl", "keepcnt" } do
      assert.same({ nil, name .. ": Invalid argument", EINVAL },
        { accepted:setsockopt(name, 0) })
    end
    accepted:close()
    connected:close()
  end))

  it("that is unknown raises, naming it", loop(function()
    local one, other = libevent.socketpair()
    for _, name in ipairs { "nope", "", "NODELAY", "nodelay ", "SO_LINGER" } do
      local message = "(unknown option '" .. name .. "')"
      for method, value in pairs { setsockopt = true, getsockopt = false } do
        local ok, got = pcall(one[method], one, name, value)
        assert.is_false(ok)
        assert.matches(message, got, 1, true)
      end
    end
    other:close()
  end))

  it("is taken for its descriptor", loop(function(base, expect)
    local one, other = libevent.socketpair()
    local buffer = libevent.evbuffer "hello"
    assert.equal(5, buffer:write(one))
    base:event(other, "r", expect(function(event, what)
      assert.equal("r", what)
      assert.equal(5, buffer:read(other))
      event:close()
      one:close()
      other:close()
      assert.error_matches(function()
        buffer:read(other)
      end, "attempt to use a closed socket")
    end)):add()
  end))
end)
