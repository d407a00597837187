local helper = require "spec.helper"
local libevent = require "libevent"

local run, streams = helper.run, helper.streams
local spawn, sleep = libevent.spawn, libevent.sleep

local EPIPE, ETIMEDOUT, ECANCELED = 32, 110, 125
local pack = table.pack
local mib = ("0123456789abcdef"):rep(64 * 1024)

describe("stream:relay", function()
  it("sends back what comes, until the end", run(function(base)
    local one, other, _ <close> = streams(base)
    local echo = spawn(one.relay, one, one)
    local writer = spawn(function()
      other:write(mib, mib, mib)
      other:shutdown()
    end)
    assert.is_true(other:read(3 * #mib) == mib .. mib .. mib)
    writer:wait()
    assert.same(pack(3 * #mib), pack(echo:wait()))
  end))

  it("gives its place up when its coroutine was closed", run(function(base)
    local one, other, _ <close> = streams(base)
    local co
    spawn(function()
      co = coroutine.running()
      one:relay(one)
    end)
    sleep(0)
    assert.is_true(coroutine.close(co))
    local echo = spawn(one.relay, one, one)
    sleep(0)
    other:write "again"
    assert.equal("again", other:read(5))
    other:shutdown()
    assert.equal(5, (echo:wait()))
  end))

  it("begins with what was read already", run(function(base)
    local one, other, _ <close> = streams(base)
    other:write "a line\nthe rest"
    assert.equal("a line", one:read "l")
    local echo = spawn(one.relay, one, one)
    assert.equal("the rest", other:read(8))
    other:shutdown()
    assert.equal(8, (echo:wait()))
    one:unread "put back"
    assert.same(pack(8), pack(one:relay(one)))
    assert.equal("put back", other:read())
  end))

  it("joins two connections, and reads no more than the slow one takes",
    run(function(base)
    local client, front, _ <close> = streams(base)
    local back, server, _ <close> = streams(base)
    local forth = spawn(function()
      local n = front:relay(back)
      back:shutdown()
      return n
    end)
    local writer = spawn(function()
      for _ = 1, 8 do
        client:write(mib)
      end
      client:shutdown()
    end)
    sleep(0.01)
    local _, queued = back:pending()
    assert.is_true(queued < 1024 * 1024, tostring(queued))
    assert.is_true(server:read "a" == mib:rep(8))
    writer:wait()
    assert.equal(8 * #mib, (forth:wait()))
  end))

  it("tells that the other side is gone", run(function(base)
    local client, front, _ <close> = streams(base)
    local back, server, _ <close> = streams(base)
    local forth = spawn(front.relay, front, back)
    sleep(0)
    server:close()
    client:write "x"
    assert.same(pack(nil, "relay: Broken pipe", EPIPE, 1), pack(forth:wait()))
    assert.is_nil(front:error())
    assert.equal(EPIPE, select(2, back:error()))
  end))

  it("ends when either is closed, in time, or canceled", run(function(base)
    for _, how in ipairs { "source", "sink", "timeout", "cancel" } do
      local client, front, _ <close> = streams(base)
      local back, server, _ <close> = streams(base)
      local forth = spawn(front.relay, front, back,
        how == "timeout" and 0.01 or nil)
      client:write "x"
      assert.equal("x", server:read())
      if how == "source" then
        front:close()
      elseif how == "sink" then
        back:close()
      elseif how == "cancel" then
        forth:cancel()
      end
      assert.same(how == "timeout" and pack(nil, "timed out", ETIMEDOUT, 1)
        or how == "cancel" and pack(nil, "canceled", ECANCELED)
        or pack(nil, "closed", ECANCELED, 1), pack(forth:wait()))
      if how == "timeout" or how == "cancel" then
        client:write "y"
        assert.equal("y", front:read())
      end
    end
  end))

  it("goes on by itself where no task waits", run(function(base)
    local client, front, _ <close> = streams(base)
    local back, server, _ <close> = streams(base)
    local told
    base:timer(function()
      front:setcb { event = function(stream, what)
        told = what
        stream:close()
        back:close()
      end }
      assert.is_true(front:relay(back))
    end):add(0)
    local writer = spawn(client.write, client, mib)
    assert.is_true(server:read(#mib) == mib)
    writer:wait()
    client:shutdown()
    assert.is_nil(server:read())
    assert.equal("eof", told)
  end))

  it("takes one source and one sink, of one base", run(function(base)
    local one, _, _ <close> = streams(base)
    local two, _, _ <close> = streams(base)
    local busy = spawn(one.relay, one, two)
    sleep(0)
    assert.error_matches(function()
      one:relay(one)
    end, "is relayed already")
    assert.error_matches(function()
      two:relay(two)
    end, "another stream is relayed to it")
    assert.error_matches(function()
      one:read()
    end, "is relayed")
    busy:cancel()
    busy:wait()
    local reader = spawn(one.read, one)
    reader:name "reader"
    sleep(0)
    assert.error_matches(function()
      one:relay(two)
    end, "a task waits for this input already: reader")
    reader:cancel()
    reader:wait()
    local elsewhere <close> = libevent.event_base()
    local stream = elsewhere:stream((libevent.socketpair()))
    assert.error_matches(function()
      one:relay(stream)
    end, "stream of the same base expected")
    assert.error_matches(function()
      one:relay(base)
    end, "libevent.stream expected")
    assert.is_false(pcall(one.relay, one, one, -1))
  end))
end)
