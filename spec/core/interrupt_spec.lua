-- What stops Lua code that does not come back by itself.

local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local run = helper.run

--- Signals this process after so many seconds, again and again.
local function signals(...)
  local commands = {}
  for i, seconds in ipairs { ... } do
    commands[i] = ("sleep %g; kill -USR1 %d"):format(seconds, posix.getpid())
  end
  return assert(io.popen(table.concat(commands, ";")))
end

local function endless()
  while true do -- luacheck: ignore
  end
end

--- What becomes of a task that is limited.
local function outcome(base, fn, limit)
  local task = base:task(fn)
  task:limit(limit)
  return pcall(task.wait, task)
end

-- The specs' own hook takes the place of what is tested here.
local it = helper.stress and pending or it

describe("task limit", function()
  it("stops a task that runs too long", run(function(base)
    local ok, message = outcome(base, endless, 100000)
    assert.is_false(ok)
    assert.matches("interrupt_spec.lua:%d+: stopped: too many instructions$",
      message)
  end))

  it("stops it though it catches that", run(function(base)
    local ok, message = outcome(base, function()
      while true do
        pcall(endless)
      end
    end, 100000)
    assert.is_false(ok)
    assert.matches("stopped: too many instructions$", message)
  end))

  it("stops it in coroutines of its own", run(function(base)
    local ok, message = outcome(base, function()
      coroutine.wrap(endless)()
    end, 100000)
    assert.is_false(ok)
    assert.matches("stopped: too many instructions$", message)
  end))

  it("leaves the time to clean up", run(function(base)
    local closed = false
    local ok = outcome(base, function()
      local handler <close> = setmetatable({}, { -- luacheck: ignore
        __close = function()
          closed = true
        end,
      })
      endless()
    end, 100000)
    assert.is_false(ok)
    assert.is_true(closed)
  end))

  it("is no matter for a task that is done in time", run(function(base)
    assert.same({ true, 500500 }, { outcome(base, function()
      local sum = 0
      for i = 1, 1000 do
        libevent.sleep(0)
        sum = sum + i
      end
      return sum
    end, 1000000) })
  end))

  it("is not inherited", run(function(base)
    local child
    assert.same({ true }, { outcome(base, function()
      child = libevent.spawn(function()
        local n = 0
        for i = 1, 1000000 do
          n = n + i % 2
        end
        return n
      end)
    end, 100000) })
    assert.equal(500000, child:wait())
  end))

  it("ends with the task, though its coroutines live on", run(function(base)
    local generator
    assert.same({ true, 1 }, { outcome(base, function()
      generator = coroutine.wrap(function()
        for i = 1, 1000000 do
          if i == 1 or i == 1000000 then
            coroutine.yield(i)
          end
        end
      end)
      return generator()
    end, 100000) })
    assert.equal(1000000, generator())
  end))

  it("ends with the loop as well", function()
    local generator
    libevent.run(function()
      outcome(libevent.base(), function()
        generator = coroutine.wrap(function()
          local n = 0
          coroutine.yield()
          for _ = 1, 1000000 do
            n = n + 1
          end
          return n
        end)
        generator()
      end, 100000)
    end)
    assert.equal(1000000, generator())
  end)

  it("refuses bad arguments", run(function(base)
    local task = base:task(function() end)
    for value, expected in pairs {
      [0] = "integer from 1 on expected", [1.5] = "no integer representation",
      x = "number expected, got string",
    } do
      assert.error_matches(function()
        task:limit(value)
      end, "bad argument #1 to 'limit' %(.*" .. expected)
    end
    task:wait()
    task:limit(1)
  end))
end)

describe("signal interrupts", function()
  it("stops a limited task, and tells the loop", run(function(base)
    local told = 0
    local signal <close> = base:signal("USR1", function()
      told = told + 1
    end)
    assert.same({ nil, "interrupts: Invalid argument",
      libevent.errno.EINVAL }, { signal:interrupts() })
    assert(signal:add())
    assert.is_true(signal:interrupts())
    assert.is_true(signal:interrupts())
    local pipe = signals(0.02)
    local ok, message = outcome(base, endless)
    assert.is_false(ok)
    assert.matches("interrupted$", message)
    pipe:close()
    libevent.sleep(0.001)
    assert.equal(1, told)
    assert.same({ true, "fine" }, { outcome(base, function()
      return "fine"
    end) })
  end))

  it("leaves other tasks alone, unless it comes again", run(function(base)
    local signal <close> = base:signal("USR1", function() end)
    assert(signal:add())
    assert.is_true(signal:interrupts())
    local pipe = signals(0.02, 0.02)
    local task = base:task(endless)
    local ok, message = pcall(task.wait, task)
    assert.is_false(ok)
    assert.matches("interrupted$", message)
    pipe:close()
    libevent.sleep(0.001)
    local err
    base:on_error(function(what)
      err = what
    end)
    base:timer(endless):add(0)
    pipe = signals(0.02, 0.02)
    libevent.sleep(0.01)
    pipe:close()
    assert.matches("interrupted$", err)
  end))

  it("lets the library finish what it has begun", run(function(base)
    local signal <close> = base:signal("USR1", function() end)
    assert(signal:add())
    assert.is_true(signal:interrupts())
    local queue, ended = libevent.queue(), { interrupted = 0, stopped = 0 }
    for shift = 900, 1000 do -- so that it is looked at everywhere in `get`
      local ok, message = outcome(base, function()
        posix.raise(10)
        for _ = 1, shift do -- luacheck: ignore
        end
        queue:get(0.001) -- the loop takes the signal here
        endless()
      end, 5000)
      assert.is_false(ok)
      local how = message:match "interrupt_spec.lua:%d+: (%a+)"
      ended[how] = ended[how] + 1
    end
    assert.is_true(ended.interrupted > 0 and ended.stopped > 0)
  end))

  it("lets it do so, too, where it comes again", run(function(base)
    local signal <close> = base:signal("USR1", function() end)
    assert(signal:add())
    assert.is_true(signal:interrupts())
    local searchers = package.searchers
    package.searchers = { posix.raise, posix.raise, endless }
    local ok, message = pcall(require, "10") -- which searchers raise
    package.searchers = searchers
    assert.is_false(ok)
    assert.matches("interrupt_spec.lua:%d+: interrupted$", message)
  end))

  it("comes by whichever thread the signal comes to", run(function(base)
    local told = 0
    local signal <close> = base:signal("USR1", function()
      told = told + 1
    end)
    assert(signal:add())
    assert.is_true(signal:interrupts())
    local ok, message = outcome(base, function()
      posix.raise_elsewhere(10)
      endless()
    end)
    assert.is_false(ok)
    assert.matches("interrupted$", message)
    libevent.sleep(0.001)
    assert.equal(1, told)
  end))

  it("can be asked for again in a forked child", run(function(base)
    local signal <close> = base:signal("USR1", function() end)
    assert(signal:add())
    assert.is_true(signal:interrupts())
    assert.same({ "exit", 0 }, { helper.child(function()
      assert(base:reinit())
      local own = assert(libevent.event_base())
      assert.is_true(signal:interrupts())
      signal:close()
      local other = own:signal("USR1", function() end)
      assert(other:add())
      assert.is_true(other:interrupts())
      local task = own:task(function()
        posix.raise(10)
        endless()
      end)
      task:limit()
      own:on_error(function(err)
        assert.matches("interrupted", err)
        own:loopbreak()
      end)
      own:loop()
      assert.equal("failed", task:status())
    end) })
  end))

  it("is for one signal at a time, and ends with it", run(function(base)
    local one, other = base:signal("USR1", print), base:signal("USR2", print)
    assert(one:add())
    assert(other:add())
    assert.is_true(one:interrupts())
    assert.same({ nil, "interrupts: Device or resource busy",
      libevent.errno.EBUSY }, { other:interrupts() })
    one:del()
    assert.is_true(other:interrupts())
    other:close()
    assert(one:add())
    assert.is_true(one:interrupts())
    one:close()
  end))
end)
