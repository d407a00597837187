local helper = require "spec.helper"
local libevent = require "libevent"

describe("a process whose end kill finds", function()
  it("wakes those who wait, and is let go", helper.run(function(base)
    local process = assert(base:process { "sleep", "60" })
    local task = libevent.spawn(function()
      return process:wait()
    end)
    repeat
      libevent.sleep(0)
    until task:status() == "waiting"
    assert(process:kill "KILL")
    local known = { [process:pid()] = true }
    repeat -- and no turn of the loop
      local _, ended = libevent.posix.reap(known)
    until ended
    assert.same({ nil, "kill: No such process", libevent.errno.ESRCH },
      { process:kill() })
    local how = libevent.timeout(10, function()
      return task:wait()
    end)
    assert.equal("signal", how)
  end))
end)
