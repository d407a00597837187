-- Many tasks at once. The echo server is a process of its own.

local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"
local program = require "spec.program"

local share = helper.sanitized and 10 or 1

--- So many, but a tenth where everything is slower.
local function many(n)
  return n // share
end

describe("tasks #load", function()
  before_each(function()
    posix.nofile(16000)
    posix.alarm(200)
  end)

  after_each(function()
    posix.alarm(0)
    program.reap()
    collectgarbage()
  end)

  it("echo on 10,000 connections at once", function()
    local pipe, pid, address = program.serve(
      "examples/tasks/echo.lua 127.0.0.1:0", "ulimit -n 16000;", 200)
    local n, echoed, connected = many(10000), 0, 0
    libevent.run(function()
      local base = libevent.base()
      local all = base:condition()
      local function talk(stream, i)
        local line = ("connection %d"):format(i)
        for _ = 1, 3 do
          assert(stream:write(line, "\n"))
          assert.equal(line, (stream:read("l", 100)))
        end
        echoed = echoed + 1
        all:wait() -- all of them are open until the last has echoed
        stream:close()
      end
      for i = 1, n do
        local bev = base:bufferevent()
        bev:setcb { event = function(self, what)
          assert.equal("connected", what)
          connected = connected + 1
          libevent.spawn(talk, base:stream(self:detach()), i)
        end }
        assert(bev:connect(address))
        if i % 100 == 0 then
          libevent.sleep(0)
        end
      end
      while echoed < n do
        libevent.sleep(0.01)
      end
      all:broadcast()
    end)
    assert.same({ n, n }, { connected, echoed })
    local rss = program.rss(pid)
    local itself = (helper.sanitized and 32 or 12) * 1024
    assert.is_true(rss < itself + n * 3, ("%d KiB"):format(rss))
    program.finish(pipe, pid)
  end)

  it("sleep, a million of them", function()
    local n, woken = many(1000000), 0
    local bytes
    libevent.run(function()
      collectgarbage()
      local before = collectgarbage "count"
      local function doze()
        libevent.sleep(60)
        woken = woken + 1
      end
      local tasks = {}
      for i = 1, n do
        tasks[i] = libevent.spawn(doze)
      end
      libevent.sleep(0)
      libevent.sleep(0)
      assert.equal("waiting", tasks[n]:status())
      bytes = (collectgarbage "count" - before) * 1024 / n
      for i = 1, n do
        tasks[i]:cancel()
      end
    end)
    assert.equal(0, woken)
    assert.is_true(bytes < 2000, ("%.0f bytes each"):format(bytes))
  end)

  it("come and go, and leave nothing", function()
    libevent.run(function()
      local function child(a, b)
        libevent.sleep(0)
        return a + b
      end
      local base = libevent.base()
      local function rounds(count)
        for i = 1, count do
          assert.equal(i + 1, (libevent.spawn(child, i, 1):wait()))
          libevent.timeout(10, libevent.scope, function(scope)
            scope:spawn(child, 1, 2)
          end)
        end
        helper.collect()
        return collectgarbage "count"
      end
      local before = rounds(1000)
      local after = rounds(many(20000))
      assert.is_true(after < before + 100, after - before .. " KiB")
      assert.equal(1, #libevent.tasks(base))
    end)
  end)
end)
