local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local run, loop, badargs = helper.run, helper.loop, helper.badargs
local spawn, sleep = libevent.spawn, libevent.sleep

local EINVAL, ENODEV = 22, 19
local EMSGSIZE, EPROTOTYPE, EADDRINUSE, ENOTCONN = 90, 91, 98, 107
local EDESTADDRREQ, ECONNREFUSED, ECANCELED = 89, 111, 125

--- A socket on a port that the system chooses, and its address.
local function bound(base, options, host)
  local udp = assert(base:udp((host or "127.0.0.1") .. ":0", options))
  return udp, udp:getsockname()
end

describe("a UDP socket", function()
  it("sends and receives", run(function(base)
    for _, host in ipairs { "127.0.0.1", "[::1]" } do
      local one <close>, here = bound(base, nil, host)
      local other <close>, there = bound(base, nil, host)
      for _, data in ipairs { "hello", "", "\0", ("x"):rep(65507) } do
        assert.equal(#data, one:sendto(data, there))
        local got, peer = other:recvfrom(10)
        assert.equal(data, got)
        assert.equal(here, peer)
        assert.equal(#data, other:sendto(data, peer))
        assert.equal(data, (one:recvfrom(10)))
      end
    end
  end))

  it("needs no address to send, nor a base inside run", run(function()
    local one <close> = assert(libevent.udp())
    local other <close> = assert(libevent.udp "127.0.0.1:0")
    local sixth <close> = assert(libevent.udp(nil, { family = "ipv6" }))
    assert.equal("0.0.0.0:0", one:getsockname())
    assert.equal("[::]:0", sixth:getsockname())
    one:sendto("x", other:getsockname())
    assert.equal("x", (other:recvfrom(10)))
    assert.matches("^libevent.udp: 0x%x+ fd %d+ 127.0.0.1:%d+ idle$",
      tostring(other))
    assert.equal(libevent.base(), other:base())
    assert.same({ nil, "getpeername: Transport endpoint is not connected",
      ENOTCONN }, { other:getpeername() })
  end))

  it("knows an address by its text", run(function(base)
    local one <close> = bound(base, nil, "[::1]")
    local other <close>, there = bound(base, nil, "[::1]")
    local long = ("0000:"):rep(7) .. "0001"
    for _, host in ipairs { long, "::1", long } do
      for i = 1, 2 do -- strings as long as that are made anew
        local address = "[" .. host .. "]" .. there:match ":%d+$"
        assert.equal(1, one:sendto(tostring(i), address))
        assert.equal(tostring(i), (other:recvfrom(10)))
      end
    end
  end))

  it("keeps the order of what comes, and who has sent it", run(function(base)
    local server <close>, address = bound(base)
    local clients = {}
    for i = 1, 5 do
      clients[i] = assert(base:udp())
      clients[i]:connect(address)
    end
    for n = 1, 3 do
      for _, client in ipairs(clients) do
        client:send(tostring(n))
      end
    end
    for n = 1, 3 do
      for _, client in ipairs(clients) do
        assert.same({ tostring(n), client:getsockname() },
          { server:recvfrom(10) })
      end
    end
    for _, client in ipairs(clients) do
      client:close()
    end
  end))

  it("waits for what comes", run(function(base)
    local one <close>, address = bound(base)
    local got
    local task = spawn(function()
      got = { one:recvfrom() }
    end)
    sleep(0)
    assert.matches(" reading$", tostring(one))
    assert.equal("recvfrom", (task:waits()))
    local other <close>, there = bound(base)
    other:sendto("late", address)
    task:wait(10)
    assert.same({ "late", there }, got)
  end))

  it("lets one task at a time receive", run(function(base)
    local one <close> = bound(base)
    local task = spawn(one.recvfrom, one)
    task:name "first"
    sleep(0)
    for _, receive in ipairs { one.recvfrom, one.recvbatch } do
      assert.error_matches(function()
        receive(one, 1)
      end, "a task waits for this input already: first")
    end
    assert.error_matches(function()
      one:setcb { read = print }
    end, "a task waits for this input already: first")
    task:cancel()
  end))

  it("tells that nobody receives, and goes on", run(function(base)
    local gone, address = bound(base)
    gone:close()
    local one <close> = bound(base)
    assert.is_true(one:connect(address))
    assert.equal(address, one:getpeername())
    assert.equal(1, one:send "x")
    assert.same({ nil, "recvfrom: Connection refused", ECONNREFUSED },
      { one:recvfrom(10) })
    one:send "x"
    assert.same({ nil, "recvbatch: Connection refused", ECONNREFUSED },
      { one:recvbatch(3, 10) })
    local again <close> = assert(base:udp(address))
    assert.equal(1, one:send "y")
    assert.equal("y", (again:recvfrom(10)))
    assert.is_true(one:connect())
    assert.same({ nil, "send: Destination address required", EDESTADDRREQ },
      { one:send "z" })
    assert.equal(1, one:sendto("z", address))
    assert.equal("z", (again:recvfrom(10)))
  end))

  it("hears its peer alone when it is connected", run(function(base)
    local one <close>, here = bound(base)
    local peer <close>, there = bound(base)
    local stranger <close> = bound(base)
    assert.is_true(one:connect(there))
    stranger:sendto("strange", here)
    peer:sendto("known", here)
    assert.same({ "known", there }, { one:recvfrom(10) })
    assert.is_nil((one:recvfrom(0)))
    assert.is_true(one:connect(nil))
  end))

  it("refuses what is too long", run(function(base)
    local one <close>, address = bound(base)
    assert.same({ nil, "sendto: Message too long", EMSGSIZE },
      { one:sendto(("x"):rep(65508), address) })
  end))

  it("binds to an address once", run(function(base)
    local one <close>, address = bound(base)
    assert.same({ nil, "udp: Address already in use", EADDRINUSE },
      { base:udp(address) })
    one:close()
    local two <close>, shared = bound(base, { reuseport = true })
    local three <close> = assert(base:udp(shared, { reuseport = true }))
    assert.equal(two:getsockname(), three:getsockname())
  end))

  it("takes a socket over", run(function(base)
    local socket = assert(libevent.socket(posix.datagram()))
    local fd = socket:fd()
    local udp <close> = assert(base:udp(socket, { ttl = 3 }))
    assert.is_true(socket:is_closed())
    assert.equal(fd, udp:fd())
    local fds = {}
    for _, object in ipairs(base:objects()) do
      fds[object.type] = object.fd
    end
    assert.equal(fd, fds.udp)
    assert.equal(3, udp:getsockopt "ttl")
    local stream <close> = libevent.socketpair()
    assert.same({ nil, "udp: Protocol wrong type for socket", EPROTOTYPE },
      { base:udp(stream) })
    assert.is_false(stream:is_closed())
  end))

  it("has options", run(function(base)
    local one <close> = bound(base, { reuseaddr = true, reuseport = true,
      broadcast = true, rcvbuf = 100000, sndbuf = 50000, ttl = 9,
      multicast_ttl = 8, multicast_loop = false, multicast_interface = "lo" })
    for name, value in pairs { reuseaddr = true, reuseport = true,
      broadcast = true, ttl = 9, multicast_ttl = 8, multicast_loop = false,
      multicast_interface = "127.0.0.1" } do
      assert.equal(value, one:getsockopt(name), name)
    end
    assert.is_true(one:getsockopt "rcvbuf" >= 100000)
    assert.is_true(one:setsockopt("ttl", 10))
    assert.equal(10, one:getsockopt "ttl")
    local both <close> = assert(base:udp("[::]:0", { v6only = false }))
    assert.equal(false, both:getsockopt "v6only")
    assert.same({ nil, "ttl: Invalid argument", EINVAL },
      { base:udp(nil, { ttl = 256 }) })
    assert.same({ nil, "multicast_interface: No such device", ENODEV },
      { base:udp(nil, { multicast_interface = "nowhere" }) })
  end))

  it("broadcasts where that is allowed", run(function(base)
    local all <close> = assert(base:udp "0.0.0.0:0")
    local port = all:getsockname():match ":(%d+)$"
    local one <close> = bound(base)
    assert.is_nil((one:sendto("x", "127.255.255.255:" .. port)))
    assert.is_true(one:setsockopt("broadcast", true))
    assert.equal(1, one:sendto("x", "127.255.255.255:" .. port))
    assert.equal("x", (all:recvfrom(10)))
  end))

  for group, host in pairs { ["239.255.77.7"] = "0.0.0.0",
    ["ff11::7777"] = "[::]" } do
    it("joins and leaves a group: " .. group, run(function(base)
      local member <close> = assert(base:udp(host .. ":0"))
      local port = member:getsockname():match ":(%d+)$"
      local target = (group:find ":" and "[" .. group .. "]" or group)
        .. ":" .. port
      local sender <close> = assert(base:udp(nil, { multicast_interface = "lo",
        family = group:find ":" and "ipv6" or "ipv4" }))
      assert.is_true(member:join(group, "lo"))
      local ok, message, code = member:join(group, "lo")
      assert.is_nil(ok)
      assert.matches("^join: ", message)
      assert.equal(EADDRINUSE, code)
      if sender:sendto("to", target) then -- there is a route
        assert.equal("to", (member:recvfrom(10)))
      else
        assert.matches(":", group)
      end
      assert.is_true(member:leave(group, "lo"))
      assert.is_nil((member:leave(group, "lo")))
      sender:sendto("silent", target)
      assert.is_nil((member:recvfrom(0)))
    end))
  end

  it("joins nothing that is no group, or nowhere", run(function(base)
    local one <close> = bound(base)
    local _, _, code = one:join "127.0.0.1"
    assert.equal(EINVAL, code)
    assert.same({ nil, "join: No such device", ENODEV },
      { one:join("239.1.2.3", "nowhere") })
    assert.is_true(one:join("239.1.2.3", "127.0.0.1"))
    assert.is_true(one:leave("239.1.2.3", "127.0.0.1"))
  end))

  it("wakes who waits when it is closed", run(function(base)
    local one = bound(base)
    local got
    local task = spawn(function()
      got = { one:recvfrom() }
    end)
    sleep(0)
    one:close()
    task:wait(10)
    assert.same({ nil, "closed", ECANCELED }, got)
    assert.error_matches(function()
      one:recvfrom()
    end, "attempt to use a closed udp")
  end))

  it("receives outside of tasks what is there", loop(function(base)
    local one, address = bound(base)
    one:sendto("x", address)
    assert.same({ "x", address }, { one:recvfrom() })
    assert.error_matches(function()
      one:recvfrom()
    end, "only a task can wait")
    one:close()
  end))

  it("is collected when nobody holds it", loop(function(base)
    for _ = 1, 10 do
      bound(base)
    end
    collectgarbage()
    collectgarbage()
    assert.same({}, base:objects())
  end))

  it("refuses bad arguments", run(function(base)
    local one <close>, address = bound(base)
    badargs(base.udp, base, "?address, ?table", { address })
    badargs(one.recvfrom, one, "?seconds")
    badargs(one.recvbatch, one, "integer, ?seconds", { 1 })
    badargs(one.sendto, one, "bytes, address, ?seconds", { "x", address })
    for _, bad in ipairs { 1, true, {} } do
      assert.error_matches(function()
        one:send(bad)
      end, "bad argument #1 to 'send'")
      assert.error_matches(function()
        one:send("x", bad == 1 and -1 or bad)
      end, "bad argument #2 to 'send'")
    end
    badargs(one.sendbatch, one, "table, ?seconds", { {} })
    badargs(one.connect, one, "?address")
    for _, change in ipairs { one.join, one.leave } do
      badargs(change, one, "group")
      for _, bad in ipairs { 1, true, {} } do
        local ok, message = pcall(change, one, "239.1.2.3", bad)
        assert.is_false(ok)
        assert.matches("bad argument #3", message)
      end
    end
    badargs(one.setsockopt, one, "option, boolean", { "broadcast" })
    badargs(one.getsockopt, one, "option")
    for message, call in pairs {
      ["address of IPv4 or IPv6 expected"] = { "unix:/nowhere" },
      ["names are not looked up"] = { "localhost:53" },
      ["unknown option 'nope'"] = { nil, { nope = 1 } },
      ["option 'ttl': integer"] = { nil, { ttl = "x" } },
      ["option 'broadcast': boolean expected"] = { nil, { broadcast = 1 } },
      ["option 'family': 'ipv4' or 'ipv6'"] = { nil, { family = "unix" } },
      ["option 'family': the socket or address has another"] =
        { "127.0.0.1:0", { family = "ipv6" } },
      ["option 'multicast_interface': name"] =
        { nil, { multicast_interface = 1 } },
    } do
      local ok, got = pcall(base.udp, base, table.unpack(call, 1, 2))
      assert.is_false(ok)
      assert.matches(message, got, 1, true)
    end
    assert.error_matches(function()
      one:join("239.1.2.3", "lo\0")
    end, "string without zeros expected")
    assert.error_matches(function()
      one:join "239.1.2.3:80"
    end, "numeric address of a group expected")
  end))
end)

describe("a finalizer", function()
  it("may receive while a batch is made", run(function(base)
    local one <close>, here = bound(base)
    local other <close>, there = bound(base)
    one:sendbatch { ("a"):rep(1000), here, ("b"):rep(1000), here }
    other:sendto(("c"):rep(1000), there)
    local got
    helper.at_next_allocation(function()
      got = { other:recvfrom() }
    end)
    local list = one:recvbatch(2)
    helper.normal_collector()
    assert.same({ ("c"):rep(1000), there }, got)
    assert.same({ ("a"):rep(1000), here, ("b"):rep(1000), here }, list)
  end))

  it("may close what receives", run(function(base)
    for _, receive in ipairs { "recvfrom", "recvbatch" } do
      local one, here = bound(base)
      one:sendto(("a"):rep(1000), here)
      helper.at_next_allocation(function()
        one:close()
      end)
      local got = one[receive](one, 2)
      helper.normal_collector()
      assert.is_truthy(got)
      one:close()
    end
  end))
end)
