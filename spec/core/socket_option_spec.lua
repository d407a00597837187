local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local run, loop = helper.run, helper.loop

local EBADF, ENODEV, EINVAL, EOPNOTSUPP, EADDRNOTAVAIL = 9, 19, 22, 95, 99

--- A socket that is connected to a listener on 127.0.0.1, which accepts nobody.
local function connected(base)
  local listener <close> = base:listener("127.0.0.1:0", {}, function() end)
  local port = listener:getsockname():match ":(%d+)$"
  return assert(libevent.socket(posix.connect(tonumber(port))))
end

--- A UDP socket.
local function datagram(v6)
  return assert(libevent.socket(posix.datagram(v6)))
end

describe("an option of a socket", function()
  it("tells how far packets go", run(function()
    local socket <close> = datagram()
    for _, name in ipairs { "ttl", "multicast_ttl" } do
      for _, hops in ipairs { 1, 7, 255 } do
        assert.is_true(socket:setsockopt(name, hops))
        assert.equal(hops, socket:getsockopt(name))
      end
      assert.same({ nil, name .. ": Invalid argument", EINVAL },
        { socket:setsockopt(name, 256) })
    end
  end))

  it("tells where multicasts go", run(function()
    local socket <close> = datagram()
    for _, on in ipairs { false, true } do
      assert.is_true(socket:setsockopt("multicast_loop", on))
      assert.equal(on, socket:getsockopt "multicast_loop")
    end
    assert.equal("0.0.0.0", socket:getsockopt "multicast_interface")
    for _, one in ipairs { "127.0.0.1", "lo" } do
      assert.is_true(socket:setsockopt("multicast_interface", one))
      assert.equal("127.0.0.1", socket:getsockopt "multicast_interface")
      assert.is_true(socket:setsockopt("multicast_interface", "0.0.0.0"))
      assert.equal("0.0.0.0", socket:getsockopt "multicast_interface")
    end
    for name, code in pairs { nowhere = ENODEV, ["192.0.2.1"] = EADDRNOTAVAIL,
      ["2001:db8::1"] = EADDRNOTAVAIL } do
      local ok, message, got = socket:setsockopt("multicast_interface", name)
      assert.is_nil(ok)
      assert.matches("^multicast_interface: ", message)
      assert.equal(code, got)
    end
  end))

  it("has its own number for IPv6", run(function()
    local socket <close> = datagram(true)
    for name, value in pairs { ttl = 7, multicast_ttl = 3,
      multicast_loop = false, multicast_interface = "lo" } do
      assert.is_true(socket:setsockopt(name, value))
      assert.equal(value, socket:getsockopt(name))
    end
    assert.is_true(socket:setsockopt("multicast_interface", "::"))
    assert.equal("::", socket:getsockopt "multicast_interface")
    assert.is_true(socket:setsockopt("multicast_interface", "::1"))
    assert.equal("lo", socket:getsockopt "multicast_interface")
  end))

  it("is set to what it takes, or raises", loop(function()
    local one <close> = libevent.socketpair()
    for name, bad in pairs { multicast_interface = { true, 1, "", "a\0b",
        ("x"):rep(100) }, ttl = { true, "x", -1, 1.5, 2 ^ 31 },
      multicast_loop = { 1, "yes" } } do
      for _, value in ipairs(bad) do
        assert.error_matches(function()
          one:setsockopt(name, value)
        end, "bad argument #2 to 'setsockopt' %(.* expected")
      end
      assert.error_matches(function()
        one:setsockopt(name)
      end, "expected, got no value")
    end
  end))

  it("is none of a unix socket's", loop(function()
    local one <close> = libevent.socketpair()
    for name, value in pairs { ttl = 1, multicast_ttl = 1,
      multicast_loop = true, multicast_interface = "lo" } do
      local failure = { nil, name .. ": Operation not supported", EOPNOTSUPP }
      assert.same(failure, { one:setsockopt(name, value) })
      assert.same(failure, { one:getsockopt(name) })
    end
  end))

  it("is an option of a bufferevent, too", loop(function(base)
    local bev <close> = base:bufferevent(connected(base))
    assert.is_true(bev:setsockopt("nodelay", true))
    assert.is_true(bev:getsockopt "nodelay")
    assert.is_true(bev:setsockopt("linger", 1.5))
    assert.equal(2, bev:getsockopt "linger")
    helper.badargs(bev.setsockopt, bev, "option, boolean", { "cork" })
    helper.badargs(bev.getsockopt, bev, "option")
    bev:close()
    assert.error_matches(function()
      bev:getsockopt "nodelay"
    end, "attempt to use a closed bufferevent")
  end))

  it("is none of a bufferevent without a socket", loop(function(base)
    local one <close>, other = base:pair()
    local empty <close> = base:bufferevent()
    for _, bev in ipairs { one, other, empty } do
      for name, value in pairs { nodelay = true, linger = 1, ttl = 1,
        multicast_interface = "lo" } do
        local failure = { nil, name .. ": Bad file descriptor", EBADF }
        assert.same(failure, { bev:setsockopt(name, value) })
        assert.same(failure, { bev:getsockopt(name) })
      end
      assert.same({ nil, "peercred: Bad file descriptor", EBADF },
        { bev:peercred() })
      helper.badargs(bev.setsockopt, bev, "option, boolean", { "cork" })
    end
  end))

  it("is an option of a stream, too", run(function(base)
    local stream <close> = base:stream(connected(base))
    assert.is_true(stream:setsockopt("nodelay", true))
    assert.is_true(stream:getsockopt "nodelay")
    assert.is_true(stream:setsockopt("linger", 1.5))
    assert.equal(2, stream:getsockopt "linger")
    helper.badargs(stream.setsockopt, stream, "option, boolean", { "cork" })
    helper.badargs(stream.getsockopt, stream, "option")
    stream:close()
    assert.error_matches(function()
      stream:getsockopt "nodelay"
    end, "attempt to use a closed stream")
  end))
end)
