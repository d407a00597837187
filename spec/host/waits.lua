-- What memory.c runs with failing allocations: conditions, mutexes, semaphores,
-- queues and futures, at which tasks wait for one another.

local libevent = libevent -- luacheck: ignore
local trial = require "spec.host.trial"
local check, same = trial.check, trial.same

--- Starts tasks and waits until all have ended; what fails is raised.
local function together(...)
  local tasks = { ... }
  for i, fn in ipairs(tasks) do
    tasks[i] = libevent.spawn(fn)
  end
  for _, task in ipairs(tasks) do
    task:wait()
  end
end

local function conditions()
  local condition, woken = libevent.condition "a condition", 0
  local function wait()
    check(condition:wait(0.1))
    woken = woken + 1
  end
  together(wait, wait, wait, function()
    libevent.sleep(0) -- until they wait
    same(3, condition:waiting())
    condition:signal(1)
    condition:broadcast()
  end)
  same(3, woken)
end

local function mutexes()
  local mutex, order = libevent.mutex(), {}
  local function enter(name)
    return function()
      local held <close> = check(mutex:lock(0.1)) -- luacheck: ignore
      check(tostring(mutex))
      libevent.sleep(0)
      order[#order + 1] = name
    end
  end
  together(enter "a", enter "b", enter "c")
  same("abc", table.concat(order))
  same(nil, mutex:owner())
  libevent.spawn(mutex.lock, mutex):wait()
  same("abandoned", select(2, mutex:lock(0.1)))
  mutex:unlock()
end

local function semaphores()
  local semaphore, most, n = libevent.semaphore(1), 0, 0
  local function enter()
    local permit <close> = check(semaphore:acquire(0.1)) -- luacheck: ignore
    n = n + 1
    most = math.max(most, n)
    libevent.sleep(0)
    n = n - 1
  end
  together(enter, enter, enter, function()
    semaphore:release()
  end)
  same(2, most)
  check(tostring(semaphore))
end

local function queues()
  local queue, got = libevent.queue(1), {}
  together(function()
    for value in queue:values() do
      got[#got + 1] = value
    end
  end, function()
    for _, value in ipairs { "a", "b", "c" } do
      check(queue:put(value, 0.1))
    end
    check(tostring(queue))
    queue:close()
  end)
  same("abc", table.concat(got))
end

local function futures()
  local future, failing = libevent.future(), libevent.future()
  together(function()
    same(3, select("#", future:wait(0.1)))
    same(false, (pcall(failing.wait, failing, 0.1)))
  end, function()
    libevent.sleep(0) -- until the other waits
    future:set(1, 2, 3)
    check(tostring(future))
    failing:fail "why"
  end)
end

trial.run(function()
  conditions()
  mutexes()
  semaphores()
  queues()
  futures()
end)
