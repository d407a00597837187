-- Streams in situations that once went wrong.

local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local loop, run, streams = helper.loop, helper.run, helper.streams
local spawn, sleep = libevent.spawn, libevent.sleep
local pack = table.pack

local at_next_allocation = helper.at_next_allocation
local normal = helper.normal_collector

describe("a stream with callbacks", function()
  it("with a timeout bears the end, and takes no other's deadline",
    loop(function(base, expect)
    local start = base:now()
    for _, how in ipairs { "eof", "setcb" } do
      local one, other = libevent.socketpair()
      local stream = base:stream(one)
      stream:setcb { read = function() end, event = function() end }
      stream:timeouts(0.01)
      if how == "eof" then
        other:close()
      else
        stream:setcb(nil)
      end
      base:timer(expect(function()
        stream:close()
        other:close()
      end)):add(0.03)
    end
    base:dispatch()
    assert.is_true(base:now() - start >= 0.03)
  end))

  it("gets what came before a write failed", loop(function(base)
    local one, other = streams(base)
    local log = {}
    one:setcb {
      read = function(_, data)
        log[#log + 1] = data
      end,
      event = function(_, what, direction)
        log[#log + 1] = what .. direction
      end,
    }
    base:timer(function()
      other:write "reply"
      other:close()
      one:write "more"
    end):add(0.002)
    base:loop()
    local text = table.concat(log, " ")
    assert.matches("reply.*eofr", text)
    assert.matches("errorw", text)
    assert.equal(3, #log)
    one:close()
  end))

  it("is told of a break after the end", loop(function(base, expect)
    local listener, peer
    local log = {}
    listener = base:listener("127.0.0.1:0", nil, function(_, socket)
      listener:close()
      local stream = base:stream(socket, { linger = 0 })
      stream:setcb { event = expect(function(_, what)
        log[#log + 1] = what
        if what == "eof" then
          stream:write(("x"):rep(8000000))
          base:timer(function()
            posix.reset(peer)
          end):add(0.01)
        else
          stream:close()
        end
      end, 2) }
      posix.shutdown(peer, "w")
    end)
    peer = posix.connect(tonumber(listener:getsockname():match "%d+$"))
    base:dispatch()
    assert.same({ "eof", "error" }, log)
  end))

  it("is told of an end that a task has read", run(function(base)
    local one, other, _ <close> = streams(base)
    local told
    one:setcb { event = function(_, what)
      told = what
    end }
    local reader = spawn(one.read, one)
    sleep(0)
    other:shutdown()
    assert.is_nil((reader:wait()))
    sleep(0)
    assert.equal("eof", told)
  end))

  it("prefers data to a timeout of the same turn", loop(function(base)
    local one, other = streams(base)
    local log = {}
    one:setcb {
      read = function(_, data)
        log[#log + 1] = data
        one:close()
        other:close()
      end,
      event = function(_, what)
        log[#log + 1] = what
      end,
    }
    one:timeouts(0.02)
    base:timer(function()
      other:write "data"
      posix.spin(0.04)
    end):add(0.01)
    base:dispatch()
    assert.same({ "data" }, log)
  end))

  it("is not late while nothing is read from it", loop(function(base)
    local one, other = streams(base)
    local sink, peer = streams(base)
    local told = 0
    one:setcb { event = function(_, what)
      told = told + (what == "timeout" and 1 or 0)
    end }
    one:timeouts(0.05)
    one:relay(sink) -- which nobody reads from
    other:write(("x"):rep(4000000))
    base:timer(function()
      assert.equal(0, told)
      for _, stream in ipairs { one, other, sink, peer } do
        stream:close "now"
      end
    end):add(0.3)
    base:dispatch()
  end))

  it("is told later what it did not listen to", loop(function(base, expect)
    local one, other = streams(base)
    one:setcb { read = function() end }
    other:close()
    base:timer(function()
      one:setcb { event = expect(function(_, what)
        assert.equal("eof", what)
        one:close()
      end) }
    end):add(0.005)
    base:dispatch()
  end))

  it("closed by a finalizer while its data becomes a string is not called",
    loop(function(base, expect)
    local one, other = streams(base)
    one:setcb { read = expect(nil, 0) }
    other:write(("x"):rep(1000))
    at_next_allocation(function()
      one:close()
    end)
    base:loop "once"
    normal()
    one:close()
    other:close()
  end))
end)

describe("a stream that relays", function()
  it("may be closed at once", loop(function(base)
    local one, other = streams(base, { linger = 0.02 })
    local sink, peer = streams(base)
    base:timer(function()
      one:relay(sink)
      other:write "hello"
      one:close()
    end):add(0)
    base:dispatch()
    for _, stream in ipairs { other, sink, peer } do
      stream:close "now"
    end
  end))

  it("refuses a sink that is broken or shut", run(function(base)
    for _, how in ipairs { "close", "shutdown" } do
      local one, other, _ <close> = streams(base)
      local sink, peer, _ <close> = streams(base)
      if how == "close" then
        peer:close()
        sink:write "x"
      else
        sink:shutdown()
      end
      other:write "kept"
      assert.equal(32, select(3, one:relay(sink)))
      assert.equal("kept", one:read())
    end
  end))

  it("goes on where a write has emptied the sink's queue", run(function(base)
    local one, other, _ <close> = streams(base)
    local sink, peer = libevent.socketpair()
    sink = base:stream(sink)
    local fd = peer:detach()
    local total = 1024 * 1024
    local relay = spawn(one.relay, one, sink)
    local writer = spawn(function()
      other:write(("x"):rep(total))
      other:shutdown()
    end)
    sleep(0.01)
    local got = 0
    repeat -- a buffer goes through the queue, and sends what is in it
      local data = posix.read(fd)
      got = got + (data and #data or 0)
      local buffer = libevent.evbuffer()
      buffer:add "y"
      libevent.defer(function()
        sink:write(buffer) -- and does not wait
      end)
      sleep(0)
    until relay:status() == "done"
    writer:wait()
    assert.same(pack(total), pack(relay:wait()))
    sink:close "now"
    posix.close(fd)
  end))

  it("does not begin in a task that must not wait", run(function(base)
    local one, other, _ <close> = streams(base)
    assert.is_nil((libevent.timeout(0, one.relay, one, one)))
    other:write "x"
    assert.equal("x", one:read())
  end))

  it("tells a callback that the sink is gone", loop(function(base, expect)
    local one, other = streams(base)
    local sink, peer = streams(base)
    one:setcb { event = expect(function(_, what, direction, _, code)
      assert.same({ "error", "w", 125 }, { what, direction, code })
      one:close()
      other:close()
    end) }
    one:relay(sink)
    base:timer(function()
      sink:close()
      peer:close()
    end):add(0.002)
    base:dispatch()
  end))

  it("keeps its input in order", run(function(base)
    local one, _, _ <close> = streams(base)
    local relay = spawn(one.relay, one, one)
    sleep(0)
    assert.error_matches(function()
      one:unread "x"
    end, "the stream is relayed")
    relay:cancel()
    relay:wait()
  end))
end)

describe("a read", function()
  it("whose coroutine was closed ends, and frees the stream",
    run(function(base)
    local one, other, _ <close> = streams(base)
    local co
    local task = spawn(function()
      co = coroutine.running()
      one:readuntil(("d" .. tostring {}):rep(100))
    end)
    sleep(0)
    coroutine.close(co)
    collectgarbage()
    collectgarbage()
    other:write(("x"):rep(10000))
    assert.same(pack(nil, "canceled", 125), pack(task:wait(1)))
    assert.equal(10000, #one:read())
    local again = spawn(function()
      co = coroutine.running()
      one:read()
    end)
    sleep(0)
    coroutine.close(co)
    other:write "y"
    assert.equal("y", one:read())
    again:wait()
  end))

  it("that others have resumed takes no data", run(function(base)
    local one, other, _ <close> = streams(base)
    for _, wait in ipairs { function() return one:read() end,
      function() return one:read(3) end, function() return one:read "l" end } do
      local co
      local task = spawn(function()
        co = coroutine.running()
        wait()
      end)
      sleep(0)
      other:write "ab"
      assert.is_false((coroutine.resume(co, "x")))
      other:write "c\n"
      assert.is_false((pcall(task.wait, task)))
      assert.equal("abc\n", one:read(4))
    end
  end))

  it("is not another's that a finalizer makes", run(function(base)
    local one, _, _ <close> = streams(base)
    one:unread(("x"):rep(50000))
    one:unread(("y"):rep(50000))
    local inner
    at_next_allocation(function()
      coroutine.wrap(function()
        inner = one:read(5)
      end)()
    end)
    local outer = one:read(80000)
    normal()
    assert.equal(80000, #outer)
    assert.equal(20000 - (inner and #inner or 0), (one:pending()))
  end))

  it("bears that a finalizer relays the stream away", run(function(base)
    for _ = 1, 3 do
      local one, _, _ <close> = streams(base)
      local sink, peer, _ <close> = streams(base)
      one:unread(("x"):rep(50000))
      one:unread(("y"):rep(50000))
      at_next_allocation(function()
        coroutine.wrap(function()
          one:relay(sink)
        end)()
      end)
      local ok, got = pcall(one.readsome, one, 80000)
      normal()
      local there = peer:pending() + (peer:peek(nil, 0.01) and peer:pending()
        or 0)
      assert.is_true(ok and #got == 80000 or there > 0)
    end
  end))

  it("until a delimiter is bounded the same however it comes",
    run(function(base)
    local one, other, _ <close> = streams(base)
    local task = spawn(one.readuntil, one, "ab", 5)
    other:write "12345a"
    sleep(0.002)
    other:write "b"
    assert.equal("12345", (task:wait()))
  end))

  it("of lines leaves its error to be asked for", run(function(base)
    local one, other, _ <close> = streams(base, { max_line = 3 })
    other:write "a\ntoo long\n"
    for line in one:lines() do
      assert.equal("a", line)
    end
    assert.equal(90, select(2, one:error()))
    assert.equal("too", one:read(3))
    assert.is_nil(one:error())
  end))
end)

describe("a write", function()
  it("is closed by a callback of its buffer", run(function(base)
    for _, how in ipairs { "now", false } do
      local one, other = streams(base)
      one:setcb { write = function() end }
      local buffer = libevent.evbuffer()
      buffer:add "hello"
      buffer:add_cb(function()
        one:close(how or nil)
      end)
      assert.same(pack(nil, "closed", 125), pack(one:write(buffer)))
      other:close()
    end
    collectgarbage()
    sleep(0)
  end))
end)

describe("a task that waits until output is sent", function()
  it("is woken though a callback has sent it", run(function(base)
    for _, method in ipairs { "write", "flush" } do
      local one, other = libevent.socketpair()
      local stream, fd = base:stream(one), other:detach()
      stream:write(("x"):rep(200000), ("x"):rep(200000))
      local writer = libevent.spawn(stream[method], stream,
        method == "write" and ("x"):rep(400000) or nil)
      sleep(0)
      sleep(0)
      base:timer(function()
        repeat
          while posix.read(fd) do end -- luacheck: ignore
        until stream:write(libevent.evbuffer "x") == 0
      end):add(0)
      assert.equal(0, (writer:wait(10)))
      stream:close()
      posix.close(fd)
    end
  end))
end)

describe("an iterator over lines", function()
  it("of the parent does nothing in a child", loop(function(base)
    local one, other = streams(base)
    local lines = one:lines()
    local how, status = helper.child(function()
      assert(not pcall(lines))
    end)
    assert.same({ "exit", 0 }, { how, status })
    one:close()
    other:close()
  end))
end)
