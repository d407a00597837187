local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local run = helper.run
local signal, sleep, spawn = libevent.signal, libevent.sleep, libevent.spawn

local HUP, USR1, USR2 = 1, 10, 12

local function raise(number)
  posix.kill(posix.getpid(), number)
end

describe("signal", function()
  it("calls a function each time, in a task", run(function()
    local got = {}
    local signals = signal("HUP", "USR1", function(name)
      sleep(0)
      got[#got + 1] = name
    end)
    assert.equal("libevent.signals: HUP USR1", tostring(signals))
    for i, number in ipairs { HUP, USR1, HUP } do
      raise(number)
      while #got < i do
        sleep(0.001)
      end
    end
    assert.same({ "HUP", "USR1", "HUP" }, got)
    signals:close()
    signals:close()
    assert.equal("libevent.signals: closed closed", tostring(signals))
  end))

  it("iterates over what comes, also meanwhile", run(function(base)
    local got, before = {}, #base:objects()
    libevent.after(0.001, raise, USR1)
    for name in signal("USR1", USR2) do
      got[#got + 1] = name
      if #got == 1 then
        raise(USR2)
        raise(USR1)
        sleep(0.01)
      elseif #got == 3 then
        break
      end
    end
    table.sort(got)
    assert.same({ "USR1", "USR1", "USR2" }, got)
    collectgarbage()
    assert.equal(before, #base:objects())
  end))

  it("watches no more when the task that iterates is canceled",
    run(function(base)
      local before = #base:objects()
      local task = spawn(function()
        for _ in signal "USR1" do -- luacheck: ignore
        end
      end)
      sleep(0)
      assert.is_true(#base:objects() > before + 1)
      task:cancel()
      task:wait()
      assert.equal(before, #base:objects())
    end))

  it("says why a signal cannot be watched", run(function()
    assert.same({ nil, "evsignal_add: Invalid argument",
      libevent.errno.EINVAL }, { signal("HUP", "KILL", print) })
    assert.same({ nil, "evsignal_add: Invalid argument",
      libevent.errno.EINVAL }, { signal "KILL" })
  end))

  it("refuses bad arguments", run(function()
    for _, case in ipairs { { "FOO" }, { print }, { "HUP", {}, print }, {} } do
      local ok, message = pcall(signal, table.unpack(case))
      assert.is_false(ok)
      assert.matches("bad argument #%d to 'signal'", message)
    end
  end))
end)
