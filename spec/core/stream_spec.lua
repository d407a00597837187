local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local run, loop, streams = helper.run, helper.loop, helper.streams
local spawn, sleep = libevent.spawn, libevent.sleep
local pack = table.pack

describe("a stream", function()
  it("takes a socket over", run(function(base)
    local one, other = libevent.socketpair()
    local fd = one:fd()
    local stream <close> = base:stream(one)
    assert.is_true(one:is_closed())
    assert.equal(fd, stream:fd())
    assert.error_matches(function()
      base:stream(one)
    end, "attempt to use a closed socket")
    other:close()
  end))

  it("prints itself usefully", run(function(base)
    local one, other = streams(base)
    assert.matches("^libevent.stream: 0x%x+ fd %d+ unix: → unix: idle$",
      tostring(one))
    local task = spawn(one.read, one)
    sleep(0)
    assert.matches("reading$", tostring(one))
    other:close()
    task:wait()
    assert.matches("ended$", tostring(one))
    one:close()
    assert.matches("closed$", tostring(one))
  end))

  it("knows its addresses", run(function(base)
    local accepted
    local listener = base:listener("127.0.0.1:0", nil, function(_, socket)
      accepted = base:stream(socket)
    end)
    local address = listener:getsockname()
    local fd = posix.connect(tonumber(address:match "%d+$"))
    while not accepted do
      sleep(0.001)
    end
    listener:close()
    assert.equal(address, accepted:getsockname())
    assert.matches("^127.0.0.1:%d+$", accepted:getpeername())
    posix.close(fd)
    accepted:close()
  end))

  it("gives its socket away, with what was read", run(function(base)
    local one, other, _ <close> = streams(base)
    other:write "abc"
    assert.equal("a", one:read(1))
    local task = spawn(one.read, one, 10)
    sleep(0)
    assert.same(pack(nil, "detach: Device or resource busy", 16),
      pack(one:detach()))
    task:cancel()
    task:wait()
    local socket, input = one:detach()
    assert.equal("bc", input)
    assert.is_true(one:is_closed())
    local again <close> = base:stream(socket)
    other:write "d"
    assert.equal("d", again:read())
    local _, none = again:detach()
    assert.is_nil(none)
  end))

  it("knows how much is pending, and no error", run(function(base)
    local one, other, _ <close> = streams(base)
    other:write "abc"
    one:read(1)
    assert.same(pack(2, 0), pack(one:pending()))
    assert.same(pack(nil), pack(one:error()))
  end))

  it("without a waiter does not keep the loop", loop(function(base)
    local one = libevent.socketpair()
    local stream = base:stream(one)
    assert.equal("empty", base:loop())
    stream:close()
  end))

  it("is closed with its base, whoever waits", function()
    local base = libevent.event_base()
    local kept = {}
    local ok = pcall(libevent.run, base, function()
      for i = 1, 200 do
        local one, other = streams(base)
        kept[i] = { one, other }
        spawn(one.read, one)
        spawn(other.write, other, ("x"):rep(1000000))
      end
      sleep(0)
      base:close()
    end)
    assert.is_true(ok)
    for _, pair in ipairs(kept) do
      assert.is_true(pair[1]:is_closed() and pair[2]:is_closed())
    end
  end)

  it("does not get what belongs to an old descriptor", run(function(base)
    local one, other = streams(base)
    local third
    local task = spawn(function()
      one:read()
      one:close "now"
      other:close "now"
      local a, b = libevent.socketpair() -- gets the same numbers
      third = base:stream(a)
      local got = third:read(nil, 0.01)
      third:close()
      b:close()
      return got
    end)
    local reader = spawn(other.read, other)
    sleep(0)
    other:write "x"
    one:write "y"
    assert.is_nil((task:wait()))
    reader:wait()
  end))

  it("refuses bad arguments", run(function(base)
    assert.error_matches(function()
      base:stream(1)
    end, "libevent.socket expected")
    local one, other = libevent.socketpair()
    for _, options in ipairs { 1, { linger = -1 }, { max_line = 0 },
      { max_all = 2 ^ 40 }, { max = 1 } } do
      assert.error_matches(function()
        base:stream(one, options)
      end, "bad argument #2 to 'stream'")
    end
    one:close()
    other:close()
  end))
end)
