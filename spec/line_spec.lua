-- What queues, semaphores, mutexes and futures have in common.

local helper = require "spec.helper"
local libevent = require "libevent"

local run = helper.run
local spawn, sleep = libevent.spawn, libevent.sleep

describe("a line of tasks", function()
  local primitives = {
    queue = function()
      local queue = libevent.queue(1)
      return function(...)
        return queue:get(...)
      end
    end,
    ["a full queue"] = function()
      local queue = libevent.queue(1)
      queue:put(1)
      return function(...)
        return queue:put(2, ...)
      end
    end,
    semaphore = function()
      local semaphore = libevent.semaphore(0)
      return function(...)
        return semaphore:acquire(...)
      end
    end,
    mutex = function()
      local mutex = libevent.mutex()
      spawn(function()
        mutex:lock()
        sleep(100)
      end)
      sleep(0)
      return function(...)
        return mutex:lock(...)
      end
    end,
    future = function()
      local future = libevent.future()
      return function(...)
        return future:wait(...)
      end
    end,
  }

  for name, make in pairs(primitives) do
    it("does not grow by waits that end without it: " .. name, run(
      function(base)
      local wait = make()
      local function rounds_of(n)
        for i = 1, n do
          local task = spawn(wait, i % 2 == 0 and 0.00001 or nil)
          sleep(0)
          if i % 4 == 1 then
            task:close "now"
          elseif i % 4 == 3 then
            task:cancel()
          else
            assert.same(table.pack(nil, "timed out", 110),
              table.pack(task:wait()))
          end
        end
        sleep(0)
        helper.collect()
        return collectgarbage "count"
      end
      local n = helper.stress and 100 or 1000
      local before = rounds_of(n)
      assert.is_true(rounds_of(n) < before + 4)
      for _, task in ipairs(base:tasks()) do
        if task:waits() == "sleep" then
          task:cancel()
        end
      end
    end))

    it("never waits with 0, and waits only in a task: " .. name, run(
      function(base)
      local wait = make()
      base:defer(function()
        if name == "mutex" then
          assert.error_matches(function()
            wait(0)
          end, "only a task can lock a mutex")
        else
          assert.same(table.pack(nil, "timed out", 110), table.pack(wait(0)))
          assert.error_matches(wait, "only a task can wait")
        end
      end)
      assert.same(table.pack(nil, "timed out", 110), table.pack(wait(0)))
      sleep(0)
      for _, task in ipairs(base:tasks()) do
        if task:waits() == "sleep" then
          task:cancel()
        end
      end
    end))
  end
end)
