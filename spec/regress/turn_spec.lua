local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

describe("a loop of one turn", function()
  it("calls a timer that is due though a descriptor is always ready",
    helper.loop(function(base, expect)
      local r, w = posix.pipe()
      local event = base:event(w, "wp", function() end)
      event:add()
      local left = 10
      base:timer(expect(function(timer)
        left = left - 1
        if left > 0 then
          timer:add(0)
        end
      end, 10)):add(0)
      for _ = 1, 100 do
        base:loop "once"
      end
      event:close()
      posix.close(r)
      posix.close(w)
    end))

  it("ends although an event makes itself active again", function()
    local base <close> = libevent.event_base()
    local n = 0
    local event = base:event(-1, "", function(event)
      n = n + 1
      event:active()
    end)
    for _, mode in ipairs { "nowait", "once" } do
      event:active()
      assert.equal(mode, base:loop(mode))
      assert.is_true(n > 0 and n < 100000)
      assert.is_false(base:got_exit())
    end
    assert.equal(1, base:num_events "active")
  end)

  it("ends although events of each priority are always ready",
    helper.loop(function(base)
      local pipes, calls = {}, { 0, 0 }
      for priority = 0, 1 do
        local r, w = posix.pipe()
        pipes[#pipes + 1] = { r, w }
        local event = base:event(w, "wp", function(event)
          calls[priority + 1] = calls[priority + 1] + 1
          if calls[1] > 1000 then
            event:close()
          end
        end)
        event:priority_set(priority)
        event:add()
      end
      for _, mode in ipairs { "nowait", "once" } do
        assert.equal(mode, base:loop(mode))
        assert.is_false(base:got_break())
      end
      assert.is_true(calls[1] >= 2 and calls[1] < 10)
      calls[1] = 1000
      for _, pipe in ipairs(pipes) do
        base:timer(function()
          posix.close(pipe[1])
          posix.close(pipe[2])
        end):add(0.02)
      end
    end, { priorities = 2 }))

  it("still says break and exit", function()
    local base <close> = libevent.event_base()
    base:timer(function()
      base:loopbreak()
    end):add(0)
    assert.equal("break", base:loop "nowait")
    base:timer(function()
      base:loopexit()
    end):add(0)
    base:timer(print):add(60)
    assert.equal("exit", base:loop "nowait")
  end)
end)

describe("a loop that a script breaks", function()
  it("says so though nothing is left that could call back",
    helper.loop(function(base, expect)
      local one, other = helper.streams(base)
      local task = base:task(one.read, one) -- from now on it is watched
      base:timer(expect(function()
        other:write "x"
      end)):add(0)
      local timer = base:timer(expect(function()
        assert.equal("done", task:status())
        base:loopbreak()
      end))
      timer:add(0.02)
      assert.equal("break", base:loop())
      assert.is_true(base:got_break())
      assert.equal("empty", base:loop())
      assert.is_false(base:got_break())
      one:close()
      other:close()
    end))

  it("before it runs has no effect", function()
    local base <close> = libevent.event_base()
    base:loopbreak()
    assert.equal("empty", base:loop())
  end)
end)
