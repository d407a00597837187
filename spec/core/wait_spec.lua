-- What holds for every wait: it ends by a cancel, a timeout of its own, a
-- deadline around it, and the closing of what it waits for, and leaves nothing
-- behind.

local helper = require "spec.helper"
local libevent = require "libevent"
local waits = require "spec.waits"

local run = helper.run
local spawn, sleep = libevent.spawn, libevent.sleep

local ECANCELED, ETIMEDOUT = 125, 110
local pack = table.pack
local timed_out = pack(nil, "timed out", ETIMEDOUT)

local names = {}
for name in pairs(waits) do
  names[#names + 1] = name
end
table.sort(names)

--- A body for `it`: fn(wait, happen, object, base) with each wait in turn.
local function each(fn)
  return run(function(base)
    for _, name in ipairs(names) do
      local wait, happen, object, finish = waits[name](base)
      local ok, err = pcall(fn, wait, happen, object, name)
      assert(ok, name .. ": " .. tostring(err))
      if finish then
        finish()
      elseif object then
        object:close()
      end
      for _, task in ipairs(base:tasks()) do
        if task ~= libevent.running() and task:waits() == "sleep" then
          task:cancel()
        end
      end
      sleep(0)
    end
  end)
end

--- Starts a task that waits; it notes what it gets, or is raised in it.
local function start(wait, ...)
  local got = {}
  local task = spawn(function(...)
    local results = pack(pcall(wait, ...))
    for i = 1, results.n do
      got[i] = results[i]
    end
    got.n = results.n
    if not results[1] then
      error(results[2], 0)
    end
  end, ...)
  sleep(0)
  sleep(0)
  return task, got
end

describe("every wait", function()
  it("ends by a cancel", each(function(wait)
    local task, got = start(wait)
    assert.equal("waiting", task:status())
    assert.is_true(task:cancel())
    assert.same(pack(nil, "canceled", ECANCELED), pack(task:wait(10)))
    assert.equal("canceled", tostring(got[2]))
  end))

  it("ends by a timeout of its own", each(function(wait)
    local task, got = start(wait, 0.002)
    task:wait(10)
    assert.same(timed_out, pack(table.unpack(got, 2, 4)))
  end))

  it("ends by a deadline around it", each(function(wait)
    local task, got = start(libevent.timeout, 0.002, wait, 50)
    task:wait(10)
    assert.same(timed_out, pack(table.unpack(got, 2, 4)))
  end))

  it("ends by the closing of what it waits for", each(function(wait, _, object)
    if object then
      local task, got = start(wait)
      object:close()
      task:wait(10)
      assert.same(pack(nil, "closed", ECANCELED),
        pack(table.unpack(got, 2, 4)))
    end
  end))

  it("ends with its task, however that ends", each(function(wait)
    local task = start(wait)
    task:close "now"
    assert.is_true(task:is_closed())
    local co
    task = spawn(function()
      co = coroutine.running()
      wait()
    end)
    sleep(0)
    sleep(0)
    if coroutine.status(co) == "suspended" then
      coroutine.close(co)
      task:cancel()
      assert.same(pack(nil, "canceled", ECANCELED), pack(task:wait(10)))
    end
  end))

  it("is no value of a foreign resume", each(function(wait)
    local co
    local task = spawn(function()
      co = coroutine.running()
      wait()
    end)
    sleep(0)
    sleep(0)
    local failed = spawn(pcall, task.wait, task)
    sleep(0)
    assert.is_false((coroutine.resume(co, "x", "y")))
    assert.is_false((failed:wait(10)))
    assert.equal("failed", task:status())
  end))

  it("can be waited again after all of that", each(function(wait, happen)
    if happen then
      local task = start(wait)
      task:cancel()
      task:wait(10)
      start(wait, 0.001):wait(10)
      local again, got = start(wait)
      assert.equal("waiting", again:status())
      happen()
      again:wait(10)
      assert.is_true(got[1])
      assert.not_equal("timed out", got[3])
      assert.not_equal("closed", got[3])
    end
  end))

  it("that happens in the turn of a cancel is one or the other",
    each(function(wait, happen)
    if happen then
      local task, got = start(wait)
      happen()
      task:cancel()
      task:wait(10)
      assert.is_true(got[1] or tostring(got[2]) == "canceled")
      assert.is_true(got.n ~= nil)
    end
  end))

  it("raises where no task is", each(function(wait, happen, _, name)
    if happen and name ~= "stream:write" and name ~= "stream:relay"
        and not name:find "^udp:send" then
      local ok, message = pcall(coroutine.wrap(wait), 10)
      assert.is_false(ok)
      assert.matches("only a task can wait", message)
    end
  end))
end)
