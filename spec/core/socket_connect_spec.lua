local helper = require "spec.helper"
local libevent = require "libevent"

local run, badargs = helper.run, helper.badargs
local errno = libevent.errno
local connect = libevent.socket_connect
local pack = table.pack

--- Waits until a socket has connected or failed.
local function settle(base, socket)
  local event <close> = base:event(socket, "w")
  event:wait()
  return socket:connected()
end

describe("socket_connect", function()
  it("connects to an address", run(function(base)
    for _, address in ipairs { "127.0.0.1:0", "[::1]:0", "unix:@" } do
      if address == "unix:@" then
        address = "unix:" .. os.tmpname()
        os.remove(address:sub(6))
      end
      local listener <close> = assert(base:listener(address))
      local socket <close> = assert(connect(listener:getsockname()))
      assert.is_true(settle(base, socket))
      assert.equal(listener:getsockname(), socket:getpeername())
    end
  end))

  it("sends small packets at once", run(function(base)
    local listener <close> = assert(base:listener("127.0.0.1:0"))
    local socket <close> = assert(connect(listener:getsockname()))
    assert.is_true(socket:getsockopt "nodelay")
  end))

  it("binds this side", run(function(base)
    local listener <close> = assert(base:listener("127.0.0.1:0"))
    local socket <close> = assert(connect(listener:getsockname(),
      "127.0.0.2:0"))
    assert.matches("^127%.0%.0%.2:%d+$", socket:getsockname())
    assert.is_true(settle(base, socket))
    assert.same({ nil, "bind: Cannot assign requested address",
      errno.EADDRNOTAVAIL, n = 3 },
      pack(connect(listener:getsockname(), "192.0.2.1:0")))
  end))

  it("tells why there is no connection", run(function(base)
    local listener = assert(base:listener("127.0.0.1:0"))
    local address = listener:getsockname()
    listener:close()
    local socket <close> = assert(connect(address))
    assert.same({ nil, "connect: Connection refused", errno.ECONNREFUSED,
      n = 3 }, pack(settle(base, socket)))
    assert.same({ nil, "connect: No such file or directory", errno.ENOENT,
      n = 3 }, pack(connect "unix:/no/such/socket"))
  end))

  it("is not connected to itself", run(function(base)
    local listener = assert(base:listener("127.0.0.1:0"))
    local address = listener:getsockname()
    listener:close()
    local socket <close> = assert(connect(address, address))
    assert.same({ nil, "connect: Connection refused", errno.ECONNREFUSED,
      n = 3 }, pack(settle(base, socket)))
  end))

  it("says that a pair is connected", function()
    local one, other = libevent.socketpair()
    assert.is_true(one:connected())
    other:close()
    one:close()
    assert.error_matches(function()
      one:connected()
    end, "attempt to use a closed socket")
  end)

  it("wants addresses of one kind", function()
    badargs(function(_, ...)
      return connect(...)
    end, nil, "address, ?address", { "127.0.0.1:1" })
    assert.error_matches(function()
      connect("127.0.0.1:1", "[::1]:0")
    end, "bad argument #2 to 'connect' %(an address of another kind%)")
    assert.error_matches(function()
      connect "localhost:80"
    end, "names are not looked up here")
  end)
end)
