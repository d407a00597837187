local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local run = libevent.run
local pack = table.pack

describe("run", function()
  it("returns what the main task returns", function()
    assert.same(pack(1, nil, 2), pack(run(function(...)
      libevent.sleep(0)
      return ...
    end, 1, nil, 2)))
  end)

  it("goes on until nothing is left to do", function()
    local log = {}
    assert.equal("main", run(function()
      local base = libevent.base()
      libevent.spawn(function()
        libevent.sleep(0.002)
        log.task = true
      end)
      base:timer(function()
        log.timer = true
      end):add(0.003)
      return "main"
    end))
    assert.same({ task = true, timer = true }, log)
  end)

  it("takes a base, and leaves it open", function()
    local base <close> = libevent.event_base()
    assert.equal(base, run(base, function()
      return libevent.base()
    end))
    assert.is_false(base:is_closed())
    assert.equal("again", run(base, function()
      return "again"
    end))
  end)

  it("raises the error of the main task, and ends the others", function()
    local value, log = {}, {}
    local ok, got = pcall(run, function()
      libevent.spawn(function()
        local _ <close> = setmetatable({}, { __close = function()
          libevent.sleep(0.001)
          log[#log + 1] = "closed"
        end })
        libevent.sleep(10)
      end)
      libevent.sleep(0)
      error(value)
    end)
    assert.is_true(not ok and got == value)
    assert.same({ "closed" }, log)
    assert.matches("task_spec", libevent.traceback())
  end)

  it("raises an error that nobody waits for", function()
    local ok, got = pcall(run, function()
      libevent.spawn(error, "unseen", 0)
      libevent.sleep(10)
    end)
    assert.is_true(not ok and got == "unseen")
  end)

  it("tells on_error of it, and goes on", function()
    local told = {}
    assert.equal("on", run(function()
      libevent.base():on_error(function(err, traceback, object)
        told = pack(err, traceback:match "stack", tostring(object))
      end)
      libevent.spawn(error, "unseen", 0):name "kid"
      libevent.sleep(0.001)
      return "on"
    end))
    assert.same("unseen", told[1])
    assert.same("stack", told[2])
    assert.matches("libevent.task: 0x%x+ failed", told[3])
  end)

  it("does not tell it of an error that is waited for", function()
    assert.is_false(run(function()
      libevent.base():on_error(function()
        error "told"
      end)
      local task = libevent.spawn(error, "seen")
      return (pcall(task.wait, task))
    end))
  end)

  it("raises the error of a callback", function()
    local ok, got = pcall(run, function()
      libevent.base():timer(function()
        error("timer", 0)
      end):add(0)
      libevent.sleep(10)
    end)
    assert.is_true(not ok and got == "timer")
  end)

  it("lists the tasks that wait for what cannot happen", function()
    local ok, got = pcall(run, function()
      local condition = libevent.base():condition()
      libevent.spawn(function()
        condition:wait()
      end):name "stuck"
      libevent.spawn(function()
        condition:wait()
      end)
    end)
    assert.is_false(ok)
    assert.matches("tasks wait for what cannot happen:", got)
    assert.matches("\n  stuck at spec/task_spec.lua:%d+: wait libevent.cond",
      got)
    local _, lines = got:gsub("\n", "")
    assert.equal(2, lines)
  end)

  it("ends though streams are open that nobody waits for", function()
    local kept
    assert.equal("over", run(function()
      local base = libevent.base()
      local one, other = helper.streams(base)
      kept = { one, other }
      libevent.spawn(other.write, other, "x")
      assert.equal("x", one:read())
      return "over"
    end))
    assert.is_true(kept[1]:is_closed())
  end)

  it("does not end while a task waits for a peer", function()
    assert.equal("late", run(function()
      local base = libevent.base()
      local one, other = libevent.socketpair()
      local stream <close> = base:stream(one)
      if posix.fork() == 0 then
        posix.spin(0.02)
        posix.write(other:detach(), "late")
        posix.exit(0)
      end
      local data = stream:read()
      other:close()
      return data
    end))
  end)

  it("raises inside a loop", function()
    assert.error_matches(function()
      run(function()
        run(print)
      end)
    end, "run inside a loop")
    local base <close> = libevent.event_base()
    base:defer(function()
      run(print)
    end)
    assert.error_matches(function()
      base:loop()
    end, "run inside a loop")
  end)

  it("refuses bad arguments", function()
    for _, bad in ipairs { 1, "x", {}, true } do
      assert.error_matches(function()
        run(bad)
      end, "bad argument #1 to 'run' %(function or event_base expected, got")
    end
    assert.is_false(pcall(run))
    local base <close> = libevent.event_base()
    for name, bad in pairs { ["FILE%*"] = io.stdout,
        ["libevent%.evbuffer"] = libevent.evbuffer() } do
      assert.error_matches(function()
        run(bad, print)
      end, "bad argument #1 to 'run' %(function or event_base expected, got "
        .. name .. "%)$")
      assert.error_matches(function()
        libevent.tasks(bad)
      end, "bad argument #1 to 'tasks' %(event_base expected, got " .. name)
    end
    local _, message = pcall(function()
      run(base)
    end)
    assert.matches("^spec/task_spec.lua:%d+: bad argument #2 to 'run' "
      .. "%(function expected, got nil%)$", message)
    assert.equal(1, (run(base, function()
      return 1
    end)))
  end)

  it("bears it that its base is closed", function()
    assert.is_nil(run(function()
      libevent.base():close()
    end))
  end)

  it("can be ended by loopexit", function()
    assert.is_nil((run(function()
      libevent.base():loopexit()
      libevent.sleep(10)
    end)))
  end)

  it("puts back what it changes", function()
    local before = require
    run(function()
      assert.not_equal(before, require)
    end)
    pcall(run, error)
    assert.equal(before, require)
    for _, name in ipairs { "base", "spawn", "defer", "tasks" } do
      assert.error_matches(function()
        libevent[name](name ~= "tasks" and print or nil)
      end, "no loop runs")
    end
  end)
end)

describe("wait", function()
  it("waits until a descriptor is ready", helper.run(function()
    local r, w = posix.pipe()
    assert.equal("w", libevent.wait(w, "w"))
    assert.same(pack(nil, "timed out", 110), pack(libevent.wait(r, "r", 0.001)))
    libevent.defer(function()
      posix.write(w, "x")
    end)
    assert.equal("r", libevent.wait(r, "r", 10))
    posix.close(w)
    posix.close(r)
  end))

  it("tells why it cannot", helper.run(function()
    local _, message, code = libevent.wait(1000, "r")
    assert.matches("Bad file descriptor", message)
    assert.equal(9, code)
  end))
end)

describe("tasks", function()
  it("lists all that have not ended, where they are", helper.run(function(base)
    local condition <close> = base:condition()
    local task = libevent.spawn(function()
      condition:wait()
    end)
    task:name "kid"
    libevent.sleep(0)
    local list = libevent.tasks()
    assert.equal(2, #list)
    assert.equal(task, list[1].task)
    assert.equal("kid", list[1].name)
    assert.equal("waiting", list[1].status)
    assert.matches("^spec/task_spec.lua:%d+$", list[1].where)
    assert.matches("^wait libevent.condition", list[1].waits)
    assert.matches("stack traceback", list[1].traceback)
    assert.equal("main", list[2].name)
    assert.equal("running", list[2].status)
    condition:signal()
    task:wait()
    assert.equal(1, #libevent.tasks())
  end))
end)

describe("defer", function()
  it("calls when the task waits", helper.run(function()
    local called
    libevent.defer(function()
      called = true
    end)
    assert.is_nil(called)
    libevent.sleep(0)
    assert.is_true(called)
  end))
end)
