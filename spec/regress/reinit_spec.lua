local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

--- A base whose descriptors have high numbers, while lower ones are free; and a
-- limit that is between.
local function high_base()
  local taken = {}
  for i = 1, 30 do
    taken[i] = assert(posix.dup(0))
  end
  local base = assert(libevent.event_base())
  for _, fd in ipairs(taken) do
    posix.close(fd)
  end
  return base, taken[12]
end

describe("reinit where the number of the timer is beyond the limit", function()
  it("leaves the parent's timer alone", function()
    local base <close>, limit = high_base()
    local came = 0
    local timer = base:timer(function()
      came = came + 1
    end)
    timer:add(0.05)
    base:loop "nowait" -- sets the timer of the system
    assert.same({ "exit", 0 }, { helper.child(function()
      posix.nofile(limit)
      assert(base:reinit())
      timer:add(20)
      base:loop "nowait"
      base:timer(function()
        base:loopbreak()
      end):add(0)
      assert.equal("break", base:loop())
    end) })
    local began = base:now()
    assert.equal("empty", base:loop())
    assert.equal(1, came)
    assert.is_true(base:now() - began < 15)
  end)
end)

describe("a stream that a child gave up for lack of descriptors", function()
  it("is not called when its base is collected after all", function()
    helper.prints("exit\t0\n", [[
      local libevent, posix = require "libevent", require "spec.posix"
      collectgarbage "stop"
      local limit, peer = posix.nofile(3), nil
      posix.nofile(limit)
      do
        local base = libevent.event_base()
        setmetatable({}, { -- found after the stream, and before the base
          __gc = function()
            posix.nofile(limit)
          end,
        })
        local mine, theirs = libevent.socketpair()
        base:stream(mine):setcb { read = print }
        base:loop "nowait"
        peer = theirs
      end
      posix.write(peer:fd(), "x")
      local pid = posix.fork()
      if pid == 0 then
        posix.nofile(3)
        collectgarbage()
        posix.exit(0)
      end
      print(posix.wait(pid))
      os.exit(0, false)
    ]])
  end)
end)
