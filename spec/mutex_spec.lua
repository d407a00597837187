local helper = require "spec.helper"
local libevent = require "libevent"

local run, badargs = helper.run, helper.badargs
local spawn, sleep = libevent.spawn, libevent.sleep

local timed_out = table.pack(nil, "timed out", 110)

--- A task that has the mutex until it is canceled.
local function keeper(mutex)
  local task = spawn(function()
    local held <close> = mutex:lock() -- luacheck: ignore
    sleep(10)
  end)
  sleep(0)
  return task
end

--- n tasks that lock for one turn, and what they are told, in that order.
local function lockers(mutex, n)
  local log, tasks = {}, {}
  for i = 1, n do
    tasks[i] = spawn(function()
      local held <close>, message = mutex:lock()
      assert(held)
      log[#log + 1] = i .. (message or "")
      sleep(0)
    end)
  end
  sleep(0)
  return log, tasks
end

local function pass(n)
  for _ = 1, n do
    sleep(0)
  end
end

describe("a mutex", function()
  it("lets one task in at a time, who waits longest first", run(function()
    local mutex = libevent.mutex()
    assert.is_nil(mutex:owner())
    assert.is_truthy(mutex:lock())
    assert.equal(libevent.running(), mutex:owner())
    local log = lockers(mutex, 3)
    assert.same({}, log)
    mutex:unlock()
    assert.same(timed_out, table.pack(mutex:lock(0))) -- nobody overtakes
    assert.is_truthy(mutex:lock())
    assert.same({ "1", "2", "3" }, log)
    mutex:unlock()
    assert.is_truthy(mutex:lock(0))
    mutex:unlock()
  end))

  it("unlocks at the end of a block, however that ends", run(function()
    local mutex = libevent.mutex()
    local kept = keeper(mutex)
    local log = lockers(mutex, 1)
    do
      local none <close>, message = mutex:lock(0.001)
      assert.same({ nil, "timed out" }, { none, message })
    end
    kept:cancel()
    pass(3)
    assert.same({ "1" }, log)
    pcall(function()
      local held <close> = mutex:lock()
      error(held)
    end)
    assert.is_nil(mutex:owner())
    do
      local held <close> = mutex:lock() -- luacheck: ignore
      mutex:unlock()
      kept = keeper(mutex)
    end
    assert.equal(kept, mutex:owner())
    kept:cancel()
    pass(1)
  end))

  it("unlocks where somebody else closes the coroutine", run(function()
    local mutex = libevent.mutex()
    local co
    spawn(function()
      co = coroutine.running()
      local held <close> = mutex:lock() -- luacheck: ignore
      sleep(10)
    end)
    sleep(0)
    local log = lockers(mutex, 1)
    assert.is_true(coroutine.close(co))
    pass(2)
    assert.same({ "1" }, log)
    for _, task in ipairs(libevent.base():tasks()) do
      if task:waits() == "sleep" then
        task:cancel()
      end
    end
  end))

  it("of a task that has ended goes to the next, who is told", run(function()
    local mutex = libevent.mutex()
    for _, lost in ipairs {
      function(task) task:close "now" end,
      function(task) task:cancel() end,
    } do
      for _, early in ipairs { true, false } do
        local task = spawn(function()
          mutex:lock()
          sleep(10)
        end)
        sleep(0)
        if early then
          lost(task)
          sleep(0)
        end
        local log = lockers(mutex, 3)
        if not early then
          lost(task)
        end
        pass(10)
        assert.same({ "1abandoned", "2", "3" }, log)
        assert.is_nil(mutex:owner())
      end
    end
    spawn(mutex.lock, mutex):wait()
    local _, message = mutex:lock(0)
    assert.equal("abandoned", message)
    mutex:unlock()
  end))

  it("that was handed to a task which has ended goes to the next", run(
    function()
    local mutex = libevent.mutex()
    mutex:lock()
    local log, tasks = lockers(mutex, 3)
    mutex:unlock()
    tasks[1]:close "now"
    tasks[2]:cancel()
    pass(4)
    assert.same({ "2", "3" }, log)
    mutex:lock()
    tasks = select(2, lockers(mutex, 1))
    mutex:unlock()
    tasks[1]:close "now"
    assert.is_truthy(mutex:lock(0))
    mutex:unlock()
  end))

  it("is not unlocked by a coroutine of a task that has ended", run(function()
    local mutex = libevent.mutex()
    local co
    local task = spawn(function()
      co = coroutine.running()
      local held <close> = mutex:lock() -- luacheck: ignore
      sleep(10)
    end)
    sleep(0)
    local log = lockers(mutex, 2)
    task:close "now" -- the first one in line is served
    assert.same(timed_out, table.pack(mutex:lock(0)))
    assert.is_true(coroutine.close(co))
    sleep(0)
    assert.same({ "1abandoned" }, log)
    pass(3)
    assert.same({ "1abandoned", "2" }, log)
  end))

  it("raises where it is locked twice, or unlocked by others", run(function()
    local mutex = libevent.mutex()
    assert.is_false(pcall(mutex.unlock, mutex))
    mutex:lock()
    assert.error_matches(function()
      mutex:lock(0)
    end, "the task has locked this mutex already")
    assert.error_matches(function()
      coroutine.wrap(mutex.unlock)(mutex)
    end, "the task has not locked this mutex")
    local _, message = spawn(pcall, mutex.unlock, mutex):wait()
    assert.matches("the task has not locked", message)
    assert.equal(libevent.running(), mutex:owner())
    mutex:unlock()
    assert.is_false(pcall(mutex.unlock, mutex))
  end))

  it("is for tasks", function()
    assert.error_matches(function()
      libevent.mutex():lock()
    end, "only a task can lock a mutex")
  end)

  it("shows itself", run(function()
    local mutex = libevent.mutex()
    assert.matches("^libevent.mutex: 0x%x+ unlocked, 0 wait$", tostring(mutex))
    local kept = keeper(mutex)
    lockers(mutex, 2)
    assert.matches(" locked by libevent.task: .*, 2 wait$", tostring(mutex))
    kept:name "kid"
    assert.matches(" locked by kid, 2 wait$", tostring(mutex))
    assert.matches(" mutex lock$", libevent.tasks()[1].waits)
    kept:cancel()
    mutex:lock()
    mutex:unlock()
  end))

  it("refuses bad arguments", run(function()
    local mutex = libevent.mutex()
    badargs(mutex.lock, mutex, "?seconds")
  end))
end)
