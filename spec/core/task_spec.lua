local helper = require "spec.helper"
local libevent = require "libevent"

local run, badargs = helper.run, helper.badargs
local spawn, sleep = libevent.spawn, libevent.sleep

local ECANCELED, ETIMEDOUT = 125, 110
local canceled = { nil, "canceled", ECANCELED, n = 3 }
local timed_out = { nil, "timed out", ETIMEDOUT, n = 3 }

local pack = table.pack

describe("a task", function()
  it("starts soon, with its arguments, and gives its results", run(function()
    local started
    local task = spawn(function(...)
      started = true
      return select("#", ...), ...
    end, 1, nil, "x", nil)
    assert.is_nil(started)
    assert.equal("new", task:status())
    assert.same(pack(4, 1, nil, "x", nil), pack(task:wait()))
    assert.equal("done", task:status())
    assert.same(pack(4, 1, nil, "x", nil), pack(task:wait()))
  end))

  it("starts before who sleeps since then wakes, however late that is",
    run(function(base)
      local function spin() -- longer than the sleep
        local till = base:now() + 0.004
        while base:now() < till do -- luacheck: ignore
        end
      end
      for _ = 1, 5 do
        local began
        spawn(function()
          spawn(function()
            began = true
          end)
        end)
        sleep(0)
        base:defer(spin)
        sleep(0.001)
        assert.is_true(began)
      end
    end))

  it("runs in the order of spawning", run(function()
    local order, tasks = {}, {}
    for i = 1, 10 do
      tasks[i] = spawn(table.insert, order, i)
    end
    for _, task in ipairs(tasks) do
      task:wait()
    end
    assert.same({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10 }, order)
  end))

  it("is what is running inside of it", run(function()
    local main = libevent.running()
    assert.equal("running", main:status())
    local task
    task = spawn(function()
      return libevent.running() == task, coroutine.wrap(function()
        return libevent.running()
      end)()
    end)
    assert.same(pack(true, nil), pack(task:wait()))
    assert.equal(main, libevent.running())
  end))

  it("raises its error in all that wait for it, the very same", run(function()
    local value = {}
    local failing = spawn(function()
      sleep(0.001)
      error(value)
    end)
    local function wait()
      local ok, got = pcall(failing.wait, failing)
      return not ok and got == value
    end
    local one, other = spawn(wait), spawn(wait)
    assert.is_true(one:wait())
    assert.is_true(other:wait())
    assert.is_true(wait())
    assert.equal("failed", failing:status())
    assert.matches("task_spec", failing:traceback(), 1, true)
  end))

  it("fails with nil and false, too", run(function()
    for _, value in ipairs { false, "nil" } do
      local task = spawn(error, value ~= "nil" and value or nil)
      local ok, got = pcall(task.wait, task)
      assert.is_false(ok)
      assert.equal(value ~= "nil" and value or nil, got)
    end
  end))

  it("is canceled before it starts", run(function()
    local task = spawn(error, "never")
    assert.is_true(task:cancel())
    assert.same(canceled, pack(task:wait()))
    assert.equal("canceled", task:status())
    assert.is_false(task:cancel())
  end))

  it("is canceled where it waits, again if it catches that", run(function()
    local caught = {}
    local task = spawn(function()
      for i = 1, 3 do
        local ok, err = pcall(sleep, 10)
        caught[i] = tostring(err) .. tostring(ok)
      end
      return "ended by itself"
    end)
    sleep(0)
    task:cancel()
    assert.same(pack "ended by itself", pack(task:wait()))
    assert.same({ "canceledfalse", "canceledfalse", "canceledfalse" }, caught)
  end))

  it("lets <close> variables wait when it is canceled", run(function()
    local log = {}
    local task = spawn(function()
      local _ <close> = setmetatable({}, { __close = function()
        log[#log + 1] = sleep(0.001)
        log[#log + 1] = sleep(0.001)
      end })
      sleep(10)
    end)
    sleep(0)
    task:cancel()
    assert.same(canceled, pack(task:wait()))
    assert.same({ true, true }, log)
  end))

  it("lets them wait for a second at most", run(function(base)
    local raised
    local task = spawn(function()
      local _ <close> = setmetatable({}, { __close = function()
        local ok, err = pcall(sleep, 10)
        raised = not ok and tostring(err)
      end })
      sleep(10)
    end)
    sleep(0)
    local start = base:now()
    task:cancel()
    assert.same(canceled, pack(task:wait()))
    assert.equal("canceled", raised)
    local took = base:now() - start
    assert.is_true(took > 0.9 and took < 5)
  end))

  it("cancels itself at its next wait", run(function()
    local went_on
    local task = spawn(function()
      libevent.running():cancel()
      went_on = true
      sleep(0)
      error "never"
    end)
    assert.same(canceled, pack(task:wait()))
    assert.is_true(went_on)
  end))

  it("is canceled by close, and by the end of a block", run(function()
    local one = spawn(sleep, 10)
    sleep(0)
    one:close()
    assert.is_true(one:is_closed())
    local other
    do
      local task <close> = spawn(sleep, 10)
      other = spawn(function()
        return select("#", task:wait())
      end)
      sleep(0)
    end
    assert.equal(3, other:wait())
    assert.error_matches(function()
      one:wait()
    end, "attempt to use a closed task")
  end))

  it("ends at once by close 'now', even if it runs", run(function()
    local task = spawn(sleep, 10)
    local waiter = spawn(task.wait, task)
    sleep(0)
    task:close "now"
    assert.same(canceled, pack(waiter:wait()))
    local after
    local running = spawn(function()
      libevent.running():close "now"
      local ok, err = pcall(sleep, 0)
      after = not ok and err
    end)
    repeat
      sleep(0)
    until running:is_closed()
    assert.matches("closed task", after)
  end))

  it("cannot wait for itself", run(function()
    assert.error_matches(function()
      libevent.running():wait()
    end, "cannot wait for its own end")
  end))

  it("waits for another only so long", run(function()
    local task = spawn(sleep, 10)
    assert.same(timed_out, pack(task:wait(0.001)))
    assert.same(timed_out, pack(task:wait(0)))
    task:cancel()
    task:wait()
  end))

  it("tells what it waits for, and where", run(function(base)
    local condition = base:condition()
    local task = spawn(function()
      condition:wait()
    end)
    assert.is_nil(task:waits())
    sleep(0)
    local what, object = task:waits()
    assert.equal("wait", what)
    assert.matches("libevent.condition: 0x", object, 1, true)
    assert.matches("task_spec.lua:%d+$", task:where())
    assert.matches("stack traceback:.*task_spec", task:traceback())
    assert.matches("libevent.task: 0x%x+ waiting: wait libevent.%l+: 0x%x+$",
      tostring(task))
    assert.is_nil(task:name())
    assert.equal("kid", task:name "kid")
    assert.equal("kid", task:name())
    condition:signal()
    task:wait()
    assert.is_nil(task:waits())
    assert.is_nil(task:where())
    assert.is_nil(task:traceback())
    assert.matches("done$", tostring(task))
  end))

  it("is an error where it yields to nobody", run(function()
    local closed
    local task = spawn(function()
      local _ <close> = setmetatable({}, { __close = function()
        closed = true
      end })
      coroutine.yield(1)
    end)
    local ok, message = pcall(task.wait, task)
    assert.is_false(ok)
    assert.matches("attempt to yield from a task", message)
    assert.is_true(closed)
  end))

  it("may use coroutines of its own", run(function()
    local sum = 0
    for i in coroutine.wrap(function()
      for i = 1, 10 do
        coroutine.yield(i)
      end
    end) do
      sleep(0)
      sum = sum + i
    end
    assert.equal(55, sum)
  end))

  it("does not wait in a coroutine that is none", run(function()
    local ok, message = coroutine.resume(coroutine.create(function()
      sleep(0)
    end))
    assert.is_false(ok)
    assert.matches("only a task can wait", message)
  end))

  it("does not wait across a C call", run(function()
    local ok, message = pcall(table.sort, { 1, 2, 3 }, function(a, b)
      sleep(0)
      return a < b
    end)
    assert.is_false(ok)
    assert.matches("across a C%-call boundary", message)
  end))

  it("refuses bad arguments", run(function(base)
    local task = spawn(sleep, 0)
    badargs(base.task, base, "function")
    badargs(task.wait, task, "?seconds")
    assert.is_false(pcall(task.name, task, {}))
    badargs(function(_, ...) return sleep(...) end, nil, "seconds")
  end))
end)

describe("tasks of a base", function()
  it("run where its loop runs in a coroutine", helper.loop(function(base)
    local log = {}
    base:task(function()
      for i = 1, 3 do
        log[#log + 1] = i
        sleep(0.001)
      end
    end)
    local co = coroutine.create(function()
      coroutine.yield "before"
      local why = base:loop()
      log[#log + 1] = why
      coroutine.yield "after"
    end)
    assert.same({ true, "before" }, { coroutine.resume(co) })
    assert.same({ true, "after" }, { coroutine.resume(co) })
    assert.same({ 1, 2, 3, "empty" }, log)
  end))

  it("run beside callbacks that resume coroutines", helper.loop(
    function(base, expect)
    local other = coroutine.wrap(function()
      while true do
        coroutine.yield(libevent.running())
      end
    end)
    local task = base:task(function()
      sleep(0.002)
      return other()
    end)
    base:timer(expect(function()
      assert.is_nil(other())
      assert.is_nil(libevent.running())
    end)):add(0.001)
    base:dispatch()
    assert.same(pack(nil), pack(task:wait()))
  end))

  it("are dropped with it, 10,000 that wait", function()
    local base = libevent.event_base()
    local condition, ended = base:condition(), 0
    for i = 1, 10000 do
      base:task(function()
        if i % 2 == 0 then
          condition:wait()
        else
          sleep(100)
        end
        ended = ended + 1
      end)
    end
    base:loop "once"
    assert.equal(10000, #base:tasks())
    base:close()
    collectgarbage()
    assert.equal(0, ended)
  end)

  it("are collected with it", function()
    local weak = setmetatable({}, { __mode = "k" })
    do
      local base = libevent.event_base()
      weak[base] = true
      weak[base:task(sleep, 100)] = true
      base:loop "once"
    end
    helper.collect()
    assert.is_nil(next(weak))
  end)
end)

describe("a task's coroutine in other hands", function()
  --- A task that waits in `wait`, its coroutine, and what it returns.
  local function waiting(wait, ...)
    local co
    local task = spawn(function(...)
      co = coroutine.running()
      return wait(...)
    end, ...)
    sleep(0)
    return task, co
  end

  it("is an error where it is resumed", run(function()
    local task, co = waiting(sleep, 0.001)
    local ok, message = coroutine.resume(co, "x")
    assert.is_false(ok)
    assert.matches("was resumed by another", message)
    ok, message = pcall(task.wait, task)
    assert.is_false(ok)
    assert.matches("was resumed by another", message)
  end))

  it("ends the task where it is closed", run(function()
    local task, co = waiting(sleep, 0.001)
    assert.is_true(coroutine.close(co))
    assert.same(canceled, pack(task:wait()))
  end))

  it("is no task any more where it catches that", run(function()
    local task, co = waiting(function()
      local ok = pcall(sleep, 0.001)
      coroutine.yield(ok, pcall(sleep, 0))
    end)
    local ok, slept, again, message = coroutine.resume(co)
    assert.same({ true, false, false }, { ok, slept, again })
    assert.matches("only a task can wait", message)
    assert.is_false(pcall(task.wait, task))
    assert.equal("dead", coroutine.status(co))
  end))

  it("cannot be mixed up with a wait that nests", run(function()
    for _, outer in ipairs { libevent.scope, function(fn)
      return libevent.timeout(1, fn)
    end } do
      local task, co = waiting(outer, function()
        sleep(0.001)
      end)
      assert.is_false(coroutine.resume(co, 1, 2, 3))
      assert.is_false(pcall(task.wait, task))
    end
  end))
end)
