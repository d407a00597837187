-- Tasks that have to stop in the middle of what the library does for them: that
-- is done to its end.

local helper = require "spec.helper"
local libevent = require "libevent"

local run = helper.run
local spawn, sleep = libevent.spawn, libevent.sleep

-- The specs' own hook takes the place of a limit.
local it = helper.stress and pending or it

--- Calls a function again and again in a task until that is stopped; `shift`
-- instructions more or less come before.
local function until_stopped(shift, fn)
  local task = spawn(function()
    libevent.running():limit(1000)
    for _ = 1, shift do -- luacheck: ignore
    end
    while true do
      fn()
    end
  end)
  local ok, message = pcall(task.wait, task)
  assert.is_false(ok)
  assert.matches("limit_spec.lua:%d+: stopped: too many", message)
end

--- Tries a function with as many shifts as it takes to stop everywhere.
local function everywhere(fn)
  return run(function(base)
    base:on_error(function() end) -- of tasks that nobody waits for yet
    for shift = 1, 120 do
      fn(shift)
    end
  end)
end

describe("a task at its limit", function()
  it("puts all of a value into a queue", everywhere(function(shift)
    local queue, got, last = libevent.queue(), {}, 0
    local getter = spawn(function()
      for value in queue:values() do
        got[#got + 1] = value
      end
    end)
    sleep(0)
    until_stopped(shift, function()
      last = last + 1
      queue:put(last)
      sleep(0)
    end)
    queue:put "end"
    queue:close()
    getter:wait()
    assert.equal("end", table.remove(got))
    assert.is_true(#got >= last - 1)
    for i, value in ipairs(got) do
      assert.equal(i, value)
    end
  end))

  it("gets one value of a queue, and gives its place", everywhere(
    function(shift)
    local queue, last = libevent.queue(1), 0
    local putter = spawn(function()
      for i = 1, 300 do
        queue:put(i)
      end
    end)
    until_stopped(shift, function()
      last = queue:get()
    end)
    local value = queue:get()
    assert.is_true(value == last + 1 or value == last + 2)
    for i = value + 1, 300 do
      assert.equal(i, queue:get())
    end
    putter:wait()
  end))

  it("unlocks a mutex, for one", everywhere(function(shift)
    local mutex, inside, most = libevent.mutex(), 0, 0
    local function locks()
      local _ <close> = mutex:lock()
      inside = inside + 1
      most = math.max(most, inside)
      sleep(0)
      inside = inside - 1
    end
    local others = { spawn(locks), spawn(locks), spawn(locks) }
    until_stopped(shift, function()
      local _ <close> = mutex:lock()
      sleep(0)
    end)
    for _, other in ipairs(others) do
      other:wait()
    end
    locks()
    assert.equal(1, most)
    assert.is_nil(mutex:owner())
  end))

  it("releases all of a semaphore", everywhere(function(shift)
    local semaphore = libevent.semaphore(2)
    until_stopped(shift, function()
      local _ <close> = semaphore:acquire()
      sleep(0)
    end)
    assert.equal(2, semaphore:count())
  end))

  it("drains to the end", everywhere(function(shift)
    until_stopped(shift, function()
      libevent.drain(nil, 0.01, 0)
    end)
    assert(libevent.listen "127.0.0.1:0"):close()
  end))

  it("closes its connection, and tells of the error", everywhere(
    function(shift)
    local told, error_of = 0, libevent.base():on_error()
    libevent.base():on_error(function(err)
      for _ = 1, 2000 do -- luacheck: ignore
      end
      told = told + (tostring(err):find "stopped: too many" and 1 or 0)
    end)
    local server <close> = assert(libevent.serve("127.0.0.1:0", function()
      libevent.running():limit(1000)
      for _ = 1, 900 + shift do -- luacheck: ignore
      end
      while shift % 2 == 0 do -- catches each, until each instruction raises
        pcall(function()
          for _ = 1, 2000 do -- luacheck: ignore
          end
        end)
      end
    end))
    local stream <close> = assert(libevent.connect(server:getsockname()))
    assert.same(table.pack(""), table.pack(stream:read("a", 5)))
    assert.equal(0, server:counters().open)
    assert.is_true(told == 1 or shift % 2 == 1)
    libevent.base():on_error(error_of)
  end))
end)
