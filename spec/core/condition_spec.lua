local helper = require "spec.helper"
local libevent = require "libevent"

local run, badargs = helper.run, helper.badargs
local spawn, sleep = libevent.spawn, libevent.sleep

local ECANCELED, ETIMEDOUT = 125, 110
local pack = table.pack

--- Runs what is due of another base, in a callback of which loops nest.
local function base_loop(other)
  libevent.base():defer(function()
    other:loop "nowait"
  end)
  sleep(0)
end

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

  it("hands a signal on where the task is ended before it runs", run(
    function(base)
    local condition <close> = base:condition()
    local woken, tasks = waiters(condition, 4)
    assert.equal(1, condition:signal())
    tasks[1]:close "now"
    tasks[2]:close "now"
    assert.equal(1, condition:served())
    assert.equal(1, condition:waiting())
    sleep(0)
    assert.same({ "3true" }, woken)
    assert.equal(0, condition:served())
    condition:signal()
    tasks[4]:close "now"
    assert.equal(0, condition:served())
  end))

  it("hands it on where the coroutine is closed or resumed by others", run(
    function(base)
    for _, how in ipairs { coroutine.close, coroutine.resume } do
      for _, before in ipairs { true, false } do
        local condition <close> = base:condition()
        local co, woken
        base:on_error(function() end)
        spawn(function()
          co = coroutine.running()
          condition:wait()
        end)
        sleep(0)
        spawn(function()
          woken = condition:wait()
        end)
        sleep(0)
        if before then
          how(co)
        end
        assert.equal(1, condition:signal())
        if not before then
          how(co)
        end
        sleep(0)
        sleep(0)
        assert.is_true(woken)
        assert.equal(0, condition:served())
      end
    end
  end))

  it("hands it on when the base of the task is closed", run(function()
    local condition <close> = libevent.condition()
    local other = assert(libevent.event_base())
    local function wait()
      condition:wait()
    end
    other:task(wait)
    other:task(wait)
    base_loop(other)
    local woken
    spawn(function()
      woken = condition:wait()
    end)
    sleep(0)
    assert.equal(1, condition:signal())
    other:close()
    sleep(0)
    assert.is_true(woken)
  end))

  it("is closed with those it has signaled, who got the signal", run(
    function(base)
    local condition = base:condition()
    local woken, tasks = waiters(condition, 3)
    condition:signal(2)
    condition:close()
    tasks[1]:close "now"
    sleep(0)
    assert.same({ "2true", "3closed" }, woken)
  end))

  it("is collected though a task that it has signaled is not", run(
    function(base)
    local co
    local task = spawn(function()
      local condition = base:condition()
      co = coroutine.running()
      base:defer(function()
        condition:signal()
        coroutine.close(co)
        condition = nil
        collectgarbage()
        collectgarbage()
      end)
      condition:wait()
    end)
    assert.is_nil((task:wait()))
  end))

  it("belongs to no base, if it is made without", run(function(base)
    local condition = libevent.condition()
    assert.is_nil(condition:base())
    local got
    local other = assert(libevent.event_base())
    other:task(function()
      got = pack(condition:wait(10))
    end)
    base_loop(other)
    other:close()
    assert.is_nil(got)
    assert.equal(0, condition:signal())
    local task = spawn(function()
      return condition:wait()
    end)
    sleep(0)
    assert.equal(1, condition:signal())
    assert.is_true((task:wait()))
    condition:close()
    assert.is_true(condition:is_closed())
    assert.same({ libevent.running() }, base:tasks())
  end))

  it("tells its name to who asks what a task waits for", run(function(base)
    local condition <close> = base:condition "the end"
    assert.matches("^libevent.condition: 0x%x+ the end$", tostring(condition))
    local _, tasks = waiters(condition, 1)
    assert.same({ "wait", tostring(condition) }, { tasks[1]:waits() })
    assert.matches(" the end$", libevent.tasks()[1].waits)
    condition:signal()
    assert.matches(" open$", tostring(libevent.condition()))
  end))

  it("signals when the task that holds it ends", run(function()
    local condition <close> = libevent.condition()
    local woken = waiters(condition, 5)
    local keeper = spawn(sleep, 10)
    assert.is_true(condition:hold(keeper))
    sleep(0)
    assert.same({}, woken)
    keeper:cancel()
    keeper:wait()
    sleep(0)
    assert.same({ "1true" }, woken)
    assert.is_false(condition:hold(keeper))

    keeper = spawn(sleep, 10)
    condition:hold(keeper)
    keeper:close "now"
    sleep(0)
    assert.same({ "1true", "2true" }, woken)
    assert.is_false(condition:hold(keeper))
    assert.is_false(condition:unhold())

    keeper = spawn(sleep, 0.001)
    local second <close> = libevent.condition()
    local others = waiters(second, 1)
    condition:hold(spawn(sleep, 0))
    condition:hold(keeper)
    second:hold(keeper)
    keeper:wait()
    sleep(0)
    assert.same({ "1true", "2true", "3true" }, woken)
    assert.same({ "1true" }, others)

    keeper = spawn(sleep, 0.001)
    condition:hold(keeper)
    assert.is_true(condition:unhold())
    keeper:wait()
    sleep(0)
    assert.equal(3, #woken)
    condition:broadcast()
  end))

  it("can be closed or dropped while it is held", run(function()
    local keeper = spawn(sleep, 0.001)
    local condition = libevent.condition()
    condition:hold(keeper)
    condition:close()
    libevent.condition():hold(keeper)
    collectgarbage()
    collectgarbage()
    assert.is_true(keeper:wait())
  end))

  it("refuses bad arguments", run(function(base)
    local condition <close> = base:condition()
    badargs(condition.hold, condition, "task")
    for _, bad in ipairs { 1, true, {}, ("x"):rep(32) } do
      assert.error_matches(function()
        base:condition(bad)
      end, "bad argument #1 to 'condition'")
      assert.error_matches(function()
        libevent.condition(bad)
      end, "bad argument #1 to 'condition'")
    end
    assert.matches(("x"):rep(31), tostring(libevent.condition(("x"):rep(31))))
    badargs(condition.wait, condition, "?seconds")
    assert.is_false(pcall(condition.signal, condition, "x"))
    assert.error_matches(function()
      condition:signal(-1)
    end, "bad argument #1 to 'signal'")
  end))
end)
