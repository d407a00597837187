local helper = require "spec.helper"
local libevent = require "libevent"

local run, badargs = helper.run, helper.badargs
local spawn, sleep = libevent.spawn, libevent.sleep

local pack = table.pack
local closed = pack(nil, "closed", 125)
local timed_out = pack(nil, "timed out", 110)

--- n tasks that wait, and what they get, in that order.
local function waiters(future, n)
  local got, tasks = {}, {}
  for i = 1, n do
    tasks[i] = spawn(function()
      local results = pack(pcall(future.wait, future))
      results.i = i
      got[#got + 1] = results
    end)
  end
  sleep(0)
  return got, tasks
end

describe("a future", function()
  it("is used without a loop", function()
    local future = libevent.future()
    assert.is_false(future:is_done())
    assert.same(timed_out, pack(future:wait(0)))
    assert.error_matches(function()
      future:wait()
    end, "only a task can wait")
    assert.is_true(future:set())
    assert.is_true(future:is_done())
    assert.equal(0, select("#", future:wait()))
  end)

  it("gives its values to all who wait and will wait", run(function()
    local future = libevent.future()
    local got, tasks = waiters(future, 3)
    tasks[2]:close "now"
    assert.same(timed_out, pack(future:wait(0.001)))
    assert.is_true(future:set(1, nil, false, nil))
    assert.same(pack(1, nil, false, nil), pack(future:wait()))
    sleep(0)
    local expected = pack(true, 1, nil, false, nil)
    expected.i = 1
    assert.same(expected, got[1])
    expected.i = 3
    assert.same(expected, got[2])
  end))

  it("raises its error in all who wait and will wait", run(function()
    local future = libevent.future()
    local got = waiters(future, 2)
    local err = {}
    assert.is_true(future:fail(err))
    sleep(0)
    assert.is_true(not got[1][1] and got[1][2] == err)
    assert.is_true(not got[2][1] and got[2][2] == err)
    local ok, value = pcall(future.wait, future, 0)
    assert.is_true(not ok and value == err)
  end))

  it("raises where it has its result", function()
    for _, first in ipairs { "set", "fail" } do
      for _, second in ipairs { "set", "fail" } do
        local future = libevent.future()
        future[first](future, 1)
        assert.error_matches(function()
          future[second](future, 2)
        end, "the future has its result already")
        future:close()
        assert.equal(1, select(-1, pcall(future.wait, future)))
      end
    end
  end)

  it("that is closed wakes all, and takes no result", run(function()
    local future = libevent.future()
    local got = waiters(future, 2)
    do
      local scoped <close> = future -- luacheck: ignore
    end
    future:close()
    sleep(0)
    assert.same({ true, nil, "closed", 125, n = 4, i = 1 }, got[1])
    assert.equal(2, #got)
    assert.is_true(future:is_done())
    assert.same(closed, pack(future:wait()))
    assert.same(closed, pack(future:set(1)))
    assert.same(closed, pack(future:fail(1)))
  end))

  it("is set by a callback", run(function(base)
    local future = libevent.future()
    base:timer(function()
      future:set "late"
    end):add(0.001)
    assert.equal("late", future:wait(10))
  end))

  it("shows itself", run(function()
    local future = libevent.future()
    waiters(future, 2)
    assert.matches("^libevent.future: 0x%x+ open, 2 wait$", tostring(future))
    assert.matches(" future wait$", libevent.tasks()[1].waits)
    future:set()
    assert.matches(" set, 0 wait$", tostring(future))
  end))

  it("refuses bad arguments", function()
    local future = libevent.future()
    badargs(future.wait, future, "?seconds")
  end)
end)
