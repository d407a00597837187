local helper = require "spec.helper"
local libevent = require "libevent"

local run, badargs = helper.run, helper.badargs
local sleep = libevent.sleep
local pack = table.pack

describe("a task that breaks the loop", function()
  --- How a loop ends with a task, and how that is; a timer would go on.
  local function ended(fn, after)
    local base <close> = libevent.event_base()
    local told = 0
    base:on_error(function()
      told = told + 1
    end)
    local timer = base:timer(function() end)
    timer:add(20)
    local task = base:task(fn)
    task:breaks_loop()
    if after then
      after(base, task, timer)
    end
    local why = base:loop()
    return why, task:is_closed() and "closed" or task:status(), told
  end

  it("does when it fails, which nobody else is told", function()
    assert.same(pack("break", "failed", 0), pack(ended(error)))
  end)

  it("does when it is canceled or closed", function()
    local function forever()
      sleep(20)
    end
    for status, fn in pairs {
      canceled = function(task) task:cancel() end,
      closed = function(task) task:close "now" end,
    } do
      assert.same(pack("break", status, 0), pack(ended(forever,
        function(base, task)
          base:timer(function() fn(task) end):add(0)
        end)))
    end
  end)

  it("does when its time is over", function()
    local base <close> = libevent.event_base()
    local task
    base:timer(function() end):add(20)
    base:task(libevent.timeout, 0.001, function()
      task = base:task(sleep, 20)
      task:breaks_loop()
      task:wait()
    end)
    assert.equal("break", base:loop())
    assert.equal("timed out", task:status())
  end)

  it("does not when it returns, or is not to any more", function()
    local function soon(base, task, timer)
      task:breaks_loop(task:name() == nil)
      base:timer(function() timer:close() end):add(0.001)
    end
    assert.same(pack("empty", "done", 0), pack(ended(pack, soon)))
    assert.same(pack("empty", "failed", 1), pack(ended(error,
      function(base, task, timer)
        task:name "another"
        soon(base, task, timer)
      end)))
  end)

  it("refuses what is no boolean", run(function()
    badargs(libevent.running().breaks_loop, libevent.running(), "?boolean")
  end))
end)
