local helper = require "spec.helper"
local libevent = require "libevent"

local run, badargs = helper.run, helper.badargs
local spawn, sleep = libevent.spawn, libevent.sleep

local ECANCELED, ETIMEDOUT = 125, 110
local pack = table.pack

describe("a condition", function()
  --- n tasks that wait, and what they get, in the order of waking.
  local function waiters(condition, n, timeout)
    local woken, tasks = {}, {}
    for i = 1, n do
      tasks[i] = spawn(function()
        local ok, message = condition:wait(timeout)
        woken[#woken + 1] = i .. tostring(ok or message)
      end)
    end
    sleep(0)
    return woken, tasks
  end

  it("wakes who waits longest", run(function(base)
    local condition <close> = base:condition()
    local woken = waiters(condition, 4)
    assert.equal(1, condition:signal())
    sleep(0)
    assert.same({ "1true" }, woken)
    assert.equal(2, condition:signal(2))
    sleep(0)
    assert.same({ "1true", "2true", "3true" }, woken)
    assert.equal(1, condition:signal(10))
    assert.equal(0, condition:signal())
    sleep(0)
    assert.equal(4, #woken)
  end))

  it("wakes all by broadcast, who wait then", run(function(base)
    local condition <close> = base:condition()
    local woken = waiters(condition, 3)
    assert.equal(3, condition:broadcast())
    local later = waiters(condition, 1)
    assert.same({ "1true", "2true", "3true" }, woken)
    assert.same({}, later)
    condition:signal()
    sleep(0)
    assert.same({ "1true" }, later)
  end))

  it("wakes nobody who has given up", run(function(base)
    local condition <close> = base:condition()
    local woken, tasks = waiters(condition, 3)
    tasks[1]:cancel()
    assert.equal(1, condition:signal())
    sleep(0)
    assert.same({ "2true" }, woken)
    condition:broadcast()
    tasks[3]:wait()
    assert.same({ nil, "timed out", ETIMEDOUT }, { condition:wait(0.001) })
    assert.equal(0, condition:signal())
  end))

  it("loses no signal to a task that is canceled after it", run(function(base)
    local condition <close> = base:condition()
    local woken, tasks = waiters(condition, 1)
    condition:signal()
    tasks[1]:cancel()
    tasks[1]:wait()
    assert.same({ "1true" }, woken)
  end))

  it("wakes all when it is closed", run(function(base)
    local condition = base:condition()
    local got
    local task = spawn(function()
      got = pack(condition:wait())
    end)
    sleep(0)
    condition:close()
    task:wait()
    assert.same(pack(nil, "closed", ECANCELED), got)
  end))

  it("is signaled by a callback", run(function(base)
    local condition <close> = base:condition()
    base:timer(function()
      condition:signal()
    end):add(0.001)
    assert.is_true(condition:wait())
  end))

  it("refuses bad arguments", run(function(base)
    local condition <close> = base:condition()
    badargs(condition.wait, condition, "?seconds")
    assert.is_false(pcall(condition.signal, condition, "x"))
    assert.error_matches(function()
      condition:signal(-1)
    end, "bad argument #1 to 'signal'")
  end))
end)
