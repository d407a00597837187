local helper = require "spec.helper"
local libevent = require "libevent"

local run, badargs = helper.run, helper.badargs
local spawn, sleep = libevent.spawn, libevent.sleep

local timed_out = table.pack(nil, "timed out", 110)

--- n tasks that acquire, and their numbers in the order they could.
local function takers(semaphore, n)
  local took, tasks = {}, {}
  for i = 1, n do
    tasks[i] = spawn(function()
      assert(semaphore:acquire())
      took[#took + 1] = i
    end)
  end
  sleep(0)
  return took, tasks
end

describe("a semaphore", function()
  it("is used without a loop", function()
    local semaphore = libevent.semaphore(1)
    assert.is_truthy(semaphore:acquire())
    assert.same(timed_out, table.pack(semaphore:acquire(0)))
    assert.error_matches(function()
      semaphore:acquire()
    end, "only a task can wait")
    semaphore:release(2)
    assert.equal(2, semaphore:count())
    semaphore:release(0)
    assert.equal(2, semaphore:count())
  end)

  it("lets so many at once, and serves who waits longest", run(function()
    local semaphore = libevent.semaphore(1)
    local took = takers(semaphore, 4)
    assert.same({ 1 }, took)
    semaphore:release()
    assert.same(timed_out, table.pack(semaphore:acquire(0)))
    assert.equal(0, semaphore:count())
    sleep(0)
    assert.same({ 1, 2 }, took)
    semaphore:release(3)
    assert.equal(1, semaphore:count())
    sleep(0)
    assert.same({ 1, 2, 3, 4 }, took)
  end))

  it("releases at the end of a block, however that ends", run(function()
    local semaphore = libevent.semaphore(1)
    pcall(function()
      local permit <close> = semaphore:acquire()
      error(permit)
    end)
    assert.equal(1, semaphore:count())
    local task = spawn(function()
      local permit <close> = semaphore:acquire() -- luacheck: ignore
      sleep(10)
    end)
    sleep(0)
    do
      local none <close> = semaphore:acquire(0)
      assert.is_nil(none)
    end
    assert.equal(0, semaphore:count())
    task:cancel()
    task:wait()
    assert.equal(1, semaphore:count())
  end))

  it("loses no permit with a task that did not live to take it", run(
    function()
    local semaphore = libevent.semaphore(0)
    local took, tasks = takers(semaphore, 4)
    semaphore:release(2)
    tasks[1]:close "now"
    tasks[4]:cancel()
    sleep(0)
    assert.same({ 2, 3 }, took)
    took, tasks = takers(semaphore, 1)
    semaphore:release()
    tasks[1]:close "now"
    assert.is_truthy(semaphore:acquire(0))
    tasks = select(2, takers(semaphore, 1))
    semaphore:release()
    tasks[1]:close "now"
    assert.equal(1, semaphore:count())
    assert.same({}, took)
  end))

  it("shows itself", run(function()
    local semaphore = libevent.semaphore(1)
    assert.matches("^libevent.semaphore: 0x%x+ 1 left, 0 wait$",
      tostring(semaphore))
    takers(semaphore, 3)
    assert.matches(" 0 left, 2 wait$", tostring(semaphore))
    assert.matches(" semaphore acquire$",
      libevent.tasks()[1].waits)
    semaphore:release(2)
  end))

  it("refuses bad arguments", function()
    badargs(function(_, ...)
      return libevent.semaphore(...)
    end, nil, "n")
    local semaphore = libevent.semaphore(0)
    badargs(semaphore.acquire, semaphore, "?seconds")
    badargs(semaphore.release, semaphore, "?n")
  end)
end)
