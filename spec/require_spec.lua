local helper = require "spec.helper"
local libevent = require "libevent"

local run, spawn = helper.run, libevent.spawn

describe("require in a task", function()
  --- Makes modules of functions for as long as fn runs.
  local function with(modules, fn)
    for name, loader in pairs(modules) do
      package.preload[name] = loader
    end
    local ok, err = pcall(fn)
    for name in pairs(modules) do
      package.preload[name], package.loaded[name] = nil, nil
    end
    assert(ok, err)
  end

  it("loads a module that waits, once for all", run(function()
    local loads = 0
    with({ slow = function(name, extra)
      loads = loads + 1
      libevent.sleep(0.002)
      return { name = name, extra = extra }
    end }, function()
      local tasks = {}
      for i = 1, 5 do
        tasks[i] = spawn(require, "slow")
      end
      local module = tasks[1]:wait()
      assert.same({ name = "slow", extra = ":preload:" }, module)
      for _, task in ipairs(tasks) do
        assert.equal(module, (task:wait()))
      end
      assert.equal(module, require "slow")
      assert.equal(1, loads)
    end)
  end))

  it("gives true for a module that returns nothing", run(function()
    with({ silent = function() end }, function()
      assert.is_true((require "silent"))
    end)
  end))

  it("raises what the module raises, to each that asks", run(function()
    local loads = 0
    with({ broken = function()
      loads = loads + 1
      libevent.sleep(0)
      error "at load"
    end }, function()
      local one = spawn(pcall, require, "broken")
      local other = spawn(pcall, require, "broken")
      for _, task in ipairs { one, other } do
        local ok, message = task:wait()
        assert.is_false(ok)
        assert.matches("at load", message)
      end
      assert.equal(1, loads)
      assert.is_false((pcall(require, "broken")))
      assert.equal(2, loads)
    end)
  end))

  it("goes on where the first that asked is canceled", run(function()
    local loads = 0
    with({ slow = function()
      loads = loads + 1
      libevent.sleep(0.002)
      return loads
    end }, function()
      local one, other = spawn(require, "slow"), spawn(require, "slow")
      libevent.sleep(0)
      libevent.sleep(0)
      one:cancel()
      assert.equal(1, (other:wait()))
    end)
  end))

  it("is done again where the one that loads was ended", run(function(base)
    local loads = 0
    with({ slow = function()
      loads = loads + 1
      libevent.sleep(loads == 1 and 10 or 0)
      return loads
    end }, function()
      local one = spawn(require, "slow")
      libevent.sleep(0)
      libevent.sleep(0)
      for _, task in ipairs(base:tasks()) do
        if task:name() == "require slow" then
          task:close "now"
        end
      end
      assert.equal(2, (one:wait()))
    end)
    local ok = pcall(libevent.in_loop)
    assert.is_true(ok)
  end))

  it("finds a loop", run(function()
    with({
      a = function() libevent.sleep(0) return require "b" end,
      b = function() libevent.sleep(0) return require "a" end,
    }, function()
      local ok, message = pcall(require, "a")
      assert.is_false(ok)
      assert.matches("loop in the modules", message)
      local one, other = spawn(pcall, require, "a"), spawn(pcall, require, "b")
      assert.same({ false, false }, { (one:wait()), (other:wait()) })
    end)
  end))

  it("makes no task wait for a module of this package", run(function()
    local loaded = package.loaded
    local before = { loaded["libevent.timer"], loaded["libevent.signal"] }
    loaded["libevent.timer"], loaded["libevent.signal"] = nil, nil
    local others = false
    libevent.defer(function()
      others = true
    end)
    assert.is_function(require "libevent.timer".every)
    assert.is_function(require "libevent.signal".signal)
    assert.is_false(others)
    loaded["libevent.timer"], loaded["libevent.signal"] = before[1], before[2]
  end))

  it("says where it has looked", run(function()
    local ok, message = pcall(require, "no.such.module")
    assert.is_false(ok)
    assert.matches("module 'no.such.module' not found:\n\tno field "
      .. "package.preload['no.such.module']\n\tno file '", message, 1, true)
  end))
end)
