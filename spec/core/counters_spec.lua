local helper = require "spec.helper"
local libevent = require "libevent"

local run = helper.run
local spawn, sleep = libevent.spawn, libevent.sleep

--- What has changed since a reading.
local function since(base, before)
  local now, difference = base:counters(), {}
  for name, n in pairs(before) do
    difference[name] = now[name] - n
  end
  return difference
end

describe("event_base:counters", function()
  it("begin at 0, as plain integers", function()
    local base <close> = libevent.event_base()
    local none = { callbacks = 0, bytes_read = 0, bytes_written = 0,
      accepts = 0, errors = 0, tasks = 0, objects = 0 }
    local counters = base:counters()
    assert.same(none, counters)
    for _, n in pairs(counters) do
      assert.equal("integer", math.type(n))
    end
  end)

  it("count what enters Lua", helper.loop(function(base, expect)
    base:defer(expect())
    base:timer(expect()):add(0)
    base:event(-1, "", expect()):active()
    local task = base:task(function()
      sleep(0)
    end)
    base:loop()
    assert.equal(5, base:counters().callbacks)
    assert.equal("done", task:status())
  end))

  it("count errors, told and kept", function()
    local base <close> = libevent.event_base()
    local function fail()
      error "on purpose"
    end
    base:defer(fail)
    assert.is_false(pcall(base.loop, base))
    base:on_error(function() end)
    base:timer(fail):add(0)
    base:task(fail)
    base:loop()
    assert.equal(3, base:counters().errors)
  end)

  it("count tasks and objects that there are", run(function(base)
    local tasks, objects = base:counters().tasks, base:counters().objects
    local condition = base:condition()
    local waiter = spawn(condition.wait, condition)
    local other = spawn(sleep, 100)
    assert.equal(tasks + 2, base:counters().tasks)
    assert.equal(objects + 3, base:counters().objects)
    assert.equal(#base:tasks(), base:counters().tasks)
    sleep(0)
    condition:close()
    waiter:wait()
    other:close "now"
    assert.equal(tasks, base:counters().tasks)
    assert.equal(objects, base:counters().objects)
  end))

  it("count the bytes of streams", run(function(base)
    local one, other, both <close> = helper.streams(base)
    local before = base:counters()
    one:write("hello", " ", "you")
    assert.equal("hello you", other:read(9))
    local difference = since(base, before)
    assert.equal(9, difference.bytes_written)
    assert.equal(9, difference.bytes_read)
    assert.is_true(both ~= nil)
  end))

  it("count what streams could not send at once when it goes", run(
    function(base)
    local mib = 1024 * 1024
    local one, other, _ <close> = helper.streams(base)
    base:timer(function()
      one:write(("x"):rep(mib))
    end):add(0)
    sleep(0.001)
    assert.is_true(base:counters().bytes_written < mib)
    assert.equal(mib, #other:read(mib))
    assert.equal(mib, base:counters().bytes_written)
    assert.equal(mib, base:counters().bytes_read)
  end))

  --- Two bufferevents that are connected.
  local function bufferevents(base)
    local one, other = assert(libevent.socketpair())
    return base:bufferevent(one), base:bufferevent(other)
  end

  it("count the bytes of bufferevents, taken and queued", helper.loop(
    function(base, expect)
    local one, other = bufferevents(base)
    other:setcb { read = expect(function()
      assert.equal("he", other:read(2))
      assert.equal(9, base:counters().bytes_read)
      assert.equal("llo you", other:read())
      assert.equal(9, base:counters().bytes_read)
      one:close()
      other:close()
    end) }
    other:enable "r"
    assert.equal(0, one:write("hello", " you"))
    assert.equal(9, base:counters().bytes_written)
  end))

  it("count what goes by the views of bufferevents", helper.loop(
    function(base, expect)
    local one, other = bufferevents(base)
    local input = other:input()
    other:setcb { read = expect(function()
      assert.equal("a line", input:readln "lf")
      assert.equal("rest", input:remove())
      one:close()
      other:close()
    end) }
    other:enable "r"
    one:output():add "a line\nrest"
    base:loop()
    assert.equal(11, base:counters().bytes_read)
    assert.equal(11, base:counters().bytes_written)
  end))

  it("count what a bufferevent drops, but nothing of a pair", helper.loop(
    function(base, expect)
    local one, other = bufferevents(base)
    other:setcb { read = expect(function()
      one:close()
      other:close()
    end) }
    other:enable "r"
    one:write "12345"
    base:loop()
    assert.equal(5, base:counters().bytes_read)
    local here_end, there = base:pair()
    there:enable "r"
    here_end:write "123"
    base:loop()
    assert.equal("123", there:read())
    here_end:close()
    there:close()
    assert.equal(5, base:counters().bytes_read)
    assert.equal(5, base:counters().bytes_written)
  end))

  it("count connections that are accepted", helper.loop(
    function(base, expect)
    local left, clients = 3, {}
    local listener
    listener = assert(base:listener("127.0.0.1:0", {}, expect(
      function(_, socket)
      socket:close()
      left = left - 1
      if left == 0 then
        listener:close()
      end
    end, 3)))
    for i = 1, 3 do
      clients[i] = base:bufferevent()
      clients[i]:connect(listener:getsockname())
    end
    base:loop()
    for i = 1, 3 do
      clients[i]:close "now"
    end
    assert.equal(3, base:counters().accepts)
  end))
end)
