-- A stream over a transport that is not plain: one of another shared object,
-- which changes every byte, begins with a handshake, and lets reads wait for
-- writing and writes for reading.

local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"
local toy = require "spec.toy"

local run = helper.run
local errno = libevent.errno
local spawn, sleep = libevent.spawn, libevent.sleep
local text = ("The quick brown fox. "):rep(20000)

--- Two streams that are scrambled, and a value that closes both.
local function scrambled(base)
  local one, other, closer = helper.streams(base)
  toy.scramble(one, 7)
  toy.scramble(other, 200)
  return one, other, closer
end

describe("a transport", function()
  after_each(function()
    collectgarbage()
    collectgarbage()
    assert.equal(0, toy.sessions())
  end)

  it("sees every byte", run(function(base)
    local one, other = libevent.socketpair()
    local stream = toy.scramble(base:stream(one), 1)
    local fd = other:detach()
    posix.write(fd, "\2") -- the peer's key
    local reader = spawn(stream.read, stream, 3)
    stream:write "abc"
    sleep(0.01)
    assert.equal("\1`cb", posix.read(fd))
    posix.write(fd, "\99\96\97")
    assert.equal("abc", (reader:wait()))
    posix.close(fd)
    stream:close()
  end))

  it("carries lines, frames and all", run(function(base)
    local one, other, _ <close> = scrambled(base)
    local writer = spawn(function()
      one:write("a line\n", string.pack(">s4", text), "x", text)
      one:shutdown()
    end)
    assert.equal("a line", other:read "l")
    assert.is_true(other:readframe ">s4" == text)
    assert.equal("x", other:read(1))
    assert.is_true(other:read "a" == text)
    writer:wait()
  end))

  it("carries much in both directions at once", run(function(base)
    local one, other, _ <close> = scrambled(base)
    local tasks = {}
    for _, pair in ipairs { { one, other }, { other, one } } do
      tasks[#tasks + 1] = spawn(function()
        for _ = 1, 4 do
          assert(pair[1]:write(text))
        end
        pair[1]:shutdown()
      end)
      tasks[#tasks + 1] = spawn(function()
        assert.is_true(pair[2]:read "a" == text:rep(4))
      end)
    end
    for _, task in ipairs(tasks) do
      task:wait()
    end
  end))

  it("ends what this side sends, though that is nothing", run(function(base)
    local one, other, _ <close> = scrambled(base)
    local reader = spawn(other.read, other, "a")
    assert.is_true(one:shutdown())
    assert.equal("", (reader:wait()))
  end))

  it("is relayed", run(function(base)
    local one, other, _ <close> = scrambled(base)
    local echo = spawn(one.relay, one, one)
    local writer = spawn(function()
      other:write(text)
      other:shutdown()
    end)
    assert.is_true(other:read(#text) == text)
    writer:wait()
    assert.equal(#text, (echo:wait()))
  end))

  it("hands over what was written when it is closed", run(function(base)
    local one, other = scrambled(base)
    base:timer(function()
      one:write(text)
      one:close()
    end):add(0)
    assert.is_true(other:read "a" == text)
    other:close()
  end))

  it("tells that the handshake failed", run(function(base)
    local one, other = libevent.socketpair()
    local stream = toy.scramble(base:stream(one), 1)
    local reader = spawn(stream.read, stream)
    stream:write "x"
    sleep(0)
    other:close()
    local _, _, code = reader:wait()
    assert.is_true(code == errno.EPROTO or code == errno.ECONNRESET
      or code == errno.EPIPE, tostring(code))
    assert.is_nil((stream:write "x"))
    stream:close()
  end))

  it("may be closed during its handshake", run(function(base)
    local one, other = scrambled(base)
    local reader = spawn(one.read, one)
    sleep(0)
    one:close()
    assert.is_nil((reader:wait()))
    other:close()
  end))

  it("cannot be detached", run(function(base)
    local one, _, _ <close> = scrambled(base)
    assert.equal(95, select(3, one:detach()))
  end))
end)
