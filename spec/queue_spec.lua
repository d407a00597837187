local helper = require "spec.helper"
local libevent = require "libevent"

local run, badargs = helper.run, helper.badargs
local spawn, sleep = libevent.spawn, libevent.sleep

local ECANCELED, ETIMEDOUT = 125, 110
local pack = table.pack
local closed = pack(nil, "closed", ECANCELED)
local timed_out = pack(nil, "timed out", ETIMEDOUT)

--- n tasks that get, and what they got, in that order.
local function getters(queue, n)
  local got, tasks = {}, {}
  for i = 1, n do
    tasks[i] = spawn(function()
      local value, message = queue:get()
      got[#got + 1] = ("%d:%s"):format(i, value == nil and message or value)
    end)
  end
  sleep(0)
  return got, tasks
end

--- n tasks that put their number, and what became of that.
local function putters(queue, n)
  local done, tasks = {}, {}
  for i = 1, n do
    tasks[i] = spawn(function()
      local ok, message = queue:put(i)
      done[#done + 1] = ("%d:%s"):format(i, ok or message)
    end)
  end
  sleep(0)
  return done, tasks
end

describe("a queue", function()
  it("is used without a loop", function()
    local queue = libevent.queue(2)
    assert.same(timed_out, pack(queue:get(0)))
    assert.is_true(queue:put(false))
    assert.is_true(queue:put("b"))
    assert.same(timed_out, pack(queue:put("c", 0)))
    assert.equal(2, #queue)
    assert.same(pack(false), pack(queue:get()))
    assert.equal("b", queue:get(0))
    assert.equal(0, queue:count())
    assert.equal(2, queue:limit())
    assert.is_nil(libevent.queue():limit())
    for _, wait in ipairs { queue.get, function() queue:put(1) queue:put(1)
      queue:put(1) end } do
      assert.error_matches(function()
        wait(queue)
      end, "only a task can wait")
    end
  end)

  it("hands values over to those who wait, in their order", run(function()
    local queue = libevent.queue()
    local got = getters(queue, 3)
    queue:put "a"
    queue:put(false)
    assert.equal(0, #queue)
    assert.same(timed_out, pack(queue:get(0))) -- nobody overtakes
    queue:put "c"
    queue:put "d"
    assert.equal("d", queue:get())
    sleep(0)
    assert.same({ "1:a", "2:false", "3:c" }, got)
  end))

  it("lets those put who wait for a place, in their order", run(function()
    local queue = libevent.queue(2)
    local done = putters(queue, 5)
    assert.same({ "1:true", "2:true" }, done)
    assert.equal(1, queue:get())
    assert.equal(2, queue:get())
    assert.same(timed_out, pack(queue:put("late", 0))) -- nobody overtakes
    local later = spawn(queue.put, queue, "late")
    sleep(0)
    assert.same({ "1:true", "2:true", "3:true", "4:true" }, done)
    local values = {}
    for i = 1, 4 do
      values[i] = queue:get()
    end
    assert.same({ 3, 4, 5, "late" }, values)
    later:wait()
  end))

  it("lets all in for whom there is a place", run(function()
    local queue = libevent.queue(3)
    local done, tasks = putters(queue, 6)
    assert.equal(1, queue:get())
    local four = tasks[4]
    assert.equal("ready", four:status())
    assert.equal(2, queue:get())
    four:close "now" -- its place goes to the next
    tasks[5]:close "now"
    sleep(0)
    assert.equal(3, queue:get())
    assert.equal(6, queue:get())
    assert.same({ "1:true", "2:true", "3:true", "6:true" }, done)
    assert.same(timed_out, pack(queue:get(0)))
  end))

  it("lets in who came while another one was let in", run(function()
    local queue = libevent.queue(3)
    local done = putters(queue, 4)
    local later = spawn(queue.put, queue, "late") -- runs before the fourth
    queue:get()
    queue:get() -- nobody waits for this place yet
    sleep(0)
    sleep(0)
    assert.equal("4:true", done[4])
    assert.is_true((later:wait(0)))
    assert.equal(3, #queue)

    queue = libevent.queue(1)
    done = putters(queue, 3)
    queue:get()
    local got = getters(queue, 1) -- takes what the second puts at once
    sleep(0)
    sleep(0)
    assert.same({ "1:2" }, got)
    assert.same({ "1:true", "2:true", "3:true" }, done)
  end))

  it("gives a place back that a task did not live to use", run(function()
    local queue = libevent.queue(1)
    local _, tasks = putters(queue, 2)
    assert.equal(1, queue:get())
    tasks[2]:close "now"
    assert.is_true(queue:put("b", 0))
    assert.equal("b", queue:get())
    assert.is_true(queue:put("c", 0))
  end))

  it("puts back, to the front, what a task did not live to get", run(function()
    local queue = libevent.queue()
    local _, tasks = getters(queue, 2)
    for i = 1, 4 do
      queue:put(i)
    end
    assert.equal(2, #queue)
    tasks[1]:close "now"
    tasks[2]:close "now"
    assert.equal(4, #queue)
    for i = 1, 4 do
      assert.equal(i, queue:get(0))
    end
  end))

  it("gives the next in line what a task did not live to get", run(function()
    local queue = libevent.queue()
    local got, tasks = getters(queue, 4)
    queue:put "a"
    queue:put "b"
    tasks[1]:close "now"
    tasks[3]:cancel()
    sleep(0)
    queue:put "c"
    sleep(0)
    assert.same({ "2:a", "3:b", "4:c" }, got)
  end))

  it("keeps a value from a task that has given up", run(function()
    local queue = libevent.queue()
    local got, tasks = getters(queue, 2)
    tasks[1]:cancel()
    assert.same(timed_out, pack(queue:get(0.001)))
    queue:put "a"
    sleep(0)
    assert.same({ "2:a" }, got)
  end))

  it("is emptied after it was closed", run(function()
    local queue = libevent.queue(2)
    local done = putters(queue, 4)
    queue:close()
    queue:close()
    assert.is_true(queue:is_closed())
    assert.same(closed, pack(queue:put "late"))
    sleep(0)
    assert.same({ "1:true", "2:true", "3:closed", "4:closed" }, done)
    local values = {}
    for value in queue:values() do
      values[#values + 1] = value
    end
    assert.same({ 1, 2 }, values)
    assert.same(closed, pack(queue:get()))
  end))

  it("that is closed wakes who waits for a value", run(function()
    local queue = libevent.queue()
    local got, tasks = getters(queue, 4)
    queue:put "a"
    queue:put "b"
    tasks[2]:close "now"
    tasks[3]:close "now"
    queue:close()
    sleep(0)
    assert.same({ "1:a", "4:b" }, got)
    queue = libevent.queue()
    got, tasks = getters(queue, 2)
    queue:put "a"
    queue:close()
    tasks[1]:close "now"
    sleep(0)
    assert.same({ "2:a" }, got)
  end))

  it("that is closed takes nothing from who was given a place", run(function()
    local queue = libevent.queue(1)
    local done = putters(queue, 2)
    queue:get()
    queue:close()
    sleep(0)
    assert.same({ "1:true", "2:closed" }, done)
    assert.equal(0, #queue)
  end))

  it("is closed with its block", function()
    local kept
    do
      local queue <close> = libevent.queue()
      kept = queue
    end
    assert.is_true(kept:is_closed())
  end)

  it("ends a loop that waits for it in vain", function()
    local ok, message = pcall(libevent.run, function()
      libevent.queue():get()
    end)
    assert.is_false(ok)
    assert.matches("main at .*: wait libevent.condition: 0x%x+ queue get",
      message)
  end)

  it("outlives the loops whose tasks wait for it", function()
    local queue = libevent.queue()
    for i = 1, 3 do
      libevent.run(function()
        spawn(queue.get, queue)
        spawn(queue.get, queue)
        sleep(0)
        queue:put(i)
        queue:put(i)
        queue:put(i)
        libevent.base():close()
      end)
      assert.equal(3, #queue)
      for _ = 1, 3 do
        assert.equal(i, queue:get(0))
      end
    end
  end)

  it("shows itself", run(function()
    local queue = libevent.queue(3)
    queue:put "a"
    assert.matches("^libevent.queue: 0x%x+ 1 of 3, 0 wait to get, 0 to put$",
      tostring(queue))
    queue = libevent.queue()
    getters(queue, 2)
    assert.matches(" 0 of any number, 2 wait to get", tostring(queue))
    queue:close()
    assert.matches(" 0 of any number closed, 0 wait", tostring(queue))
  end))

  it("refuses bad arguments", run(function()
    local queue = libevent.queue()
    badargs(queue.get, queue, "?seconds")
    badargs(queue.put, queue, "?any, ?seconds", { 1 })
    badargs(function(_, ...)
      return libevent.queue(...)
    end, nil, "?limit")
    assert.error_matches(function()
      queue:put(nil)
    end, "bad argument #1 to 'put' %(value expected%)")
    assert.error_matches(function()
      queue:get "1"
    end, "bad argument #1 to 'get' %(number expected")
  end))
end)
