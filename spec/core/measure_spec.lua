local helper = require "spec.helper"
local libevent = require "libevent"

local run = helper.run
local spawn, sleep = libevent.spawn, libevent.sleep

--- Keeps the loop waiting.
local function work(seconds)
  local finish = os.clock() + seconds
  repeat until os.clock() >= finish
end

--- "file:line", so many lines below the caller.
local function here(lines)
  local info = debug.getinfo(2, "Sl")
  return info.short_src .. ":" .. info.currentline + lines
end

describe("event_base:measure", function()
  it("is off at first, and can be turned off", function()
    local base <close> = libevent.event_base()
    assert.is_nil(base:counters().busy)
    base:measure()
    assert.equal(0, base:counters().busy)
    assert.is_true(base:counters().since <= base:now())
    assert.equal(0, base:counters().turns)
    assert.equal(0, base:counters().lag.count)
    assert.is_nil(base:counters().longest)
    base:measure(false)
    assert.is_nil(base:counters().busy)
    assert.is_nil(base:counters().turns)
  end)

  it("counts turns in which something is called", helper.loop(
    function(base, expect)
    local left = 5
    base:measure()
    for _ = 1, 3 do
      base:event(-1, "", expect()):active()
    end
    base:loop()
    assert.equal(1, base:counters().turns)
    base:timer(expect(function(timer)
      left = left - 1
      if left > 0 then
        timer:add(0)
      end
    end, 5)):add(0)
    assert.equal("empty", base:loop())
    assert.equal(6, base:counters().turns)
    base:loop "nowait"
    assert.equal(6, base:counters().turns)
    base:defer(expect())
    base:loop "nowait"
    assert.equal(7, base:counters().turns)
  end))

  it("counts them in a loop that runs already", run(function(base)
    base:measure()
    for _ = 1, 5 do
      sleep(0.001)
    end
    local turns = base:counters().turns
    assert.is_true(turns >= 4 and turns <= 6)
    base:measure(false)
    sleep(0.001)
    base:measure()
    sleep(0.001)
    assert.is_true(base:counters().turns <= 2)
  end))

  it("leaves it to the script how the loop ends", function()
    for _, case in ipairs {
      { "break", function(base) base:loopbreak() end },
      { "exit", function(base) base:loopexit() end },
      { "empty", function() end },
      { "error", function() error "on purpose" end },
    } do
      local base <close> = libevent.event_base()
      local ends = 0
      local function last()
        ends = ends + 1
        case[2](base)
      end
      base:timer(function()
        base:measure()
        base:timer(last):add(0.001)
      end):add(0)
      local ok, why = pcall(base.loop, base)
      assert.equal(case[1] ~= "error", ok)
      assert.matches(ok and case[1] or "on purpose", why)
      base:timer(last):add(0) -- and where it measures from the start
      ok, why = pcall(base.loop, base)
      assert.matches(ok and case[1] or "on purpose", why)
      base:timer(function() -- and where both come in one callback
        base:measure(false)
        base:measure()
        last()
        base:measure()
      end):add(0)
      ok, why = pcall(base.loop, base)
      assert.matches(ok and case[1] or "on purpose", why)
      assert.equal(3, ends)
      base:measure(false)
      base:timer(function() -- in the other order
        last()
        base:measure()
      end):add(0)
      ok, why = pcall(base.loop, base)
      assert.matches(ok and case[1] or "on purpose", why)
      base:timer(function()
        base:loopbreak()
      end):add(0.001)
      assert.equal("break", (base:loop "forever"))
      assert.is_true(base:got_break())
    end
  end)

  it("is no break that a script sees", helper.loop(function(base, expect)
    base:timer(expect(function()
      base:measure()
      assert.is_false(base:got_break())
      assert.is_false(base:got_exit())
    end)):add(0)
    base:timer(expect()):add(0)
    base:defer(expect())
    assert.equal("empty", base:loop())
    assert.is_false(base:got_break())
  end))

  it("may begin in a callback that closes the base", function()
    local base = libevent.event_base()
    base:timer(function()
      base:measure { slow = 0 }
      base:close()
    end):add(0)
    base:loop()
    assert.is_true(base:is_closed())
  end)

  it("tells how long callbacks took, and which took longest", helper.loop(
    function(base, expect)
    base:measure()
    base:timer(expect()):add(0)
    local place = here(1)
    local slow = function()
      work(0.02)
    end
    base:timer(slow):add(0)
    base:loop()
    local counters = base:counters()
    assert.is_true(counters.busy >= 0.01)
    assert.is_true(counters.longest.seconds <= counters.busy)
    assert.is_true(counters.longest.seconds >= 0.01)
    assert.equal(place, counters.longest.place)
    assert.equal("timer", counters.longest.what)
    base:measure()
    assert.equal(0, base:counters().busy)
  end))

  it("tells of a slow callback, and by whom", helper.loop(
    function(base, expect)
    local place = here(1)
    local function slow()
      work(0.02)
    end
    local told = {}
    base:measure { slow = 0.01, on_slow = function(...)
      told[#told + 1] = { ... }
    end }
    local timer = base:timer(slow)
    timer:add(0)
    base:timer(expect()):add(0)
    base:loop()
    base:defer(slow)
    base:loop()
    assert.is_true(told[1][1] >= 0.01)
    assert.same({ place, timer }, { told[1][2], told[1][3] })
    assert.same({ place, base }, { told[#told][2], told[#told][3] })
    assert.equal(place, base:counters().longest.place)
  end))

  it("tells where a slow task has waited", run(function(base)
    local told = {}
    base:measure { slow = 0.01, on_slow = function(_, place, task)
      told[task] = told[task] or {}
      table.insert(told[task], place)
    end }
    local first, second = here(1), here(3)
    local task = spawn(function()
      work(0.02)
      sleep(0.001)
      work(0.02)
    end)
    task:name "worker"
    task:wait()
    assert.same({ first, second }, told[task])
    assert.equal("worker", base:counters().longest.what)
  end))

  it("measures no callback twice", helper.loop(function(base, expect)
    local other <close> = libevent.event_base()
    local told = 0
    base:measure { slow = 0.01, on_slow = function()
      told = told + 1
      base:defer(function() end)
    end }
    base:timer(expect(function()
      other:timer(function()
        work(0.02)
      end):add(0)
      other:loop()
    end)):add(0)
    base:loop()
    assert.equal(1, told)
    assert.is_nil(other:counters().busy)
  end))

  it("gives an error of on_slow to on_error", helper.loop(
    function(base, expect)
    base:measure { slow = 0, on_slow = function()
      error "on purpose"
    end }
    base:timer(expect(function()
      work(0.001)
    end)):add(0)
    local ok, message = pcall(base.loop, base)
    assert.is_false(ok)
    assert.matches("on purpose", message)
    local errors = 0
    local timer = base:timer(expect(function()
      work(0.001)
    end))
    timer:add(0)
    base:on_error(function(err, _, object)
      errors = errors + 1
      assert.matches("on purpose", err)
      assert.equal(timer, object)
    end)
    base:loop()
    assert.equal(1, errors)
  end))

  it("may be changed by on_slow", function()
    for _, change in ipairs {
      function(base) base:measure(false) end,
      function(base) base:measure { slow = 100 } end,
      function(base) base:close() end,
      function(base, object) object:close() base:loopbreak() end,
    } do
      local base <close> = libevent.event_base()
      local told = 0
      base:measure { slow = 0, on_slow = function(_, _, object)
        told = told + 1
        change(base, object)
        collectgarbage()
      end }
      base:timer(function() work(0.001) end):add(0)
      base:loop()
      if not base:is_closed() then
        base:measure(false)
        base:task(sleep, 0)
        base:loop()
      end
      assert.equal(1, told)
    end
  end)

  it("writes to the log without on_slow", helper.loop(function(base, expect)
    local lines = {}
    libevent.set_log_callback(function(...)
      lines[#lines + 1] = { ... }
    end)
    base:measure { slow = 0.01 }
    local place = here(1)
    local slow = function()
      work(0.02)
    end
    base:timer(slow):add(0)
    base:timer(expect()):add(0.1)
    base:loop()
    libevent.set_log_callback(nil)
    assert.equal("warn", lines[1][1])
    local seconds, at = lines[1][2]:match
      "^slow callback: (%d+%.%d%d%d) s at (.*) %(timer%)$"
    assert.is_true(tonumber(seconds) >= 0.01)
    assert.equal(place, at)
  end))

  it("tells how late timers and timeouts came", run(function(base)
    base:measure()
    base:timer(function() end):add(0.001)
    local task = spawn(sleep, 0.001)
    sleep(0)
    work(0.02)
    task:wait()
    local lag, sum = base:counters().lag, 0
    assert.equal(2, lag.count)
    assert.is_true(lag.max >= 0.01)
    assert.equal(15, #lag)
    for i, bucket in ipairs(lag) do
      assert.equal(i < 15 and 0.001 * 2 ^ (i - 1) or math.huge, bucket[1])
      sum = sum + bucket[2]
    end
    assert.equal(2, sum)
    assert.equal(0, lag[1][2])
  end))

  it("allocates nothing where nothing is slow", function()
    local base <close> = libevent.event_base()
    base:measure { slow = 100, on_slow = print }
    local left, before = 1000, nil
    local timer = base:timer(function(timer)
      left = left - 1
      if left == 900 then
        collectgarbage()
        collectgarbage "stop"
        before = collectgarbage "count"
      elseif left == 0 then
        before = collectgarbage "count" - before
      end
      if left > 0 then
        timer:add(0)
      end
    end)
    timer:add(0)
    base:task(function()
      while left > 0 do
        sleep(0)
      end
    end)
    base:loop()
    collectgarbage "restart"
    assert.equal(0, before)
  end)

  it("refuses bad arguments", function()
    local base <close> = libevent.event_base()
    helper.badargs(base.measure, base, "?table")
    for option, value in pairs { slow = -1, on_slow = 1, other = 1 } do
      assert.error_matches(function()
        base:measure { [option] = value }
      end, "bad argument #1 to 'measure'.*" .. option)
    end
    base:measure(false)
    assert.is_nil(base:counters().busy)
    base:close()
    assert.is_false(pcall(base.counters, base))
    assert.is_false(pcall(base.measure, base))
  end)
end)
