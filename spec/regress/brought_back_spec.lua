-- What the collector has found may be brought back by a finalizer, while others
-- have run already.

local helper = require "spec.helper"

--- A task waits for an object. Both are found with the base and what guards it,
-- whose finalizer runs after that of the object, and before that of the base.
local function wakes(what, wait, new)
  helper.prints(
    what .. "\tnil\tclosed\ttrue\n",
    ([[
    local libevent = require "libevent"
    collectgarbage "stop"
    do
      local base = libevent.event_base()
      local holder = {}
      base:task(function()
        local ok, why = holder.object:%s
        print("%s", ok, why, holder.object:is_closed())
      end)
      holder.guard = setmetatable({}, {
        __gc = function()
          base:loop "nowait"
        end,
      })
      holder.mine, holder.theirs = libevent.socketpair()
      holder.object = %s
      base:loop "nowait"
    end
    collectgarbage()
    collectgarbage()
    collectgarbage()
    for _ = 1, 100 do
      libevent.socketpair()
    end
    collectgarbage()
  ]]):format(wait, what, new)
  )
end

describe("a task that is brought back with its base", function()
  it("finds an event that it waits for closed", function()
    wakes("event", "wait()", [[base:event(holder.mine, "r")]])
  end)

  it("finds a stream that it reads closed", function()
    wakes("read", "read(1)", "base:stream(holder.mine)")
  end)

  it("finds a stream that it writes to closed", function()
    wakes("write", "write(('x'):rep(10000000))", "base:stream(holder.mine)")
  end)

  it("finds a stream that it relays closed", function()
    wakes("relay", "relay(holder.object)", "base:stream(holder.mine)")
  end)

  it("finds a socket of datagrams closed", function()
    wakes("udp", "recvfrom()", [[base:udp("127.0.0.1:0")]])
  end)

  it("finds a listener closed", function()
    wakes("listener", "accept()", [[base:listener("127.0.0.1:0")]])
  end)

  it("finds a condition closed", function()
    wakes("condition", "wait()", "base:condition()")
  end)
end)

describe("a task that has ended and waited before", function()
  it("does not look at its base when both are found again", function()
    helper.prints("", [[
      local libevent = require "libevent"
      collectgarbage "stop"
      do
        local base = libevent.event_base()
        local condition = libevent.condition()
        local ended = base:task(function()
          condition:wait(0)
        end)
        base:task(function()
          ended:wait()
        end)
        base:loop()
        base:close()
      end
      for _ = 1, 4 do
        collectgarbage()
      end
    ]])
  end)
end)

describe("an object that is brought back", function()
  it("is closed, whoever calls its finalizer again", function()
    helper.prints(
      "true\ttrue\n",
      [[
      local libevent = require "libevent"
      local base = libevent.event_base()
      collectgarbage "stop"
      local kept = {}
      do
        local guard = setmetatable({}, {
          __gc = function(self)
            kept[1], kept[2] = self.socket, self.buffer
          end,
        })
        guard.socket = libevent.socketpair()
        guard.buffer = libevent.evbuffer "x"
      end
      collectgarbage()
      for _, object in ipairs(kept) do
        debug.getmetatable(object).__gc(object)
        pcall(debug.getmetatable(object).__gc, object)
      end
      print(kept[1]:is_closed(), kept[2]:is_closed())
      kept = nil
      for _ = 1, 3 do
        collectgarbage()
      end
      for _ = 1, 100 do
        libevent.socketpair()
        libevent.evbuffer "y"
      end
      for _ = 1, 3 do
        collectgarbage()
      end
      base:close()
    ]]
    )
  end)
end)
