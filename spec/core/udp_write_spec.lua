local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local run = helper.run
local spawn, sleep = libevent.spawn, libevent.sleep

local EAGAIN, EMSGSIZE = 11, 90

--- Two sockets that are connected, and take only so much; and a value for a
-- <close> variable that closes both.
local function pair(base)
  local a, b = posix.socketpair(true)
  local one = assert(base:udp(assert(libevent.socket(a))))
  local other = assert(base:udp(assert(libevent.socket(b))))
  return one, other, setmetatable({}, { __close = function()
    one:close()
    other:close()
  end })
end

--- Sends until nothing more is taken; only what is no task can.
local function fill(base, udp)
  local n = 0
  base:timer(function()
    repeat
      local ok, message, code = udp:send "x"
      n = n + (ok or 0)
      if not ok then
        assert.same({ "send: Resource temporarily unavailable", EAGAIN },
          { message, code })
      end
    until not ok
  end):add(0)
  while n == 0 do
    sleep(0.001)
  end
  return n
end

describe("a socket that takes no more", function()
  it("lets a task wait", run(function(base)
    local one, other, _ <close> = pair(base)
    local n = fill(base, one)
    local task = spawn(one.send, one, "last")
    task:name "sender"
    sleep(0)
    assert.equal("send", (task:waits()))
    assert.matches(" writing$", tostring(one))
    for _, send in ipairs { one.send, one.sendto, one.sendbatch } do
      local _, got = pcall(send, one, "x", "unix:@nobody")
      assert.matches("a task waits for this output already: sender", got)
    end
    for _ = 1, n do
      assert.same({ "x", "unix:" }, { other:recvfrom(10) })
    end
    assert.equal("last", (other:recvfrom(10)))
    assert.equal(4, task:wait(10))
  end))

  it("lets a batch go as far as it goes", run(function(base)
    local one, other, _ <close> = pair(base)
    local list = {}
    for i = 1, 500 do
      list[2 * i - 1], list[2 * i] = tostring(i), false
    end
    local sent, message = one:sendbatch(list, 0.001)
    assert.equal("timed out", message)
    assert.is_true(sent > 0 and sent < 500)
    local task = spawn(one.sendbatch, one, list)
    for i = 1, sent do
      assert.equal(tostring(i), (other:recvfrom(10)))
    end
    for i = 1, 500 do
      assert.equal(tostring(i), (other:recvfrom(10)))
    end
    assert.equal(500, task:wait(10))
  end))

  it("tells of a datagram that is longer than UDP's", run(function(base)
    local one, other, _ <close> = pair(base)
    local long = ("x"):rep(70000)
    local failure = { nil, "recvfrom: Message too long", EMSGSIZE }
    one:send(long)
    assert.same(failure, { other:recvfrom(10) })
    one:send(long)
    assert.is_nil((other:recvbatch(10, 10)))
    one:sendbatch { "y", false, long, false, "z", false }
    assert.same({ { "y", "unix:", "z", "unix:" }, 2 },
      { other:recvbatch(10, 10) })
    assert.same(failure, { other:recvfrom(10) })
    assert.is_nil((other:recvfrom(0)))
  end))
end)
