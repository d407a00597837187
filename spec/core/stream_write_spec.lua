local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local run, streams = helper.run, helper.streams
local spawn, sleep = libevent.spawn, libevent.sleep

local EPIPE, ETIMEDOUT, ECANCELED = 32, 110, 125
local pack = table.pack
local mib = ("x"):rep(1024 * 1024)

--- Reads from a descriptor, a piece in each turn, until the end.
local function drain(fd)
  local got = {}
  while true do
    local data = posix.read(fd)
    if data == "" or data == nil then
      return table.concat(got)
    elseif data then
      got[#got + 1] = data
    end
    sleep(0)
  end
end

describe("stream:write", function()
  it("sends strings, numbers, lists and buffers in their order",
    run(function(base)
    local one, other, _ <close> = streams(base)
    local buffer = libevent.evbuffer()
    buffer:add "buffer"
    assert.equal(0, one:write("a", 1, 2.5, { "b", 3 }, ""))
    assert.equal(0, one:write())
    assert.equal(0, one:write "")
    assert.equal(0, one:write("<", buffer, ">"))
    assert.equal(0, #buffer)
    local many = {}
    for i = 1, 40 do
      many[i] = tostring(i)
    end
    assert.equal(0, one:write(table.unpack(many)))
    one:shutdown()
    assert.equal("a12.5b3<buffer>" .. table.concat(many), other:read "a")
  end))

  it("queues what the socket does not take, and keeps the order",
    run(function(base)
    local one, other, _ <close> = streams(base)
    local reader = spawn(other.read, other, "a")
    local parts = {}
    for i = 1, 50 do
      parts[i] = ("%06d"):format(i) .. ("y"):rep(math.random(0, 60000))
      assert(one:write(parts[i]))
    end
    one:shutdown()
    assert.is_true(table.concat(parts) == reader:wait())
  end))

  it("makes a task wait while much is queued", run(function(base)
    local one, other, _ <close> = streams(base)
    local written
    local writer = spawn(function()
      written = one:write(mib)
    end)
    repeat
      sleep(0)
    until writer:waits() == "write"
    assert.is_nil(written)
    local _, unsent = one:pending()
    assert.is_true(unsent > 256 * 1024)
    local what, object = writer:waits()
    assert.equal("write", what)
    assert.matches("libevent.stream", object, 1, true)
    assert.equal(#mib, #other:read(#mib))
    writer:wait()
    assert.is_true(written <= 64 * 1024)
  end))

  it("waits only so long, and what was written stays", run(function(base)
    local one, other, _ <close> = streams(base)
    one:timeouts(nil, 0.002)
    assert.same(pack(nil, "timed out", ETIMEDOUT), pack(one:write(mib)))
    assert.same(pack(nil, "timed out", ETIMEDOUT), pack(one:flush(0.001)))
    one:shutdown()
    assert.equal(#mib, #other:read "a")
  end))

  it("does not wait in a callback", run(function(base)
    local one, other, _ <close> = streams(base)
    local pending
    base:timer(function()
      pending = one:write(mib)
    end):add(0)
    sleep(0.002)
    assert.is_true(pending > 256 * 1024)
    other:read(#mib)
  end))

  it("has one that waits, and says who that is", run(function(base)
    local one, other, _ <close> = streams(base)
    local writer = spawn(one.write, one, mib)
    writer:name "the writer"
    sleep(0)
    for _, method in ipairs { "write", "flush" } do
      assert.error_matches(function()
        one[method](one)
      end, "waits for this output already: the writer")
    end
    one:close "now"
    assert.same(pack(nil, "closed", ECANCELED), pack(writer:wait()))
    assert.is_nil((other:read(#mib)))
  end))

  it("is closed under a writer by a reader", run(function(base)
    local one, other = streams(base)
    local writer = spawn(one.write, one, mib)
    local reader = spawn(one.read, one)
    sleep(0)
    other:write "stop"
    assert.equal("stop", (reader:wait()))
    one:close()
    assert.same(pack(nil, "closed", ECANCELED), pack(writer:wait()))
    assert.equal(#mib, #other:read "a")
    other:close()
  end))

  it("tells that the peer is gone", run(function(base)
    local one, other, _ <close> = streams(base)
    other:close()
    assert.same(pack(nil, "write: Broken pipe", EPIPE), pack(one:write "x"))
    assert.same(pack(nil, "write: Broken pipe", EPIPE), pack(one:write "x"))
    assert.same(pack(nil, "write: Broken pipe", EPIPE), pack(one:flush()))
    assert.equal(EPIPE, select(3, one:shutdown()))
    assert.same(pack("Broken pipe", EPIPE), pack(one:error()))
  end))

  it("tells a writer who waits that the peer is gone", run(function(base)
    local one, other, _ <close> = streams(base, { linger = 0 })
    local writer = spawn(one.write, one, mib)
    sleep(0)
    other:close "now"
    assert.equal(EPIPE, select(3, writer:wait()))
  end))

  it("needs no more than one system call for several strings",
    run(function(base)
    local one, other, _ <close> = streams(base)
    one:write("a", "b", "c")
    assert.equal("abc", other:read())
  end))

  it("refuses bad arguments", run(function(base)
    local one, _, _ <close> = streams(base)
    for _, bad in ipairs { true, print, io.stdout, { {} }, { true } } do
      assert.error_matches(function()
        one:write("x", bad)
      end, "bad argument #2 to 'write'")
    end
    helper.badargs(one.flush, one, "?seconds")
  end))
end)

describe("stream:flush", function()
  it("waits until all is sent", run(function(base)
    local one, other, _ <close> = streams(base)
    assert.equal(0, one:flush())
    local reader = spawn(other.read, other, #mib)
    assert(one:write(mib))
    assert.equal(0, one:flush())
    assert.same(pack(0, 0), pack(one:pending()))
    assert.equal(#mib, #reader:wait())
  end))
end)

describe("stream:close", function()
  it("hands over what was written", run(function(base)
    local one, other = libevent.socketpair()
    local stream, fd = base:stream(one), other:detach()
    base:timer(function()
      stream:write(mib)
      stream:close()
    end):add(0)
    sleep(0.002)
    assert.is_true(stream:is_closed())
    assert.matches("closing$", tostring(stream))
    assert.is_true(drain(fd) == mib)
    posix.close(fd)
  end))

  it("drops it 'now', without linger, and when its time is over",
    run(function(base)
    for _, how in ipairs { "now", "linger", "time" } do
      local one, other = libevent.socketpair()
      local stream = base:stream(one,
        { linger = how == "linger" and 0 or 0.01 })
      local fd = other:detach()
      spawn(stream.write, stream, mib)
      sleep(0)
      stream:close(how == "now" and how or nil)
      if how == "time" then
        sleep(0.05)
      end
      assert.is_true(#drain(fd) < #mib, how)
      posix.close(fd)
    end
  end))

  it("waits as long as there is progress", run(function(base)
    local one, other = libevent.socketpair()
    local stream, fd = base:stream(one, { linger = 0.2 }), other:detach()
    local started, got = base:now(), 0
    spawn(stream.write, stream, mib)
    sleep(0)
    stream:close()
    while got < #mib do
      sleep(0.05)
      local piece = math.min(got + #mib // 10, #mib)
      while got < piece do
        local data = posix.read(fd)
        if not data then
          break
        end
        got = got + #data
      end
    end
    assert.equal(#mib, got)
    assert.is_true(base:now() - started > 0.3) -- longer than linger
    posix.close(fd)
  end))

  it("waits for what the peer still sends, so that nothing is reset",
    run(function(base)
    local listener = base:listener("127.0.0.1:0", nil, function() end)
    local peer = posix.connect(tonumber(listener:getsockname():match "%d+$"))
    local stream
    listener:setcb(function(_, socket)
      stream = base:stream(socket)
    end)
    while not stream do
      sleep(0.001)
    end
    listener:close()
    posix.write(peer, "nobody reads this")
    sleep(0.002)
    stream:write "bye"
    stream:close()
    sleep(0.002)
    posix.write(peer, "nor this")
    assert.equal("bye", drain(peer))
    posix.close(peer)
  end))

  it("happens at once where nothing is queued", run(function(base)
    local one, other = libevent.socketpair()
    local stream, fd = base:stream(one), other:detach()
    stream:close()
    assert.equal("", posix.read(fd))
    stream:close()
    assert.error_matches(function()
      stream:write "x"
    end, "attempt to use a closed stream")
    posix.close(fd)
  end))

  it("is what the collector does", run(function(base)
    local one, other = libevent.socketpair()
    local fd = other:detach()
    base:stream(one)
    collectgarbage()
    collectgarbage()
    assert.equal("", posix.read(fd))
    posix.close(fd)
  end))
end)
