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

--- The coroutine of a task that waits is resumed by a finalizer that comes back
-- until the collector has found all of it so many times.
local function resumed(times, wait)
  helper.prints(
    "false\tthe coroutine of a task was resumed by another\n",
    ([[
    local libevent = require "libevent"
    collectgarbage "stop"
    do
      local base = libevent.event_base()
      local guard, meta, times = {}, {}, 0
      local mine, theirs = libevent.socketpair()
      base:task(function()
        guard.co = coroutine.running()
        %s
      end)
      base:loop "nowait"
      function meta.__gc(self)
        times = times + 1
        if times < %d then
          setmetatable(self, meta)
        else
          print(coroutine.resume(self.co))
        end
      end
      setmetatable(guard, meta)
    end
    for _ = 1, 5 do
      collectgarbage()
    end
  ]]):format(wait, times)
  )
end

describe("the coroutine of a task that the collector has found", function()
  for name, wait in pairs {
    ["sleeps"] = "libevent.sleep(100)",
    ["waits for an event"] = [[base:event(mine, "r"):wait()]],
    ["reads a stream"] = "base:stream(mine):read(1)",
    ["writes to a stream"] = "base:stream(mine):write(('x'):rep(10000000))",
    ["sends a file"] = "base:stream(mine):sendfile '/proc/self/exe'",
    ["relays a stream"] = "base:stream(mine):relay(base:stream(theirs))",
    ["waits for datagrams"] = [[base:udp("127.0.0.1:0"):recvfrom()]],
    ["accepts"] = [[base:listener("127.0.0.1:0"):accept()]],
    ["waits for a condition"] = "base:condition():wait()",
    ["waits for one of no base"] = "libevent.condition():wait()",
    ["waits for a task"] = "base:task(libevent.sleep, 100):wait()",
    ["waits for a process"] = "base:process({ 'sleep', '100' }):wait()",
    ["waits for the tasks of a scope"] = [[libevent.scope(function(scope)
      scope:spawn(libevent.sleep, 100)
    end)]],
  } do
    it("is refused to whoever resumes it, where it " .. name, function()
      for times = 1, 3 do
        resumed(times, wait)
      end
    end)
  end
end)

describe("a timer that is brought back again and again", function()
  it("is closed once its base is", function()
    helper.prints(
      "true\tnil\nfalse\tattempt to use a closed timer\n"
        .. "false\tattempt to use a closed timer\ntrue\n",
      [[
      local libevent = require "libevent"
      collectgarbage "stop"
      local times, kept = 0, nil
      do
        local timer, meta = libevent.event_base():timer(print), {}
        function meta.__gc(self)
          times = times + 1
          print(pcall(timer.pending, timer))
          if times < 3 then
            setmetatable(self, meta)
          else
            kept = timer
          end
        end
        setmetatable({}, meta)
      end
      for _ = 1, 4 do
        collectgarbage()
      end
      print(kept:is_closed())
    ]]
    )
  end)
end)

describe("tasks that are brought back while they accept", function()
  it("get sockets of their own though those were found", function()
    helper.prints(
      "true\ttrue\tfalse\tfalse\n",
      [[
      local libevent = require "libevent"
      collectgarbage "stop"
      do
        local base = libevent.event_base()
        local addresses, sockets = {}, {}
        for i = 1, 2 do
          local listener = base:listener "127.0.0.1:0"
          addresses[i] = listener:getsockname()
          base:task(function()
            sockets[i] = listener:accept()
          end)
        end
        setmetatable({}, {
          __gc = function()
            local clients = {}
            for i, address in ipairs(addresses) do
              clients[i] = libevent.socket_connect(address)
              while not sockets[i] do
                base:loop "once"
              end
            end
            local one, other = sockets[1], sockets[2]
            print(#clients == 2, one:fd() ~= other:fd(), one:is_closed(),
              other:is_closed())
          end,
        })
        base:loop "nowait"
      end
      collectgarbage()
    ]]
    )
  end)
end)

describe("a base that is brought back", function()
  it("has let go of what was found with it", function()
    helper.prints(
      "empty\ntrue\ntrue\tdone\t0\t0\n",
      [[
      local libevent = require "libevent"
      collectgarbage "stop"
      do
        local base = libevent.event_base()
        setmetatable({}, {
          __gc = function()
            local rang
            print(base:loop "nowait")
            print(base:reinit())
            base:timer(function()
              rang = true
            end):add(0)
            base:loop()
            local task = base:task(libevent.sleep, 0.01)
            base:loop()
            print(rang, task:status(), #base:objects(), #base:tasks())
          end,
        })
        base:task(libevent.sleep, 100)
        base:signal("USR1", print):add()
        base:loop "nowait"
      end
      for _ = 1, 3 do
        collectgarbage()
      end
    ]]
    )
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
