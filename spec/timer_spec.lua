local helper = require "spec.helper"
local libevent = require "libevent"

local run = helper.run
local after, every, sleep = libevent.after, libevent.every, libevent.sleep

describe("after", function()
  it("calls a function once, in a task", run(function(base)
    local got
    local timer = after(0.002, function(...)
      sleep(0)
      got = table.pack(libevent.running() ~= nil, ...)
    end, 1, nil, 3)
    local start = base:now()
    while not got do
      sleep(0.001)
    end
    assert.same(table.pack(true, 1, nil, 3), got)
    assert.is_true(base:now() - start >= 0.001)
    assert.is_nil(timer:pending())
  end))

  it("calls nothing if it is deleted, or closed", run(function()
    local timer = after(0.001, error)
    timer:del()
    timer = after(0.001, error)
    timer:close()
    sleep(0.005)
  end))

  it("refuses bad arguments", run(function()
    for _, case in ipairs {
      { nil, print, "#1 to 'after' %(seconds from 0 to 1e9 expected, got nil" },
      { -1, print, "#1 to 'after' %(seconds from 0 to 1e9 expected, got %-1" },
      { 0 / 0, print, "#1 to 'after'" },
      { 1, nil, "#2 to 'after' %(function expected, got nil%)" },
    } do
      local ok, message = pcall(after, case[1], case[2])
      assert.is_false(ok)
      assert.matches("bad argument " .. case[3], message)
    end
  end))

  it("needs a loop", function()
    assert.error_matches(function()
      after(1, print)
    end, "no loop runs")
  end)
end)

describe("every", function()
  it("calls a function again and again, until it is deleted",
    run(function(base)
      local n, start = 0, base:now()
      every(0.002, function(timer)
        n = n + 1
        if n == 5 then
          timer:del()
        end
      end)
      while n < 5 do
        sleep(0.001)
      end
      assert.is_true(base:now() - start >= 0.009)
      sleep(0.005)
      assert.equal(5, n)
    end))

  it("makes no call while another goes on", run(function()
    local running, most, calls = 0, 0, 0
    local timer = every(0.001, function()
      running, calls = running + 1, calls + 1
      most = math.max(most, running)
      sleep(0.004)
      running = running - 1
    end)
    while calls < 3 do
      sleep(0.001)
    end
    timer:close()
    assert.equal(1, most)
    sleep(0.01)
    assert.equal(0, running)
  end))

  it("goes on after an error, and a cancel", run(function(base)
    local errors, n = 0, 0
    base:on_error(function()
      errors = errors + 1
    end)
    local timer = every(0.001, function()
      n = n + 1
      if n % 2 == 0 then
        libevent.running():cancel()
        sleep(0)
      end
      error "again"
    end)
    while n < 4 do
      sleep(0.001)
    end
    timer:close()
    for _ = 1, 5 do -- an error is told some turns after the tick
      sleep(0)
    end
    assert.equal((n + 1) // 2, errors)
  end))

  it("iterates, and leaves out what was missed", run(function(base)
    local seen, start = {}, base:now()
    for n in every(0.005) do
      seen[#seen + 1] = n
      assert.is_true(base:now() - start >= n * 0.005 - 0.001)
      if #seen == 2 then
        sleep(0.016)
      elseif #seen == 4 then
        break
      end
    end
    assert.is_true(seen[1] >= 1)
    assert.is_true(seen[2] > seen[1])
    assert.is_true(seen[3] >= seen[2] + 3)
    assert.is_true(seen[4] > seen[3])
  end))

  it("refuses bad arguments", run(function()
    for _, case in ipairs {
      { nil, print, "#1 to 'every' %(seconds above 0" },
      { 0, print, "#1 to 'every' %(seconds above 0, to 1e9 expected, got 0" },
      { 1, 1, "#2 to 'every' %(function expected, got number%)" },
    } do
      local ok, message = pcall(every, case[1], case[2])
      assert.is_false(ok)
      assert.matches("bad argument " .. case[3], message)
    end
  end))
end)
