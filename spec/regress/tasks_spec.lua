-- Tasks in situations that once went wrong.

local helper = require "spec.helper"
local libevent = require "libevent"

local run = helper.run
local spawn, sleep = libevent.spawn, libevent.sleep
local pack = table.pack

local at_next_allocation = helper.at_next_allocation
local normal = helper.normal_collector

describe("a task", function()
  it("closed by a finalizer while it opens a scope is closed", run(function()
    local message
    for _ = 1, 3 do
      spawn(function()
        local me = libevent.running()
        local function fn(scope)
          scope:spawn(sleep, 0)
        end
        local scope, create = libevent.scope, coroutine.create
        at_next_allocation(function()
          me:close "now"
        end)
        create(fn)
        local ok, err = pcall(scope, fn)
        message = not ok and err or message
      end)
      sleep(0.002)
      normal()
    end
    collectgarbage()
    sleep(0.005)
    assert.matches("closed task", message)
  end))

  it("gets no timeout of its own from outside", run(function()
    local escaped = 0
    for _ = 1, 50 do
      sleep(0.001)
      if not pcall(libevent.timeout, 0.002, sleep, 1) then
        escaped = escaped + 1
      end
    end
    assert.equal(0, escaped)
  end))

  it("keeps its results from those who have its coroutine", run(function()
    local co
    local function results(...)
      co = coroutine.running()
      return ...
    end
    for _, n in ipairs { 0, 1, 3 } do
      local task = spawn(results, table.unpack({ print, print, 7 }, 1, n))
      sleep(0)
      assert.equal("dead", coroutine.status(co))
      assert.is_false((coroutine.resume(co)))
      coroutine.close(co)
      assert.same(pack(table.unpack({ print, print, 7 }, 1, n)),
        pack(task:wait()))
    end
  end))

  it("that must not wait leaves an event as it was", run(function(base)
    local event = base:event(-1, "")
    assert.is_nil((libevent.timeout(0, function()
      return event:wait()
    end)))
    assert.is_nil(event:pending())
    local called
    event = base:event(-1, "", function()
      called = true
    end)
    assert.is_nil((event:wait(0.001)))
    assert.is_nil(event:pending())
    assert.is_nil(called)
    event:close()
  end))

  it("is none any more where it has closed the Lua state", function()
    helper.prints(
      "nil\nfalse\tthe coroutine of a task was resumed by another\n",
      [[
      local libevent = require "libevent"
      local base = libevent.event_base()
      local guard = setmetatable({}, { -- found after the tasks
        __gc = function(self)
          print(libevent.running())
          print(coroutine.resume(self.co))
        end,
      })
      base:task(function()
        guard.co = coroutine.running()
        libevent.sleep(100)
      end)
      base:task(function()
        os.exit(0, true)
      end)
      base:loop()
    ]]
    )
  end)

  it("tells its error though it was closed while it ran", function()
    for _, close in ipairs { function()
      libevent.base():close()
    end, function()
      libevent.running():close "now"
    end } do
      local ok, message = pcall(libevent.run, function()
        close()
        error("not lost", 0)
      end)
      assert.is_false(ok)
      assert.equal("not lost", message)
    end
  end)

  it("tells its error though it is closed before that was told", function()
    local ok, message = pcall(libevent.run, function()
      local task
      task = spawn(error, "not lost", 0)
      libevent.base():timer(function()
        sleep(0)
      end)
      spawn(function()
        task:close()
      end)
      sleep(0.01)
    end)
    assert.is_false(ok)
    assert.equal("not lost", message)
  end)

  it("of a scope whose owner is gone tells its error", function()
    local ok, message = pcall(libevent.run, function()
      local began
      local owner = spawn(libevent.scope, function(scope)
        scope:spawn(function()
          began = true
          pcall(sleep, 10)
          error("not lost", 0)
        end)
        sleep(100)
      end)
      repeat
        sleep(0)
      until began
      owner:close "now"
      sleep(10)
    end)
    assert.is_false(ok)
    assert.equal("not lost", message)
  end)

  it("spawned while its scope ends does not run", run(function()
    local ran
    local owner = spawn(libevent.scope, function(scope)
      scope:spawn(function()
        pcall(sleep, 1000)
        spawn(function()
          ran = true
        end)
      end)
    end)
    sleep(0.001)
    owner:cancel()
    owner:wait()
    sleep(0)
    assert.is_nil(ran)
  end))

  it("is canceled though its scope was about to end", run(function(base)
    local condition <close> = base:condition()
    local kept, ran
    local owner = spawn(libevent.scope, function(scope)
      kept = scope
      scope:spawn(condition.wait, condition)
    end)
    sleep(0)
    sleep(0)
    spawn(function()
      condition:wait()
      kept:spawn(function()
        sleep(2)
        ran = true
      end)
      owner:cancel()
    end)
    sleep(0)
    condition:broadcast()
    assert.same(pack(nil, "canceled", 125), pack(owner:wait(1)))
    assert.is_nil(ran)
  end))

  it("that is ready is lost to a foreign resume as well", run(function(base)
    local condition <close> = base:condition()
    local co
    local task = spawn(function()
      co = coroutine.running()
      condition:wait()
    end)
    sleep(0)
    condition:signal()
    assert.is_false((coroutine.resume(co)))
    local ok, message = pcall(task.wait, task)
    assert.is_false(ok)
    assert.matches("was resumed by another", message)
  end))

  it("may use timeout and scope in its <close> handlers", run(function()
    local done
    local task = spawn(function()
      local _ <close> = setmetatable({}, { __close = function()
        libevent.timeout(0.2, sleep, 0.001)
        libevent.scope(function() end)
        done = sleep(0.001)
      end })
      sleep(10)
    end)
    sleep(0)
    task:cancel()
    task:wait()
    assert.is_true(done)
  end))

  it("has its second for <close> after an earlier timeout", run(function()
    local done
    local task = spawn(function()
      libevent.timeout(0.001, function()
        pcall(sleep, 1)
      end)
      local _ <close> = setmetatable({}, { __close = function()
        done = sleep(0.001)
      end })
      sleep(10)
    end)
    sleep(1.1)
    task:cancel()
    task:wait()
    assert.is_true(done)
  end))

  it("whose coroutine was closed is nowhere", run(function()
    local co
    local task = spawn(function()
      co = coroutine.running()
      sleep(10)
    end)
    sleep(0)
    coroutine.close(co)
    assert.is_nil(task:where())
    task:cancel()
    task:wait()
  end))

  it("that fails in a scope of its own fails the one that it is in", run(
    function()
    local ok, message = pcall(libevent.scope, function(outer)
      outer:spawn(function()
        libevent.scope(function()
          coroutine.yield()
        end)
      end)
      sleep(10)
    end)
    assert.is_false(ok)
    assert.matches("attempt to yield from a task", message)
  end))

  it("raises the first of two errors of a scope", run(function()
    local ok, message = pcall(libevent.scope, function(scope)
      scope:spawn(error, "first", 0)
      pcall(sleep, 10)
      error("second", 0)
    end)
    assert.is_false(ok)
    assert.equal("first", message)
  end))

  it("has the traceback of its own error, not of an equal one", run(function()
    local task = spawn(function()
      pcall(libevent.timeout, 1, function()
        error("same", 0)
      end)
      sleep(0)
      local function the_other_place()
        error("same", 0)
      end
      the_other_place()
    end)
    pcall(task.wait, task)
    assert.matches("the_other_place", task:traceback())
  end))

  it("fails with an interruption that is not its own", run(function()
    local value
    local one = spawn(function()
      local _, err = pcall(sleep, 10)
      value = err
    end)
    sleep(0)
    one:cancel()
    one:wait()
    local other = spawn(error, value)
    assert.is_false((pcall(other.wait, other)))
    assert.equal("failed", other:status())
  end))

  it("spawns into its scope from a generator, too", run(function()
    local ended
    libevent.scope(function()
      coroutine.wrap(function()
        spawn(function()
          sleep(0.001)
          ended = true
        end)
      end)()
    end)
    assert.is_true(ended)
  end))

  it("waits for no descriptor of another base, whose loop would resume it",
    function()
      local here, there = libevent.event_base(), libevent.event_base()
      local one, other = libevent.socketpair()
      local stream, peer = there:stream(one), there:stream(other)
      local event = there:event(stream, "r")
      local task = here:task(function()
        for _, name in ipairs { "read", "peek" } do
          assert.has_error(function() stream[name](stream, 1) end,
            "a task waits only for objects of its own event_base")
        end
        assert.has_error(function() stream:relay(peer) end,
          "a task waits only for objects of its own event_base")
        assert.has_error(function() event:wait() end,
          "a task waits only for objects of its own event_base")
        stream:write(("x"):rep(1e6)) -- waits not
        return "done"
      end)
      here:loop()
      assert.equal("done", task:status())
      there:close()
      here:close()
    end)
end)

describe("run", function()
  it("clears up after a main task that closed itself", function()
    local base <close> = libevent.event_base()
    assert.is_nil((libevent.run(base, function()
      spawn(sleep, 100)
      libevent.running():close "now"
    end)))
    assert.same({}, base:tasks())
    assert.equal(1, (libevent.run(base, function()
      return 1
    end)))
  end)
end)

describe("a task that yields to nobody", function()
  it("is dead, though its <close> handlers fail", run(function()
    local co
    local task = spawn(function()
      co = coroutine.running()
      local _ <close> = setmetatable({}, { __close = function()
        error(print)
      end })
      coroutine.yield()
    end)
    assert.is_false((pcall(task.wait, task)))
    assert.equal("dead", coroutine.status(co))
    assert.is_false((coroutine.resume(co)))
  end))
end)

describe("every", function()
  it("counts with integers, however short its time is", run(function()
    for _, seconds in ipairs { 5e-324, 1e-300, 1e-9 } do
      local before, times = 0, 0
      for n in libevent.every(seconds) do
        assert.equal("integer", math.type(n))
        assert.is_true(n > before)
        before, times = n, times + 1
        if times == 5 then
          break
        end
      end
    end
  end))
end)
