local helper = require "spec.helper"
local libevent = require "libevent"

local run, badargs = helper.run, helper.badargs
local spawn, sleep = libevent.spawn, libevent.sleep

local ECANCELED, ETIMEDOUT = 125, 110
local canceled = { nil, "canceled", ECANCELED, n = 3 }
local timed_out = { nil, "timed out", ETIMEDOUT, n = 3 }

local pack = table.pack

describe("sleep", function()
  it("never ends early, and keeps its rate", run(function(base)
    local start = base:now()
    for i = 1, 20 do
      sleep(0.002)
      assert.is_true(base:now() - start >= i * 0.002 - 0.0015)
    end
  end))

  it("lets others run", run(function()
    local log = {}
    local function count(name)
      for i = 1, 3 do
        log[#log + 1] = name .. i
        sleep(0)
      end
    end
    local a, b = spawn(count, "a"), spawn(count, "b")
    a:wait()
    b:wait()
    assert.same("a1 b1 a2 b2 a3 b3", table.concat(log, " "))
  end))

  it("is for tasks", function()
    assert.error_matches(function()
      sleep(0)
    end, "only a task can wait")
  end)
end)

describe("timeout", function()
  it("returns what the function returns in time", run(function()
    assert.same(pack(1, nil, 3, nil), pack(libevent.timeout(1, function(...)
      sleep(0)
      return ...
    end, 1, nil, 3, nil)))
  end))

  it("ends what waits too long", run(function()
    assert.same(timed_out, pack(libevent.timeout(0.001, sleep, 10)))
    assert.same(timed_out, pack(libevent.timeout(0, sleep, 10)))
    sleep(0)
  end))

  it("raises again where that is caught", run(function()
    local n = 0
    assert.same(timed_out, pack(libevent.timeout(0.001, function()
      for _ = 1, 3 do
        n = n + (pcall(sleep, 10) and 0 or 1)
      end
      sleep(0)
    end)))
    assert.equal(3, n)
  end))

  it("belongs to the one whose time is over", run(function()
    local inner
    assert.same(timed_out, pack(libevent.timeout(0.001, function()
      inner = pack(libevent.timeout(10, sleep, 10))
    end)))
    assert.is_nil(inner)
    assert.same(pack "on", pack(libevent.timeout(10, function()
      inner = pack(libevent.timeout(0.001, sleep, 10))
      sleep(0)
      return "on"
    end)))
    assert.same(timed_out, inner)
  end))

  it("lets a wait have a time of its own", run(function()
    local task = spawn(sleep, 10)
    assert.same(pack(pack(nil, "timed out", ETIMEDOUT)),
      pack(libevent.timeout(1, function()
        return pack(task:wait(0.001))
      end)))
    task:cancel()
    task:wait()
  end))

  it("ends a wait that has no time of its own", run(function()
    local condition, task = libevent.condition(), nil
    assert.same(timed_out, pack(libevent.timeout(0.002, function()
      task = spawn(condition.wait, condition)
      sleep(0)
      condition:wait()
    end)))
    assert.same(timed_out, pack(task:wait()))
    assert.same(timed_out, pack(condition:wait(0.001)))
    spawn(function()
      sleep(0.002)
      condition:signal()
    end)
    assert.is_true(condition:wait())
  end))

  it("passes errors on, with their traceback", run(function()
    local value = {}
    local task = spawn(function()
      libevent.timeout(1, function()
        local function deep()
          error(value)
        end
        deep()
      end)
    end)
    local ok, got = pcall(task.wait, task)
    assert.is_true(not ok and got == value)
    assert.matches("in local 'deep'", task:traceback())
  end))

  it("is inherited by what is spawned", run(function()
    local task
    assert.same(timed_out, pack(libevent.timeout(0.002, function()
      task = spawn(sleep, 10)
      sleep(10)
    end)))
    assert.same(timed_out, pack(task:wait()))
    assert.equal("timed out", task:status())
  end))

  it("lets <close> variables wait", run(function()
    local slept
    assert.same(timed_out, pack(libevent.timeout(0.001, function()
      local _ <close> = setmetatable({}, { __close = function()
        slept = sleep(0.001)
      end })
      sleep(10)
    end)))
    assert.is_true(slept)
  end))

  it("gives <close> variables their time where they begin after it", run(
    function()
    local log = {}
    local task = spawn(function()
      local _ <close> = setmetatable({}, { __close = function()
        libevent.running():cancel()
        sleep(0.001)
        log[1] = "closed"
      end })
      error "own"
    end)
    assert.is_false((pcall(task.wait, task, 10)))
    assert.same({ "closed" }, log)
  end))

  it("does not swallow a cancel", run(function()
    local task = spawn(function()
      libevent.timeout(10, sleep, 10)
      error "never"
    end)
    sleep(0)
    task:cancel()
    assert.same(canceled, pack(task:wait()))
  end))

  it("refuses bad arguments", run(function()
    badargs(function(_, ...) return libevent.timeout(...) end, nil,
      "seconds, function", { 1, print })
  end))
end)

describe("pcall", function()
  local pcall_of = libevent.pcall

  it("returns what the function returns", run(function()
    assert.same(pack(true, 1, nil, 3, nil), pack(pcall_of(function(...)
      sleep(0)
      return ...
    end, 1, nil, 3, nil)))
    assert.same(pack(true), pack(pcall_of(sleep == nil or function() end)))
  end))

  it("returns the very error, and where it was raised", run(function()
    local err = {}
    local ok, got, traceback = pcall_of(function()
      sleep(0)
      error(err)
    end)
    assert.is_false(ok)
    assert.equal(err, got)
    assert.matches("running_spec.lua:%d+: in", traceback)
    ok, got, traceback = pcall_of(error, "message", 0)
    assert.same({ false, "message" }, { ok, got })
    assert.matches("^message\nstack traceback:\n\t%[C%]: in function 'error'\n",
      traceback)
    ok, got, traceback = pcall_of(function()
      return nil + 1
    end)
    assert.is_false(ok)
    assert.equal(got, traceback:match "^[^\n]*")
    assert.matches("\nstack traceback:\n\t[^\n]*running_spec.lua:", traceback)
  end))

  it("works outside of tasks", function()
    assert.same(pack(true, 1, nil), pack(pcall_of(function(...)
      return ...
    end, 1, nil)))
    local ok, err, traceback = pcall_of(error, "message", 0)
    assert.same({ false, "message" }, { ok, err })
    assert.matches("^message\nstack traceback:", traceback)
    assert.same({ 1, 2 }, { coroutine.wrap(function()
      return select(2, pcall_of(coroutine.yield, 1))
    end)(), 2 })
  end)

  it("does not catch a cancel, so that <close> handlers may wait",
    run(function()
      local log = {}
      local task = spawn(function()
        pcall_of(function()
          local handler <close> = setmetatable({}, { -- luacheck: ignore
            __close = function()
              sleep(0.001)
              log[#log + 1] = "closed"
            end,
          })
          sleep(100)
        end)
        log[#log + 1] = "caught"
      end)
      sleep(0)
      task:cancel()
      assert.same(canceled, pack(task:wait()))
      assert.same({ "closed" }, log)
    end))

  it("does not catch the end of a timeout around it", run(function()
    assert.same(timed_out, pack(libevent.timeout(0.001, function()
      pcall_of(sleep, 100)
      return "caught"
    end)))
  end))

  it("catches the private value of another task", run(function()
    local value
    local task = spawn(function()
      value = select(2, pcall(sleep, 100))
      error(value, 0)
    end)
    sleep(0)
    task:cancel()
    task:wait()
    assert.is_not_nil(value)
    local ok, err = pcall_of(error, value)
    assert.is_false(ok)
    assert.equal(value, err)
  end))

  it("leaves alone the error that is on its way out", run(function(base)
    local told
    base:on_error(function(...)
      told = pack(...)
    end)
    local task = spawn(function()
      local handler <close> = setmetatable({}, { -- luacheck: ignore
        __close = function()
          pcall_of(error, "inner")
        end,
      })
      local function where_it_fails()
        error "outer"
      end
      where_it_fails()
    end)
    while not told do
      sleep(0.001)
    end
    assert.matches("outer$", told[1])
    assert.matches("where_it_fails", told[2])
    assert.equal(task, told[3])
  end))

  it("wants something to call", function()
    assert.error_matches(pcall_of, "bad argument #1")
    assert.is_false((pcall_of(nil)))
  end)
end)
