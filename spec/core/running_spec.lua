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
