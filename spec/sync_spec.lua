-- What holds for all that tasks wait on, whatever becomes of those that wait:
-- random histories in which tasks time out, are canceled, fail, are ended by
-- close "now" or with their coroutine, before and after they were served.

local helper = require "spec.helper"
local libevent = require "libevent"

local run = helper.run
local spawn, sleep = libevent.spawn, libevent.sleep
local random = math.random
local rounds = (helper.stress or helper.sanitized) and 10 or 60

local function pick(list)
  return list[random(#list)]
end

--- What may become of a worker.
local ends = {
  function(worker)
    worker.task:cancel()
  end,
  function(worker)
    worker.task:close "now"
    worker.gone = true
  end,
  function(worker)
    if worker.co and coroutine.status(worker.co) == "suspended" then
      coroutine.close(worker.co)
      worker.gone = true
    end
  end,
}

--- A crowd of workers; `start(fn)` adds one, `disturb()` ends one at random.
local function crowd(base)
  local self = { workers = {}, failures = {} }
  base:on_error(function(err)
    self.failures[#self.failures + 1] = tostring(err)
  end)
  function self.start(fn)
    local worker = {}
    worker.task = spawn(function()
      worker.co = coroutine.running()
      fn(worker)
      worker.gone = true
    end)
    self.workers[#self.workers + 1] = worker
    return worker
  end
  function self.disturb()
    local worker = pick(self.workers)
    if worker and not worker.gone and worker.task ~= libevent.running()
        and not worker.task:is_closed() then
      pick(ends)(worker)
    end
  end
  --- Lets all end; what still waits then was left behind.
  function self.finish()
    local tries = 0
    repeat
      sleep(tries < 10 and 0 or 0.001)
      tries = tries + 1
    until #libevent.tasks(base) == 1 or tries > 500
    local left = {}
    for _, one in ipairs(libevent.tasks(base)) do
      if one.task ~= libevent.running() then
        left[#left + 1] = (one.waits or "") .. " " .. one.traceback
      end
    end
    for _, failure in ipairs(self.failures) do
      assert.equal("fault", failure)
    end
    return left
  end
  return self
end

local function timeout()
  return pick { nil, nil, nil, 0, random() * 0.002 }
end

--- A body for `it`: fn(base, crowd) once for each seed.
local function seeds(fn)
  return run(function(base)
    for seed = 1, rounds do
      math.randomseed(seed)
      local all = crowd(base)
      local ok, err = pcall(fn, base, all)
      assert(ok, ("seed %d: %s"):format(seed, tostring(err)))
    end
    base:on_error(nil)
  end)
end

describe("whatever becomes of tasks,", function()
  it("a queue loses and doubles nothing", seeds(function(_, all)
    local limit = pick { 1, 2, 3, 5, math.huge }
    local queue = libevent.queue(limit < math.huge and limit or nil)
    local began, put, got = {}, {}, {}
    local number = 0
    local function producer()
      for _ = 1, random(4) do
        number = number + 1
        local mine = number
        began[mine] = true
        local ok, message = queue:put(mine, timeout())
        if ok then
          put[mine] = true
        else
          began[mine] = nil
          if message == "closed" then
            return
          end
        end
        if random(12) == 1 then
          error("fault", 0)
        elseif random(4) == 1 then
          sleep(0)
        end
      end
    end
    local function consumer()
      for _ = 1, random(4) do
        local value, message = queue:get(timeout())
        if value then
          assert(began[value] and not got[value], "never put, or doubled")
          got[value] = true
        elseif message == "closed" then
          return
        end
        if random(12) == 1 then
          error("fault", 0)
        end
      end
    end
    for _ = 1, 40 do
      all.start(random(2) == 1 and producer or consumer)
      for _ = 1, random(0, 2) do
        all.disturb()
      end
      if random(3) == 1 then
        sleep(pick { 0, 0, 0.0005 })
      end
      if random(60) == 1 then
        queue:close()
      elseif not queue:is_closed() and queue.putters.handed == 0 then
        -- Nobody waits for what is there.
        assert(queue.getters:waiting() == 0 or #queue == 0)
        assert(queue.putters:waiting() == 0 or #queue >= limit)
      end
    end
    queue:close()
    assert.same({}, all.finish())
    for value in queue:values() do
      assert(began[value] and not got[value], "never put, or doubled")
      got[value] = true
    end
    for value in pairs(put) do
      assert(got[value], "put and lost: " .. value)
    end
    assert.equal(0, #queue)
    assert.matches(" 0 of .* 0 wait to get, 0 to put", tostring(queue))
  end))

  it("a semaphore keeps its permits", seeds(function(_, all)
    local n = random(0, 3)
    local semaphore = libevent.semaphore(n)
    local inside, lost = 0, 0
    local function worker(self)
      for _ = 1, random(3) do
        local permit <close> = semaphore:acquire(timeout())
        if permit then
          inside, self.inside = inside + 1, true
          assert(inside <= n - lost)
          local leave <close> = setmetatable({}, { -- luacheck: ignore
            __close = function()
              inside, self.inside = inside - 1, false
            end })
          if random(10) == 1 then
            error("fault", 0)
          elseif random(2) == 1 then
            sleep(pick { 0, 0.0005 })
          end
        end
      end
    end
    for _ = 1, 40 do
      all.start(worker)
      for _ = 1, random(0, 2) do
        all.disturb()
      end
      for _, one in ipairs(all.workers) do
        if one.inside and one.task:is_closed() and one.gone then
          -- Ended at once, without its <close> variables.
          lost, inside, one.inside = lost + 1, inside - 1, false
        end
      end
      if random(3) == 1 then
        sleep(pick { 0, 0, 0.0005 })
      end
      if random(10) == 1 then
        n = n + 2
        semaphore:release(2)
      end
    end
    n = n + 1
    semaphore:release() -- there is one for those who wait still
    sleep(0.003)
    assert.same({}, all.finish())
    assert.equal(0, inside)
    assert.equal(n - lost, semaphore:count())
  end))

  it("a mutex has one owner, and always finds the next",
    seeds(function(_, all)
    local mutex = libevent.mutex()
    local owner, late = nil, false
    local function worker(self)
      for _ = 1, random(3) do
        local held <close>, message = mutex:lock(timeout())
        if held then
          assert(not owner or owner.gone, "two owners")
          assert.equal(libevent.running(), mutex:owner())
          assert(not owner or message == "abandoned")
          assert(not message or owner or late)
          owner, late = self, false
          local leave <close> = setmetatable({}, { -- luacheck: ignore
            __close = function()
              owner = owner ~= self and owner or nil
            end })
          if random(10) == 1 then
            error("fault", 0)
          elseif random(2) == 1 then
            sleep(pick { 0, 0.0005 })
          end
        end
      end
    end
    for _ = 1, 40 do
      all.start(worker)
      for _ = 1, random(0, 2) do
        all.disturb()
      end
      if owner and owner.gone and random(3) == 1 then
        late = true
        assert(coroutine.close(owner.co)) -- it may be too late to unlock

      end
      if random(3) == 1 then
        sleep(pick { 0, 0, 0.0005 })
      end
    end
    for _ = 1, 5 do
      if owner and not owner.gone then
        owner.task:close "now"
        owner.gone = true
      end
      sleep(0.002)
    end
    assert.same({}, all.finish())
    assert.is_truthy(mutex:lock(0))
    mutex:unlock()
  end))

  it("a future tells all", seeds(function(_, all)
    local future = libevent.future()
    local state, got = nil, 0
    local function worker()
      local ok, value, message = pcall(future.wait, future, timeout())
      if state == "set" and ok and message ~= "timed out" then
        assert.equal("value", value)
        got = got + 1
      elseif state == "closed" and ok and message ~= "timed out" then
        assert.equal("closed", message)
      elseif not ok then
        assert(tostring(value) == "canceled"
          or state == "failed" and value == "why", value)
        error(tostring(value) == "canceled" and value or "fault", 0)
      end
    end
    local at = random(40)
    for i = 1, 40 do
      all.start(worker)
      for _ = 1, random(0, 2) do
        all.disturb()
      end
      if random(3) == 1 then
        sleep(pick { 0, 0, 0.0005 })
      end
      if i == at then
        state = pick { "set", "failed", "closed" }
        if state == "set" then
          future:set "value"
        elseif state == "failed" then
          future:fail "why"
        else
          future:close()
        end
      end
    end
    sleep(0.003)
    assert.same({}, all.finish())
    assert.is_true(future:is_done())
  end))

  it("a signal is not lost", seeds(function(_, all)
    local condition = libevent.condition "spec"
    local woken, signaled = 0, 0
    for _ = 1, 40 do
      all.start(function()
        if condition:wait(pick { nil, random() * 0.002 }) then
          woken = woken + 1
        end
      end)
      for _ = 1, random(0, 2) do
        all.disturb()
      end
      if random(3) == 1 then
        sleep(pick { 0, 0, 0.0005 })
      end
      if random(3) == 1 then
        signaled = signaled + condition:signal(random(3))
      end
    end
    sleep(0.003)
    local turns = 0 -- a signal goes on where a task was lost
    while condition:served() > 0 and turns < 1000 do
      sleep(0)
      turns = turns + 1
    end
    assert.equal(0, condition:served())
    assert(woken <= signaled)
    condition:broadcast()
    assert.same({}, all.finish())
    assert.equal(0, condition:waiting())
  end))
end)
