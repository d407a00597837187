-- Accepting in a task.

local helper = require "spec.helper"
local libevent = require "libevent"

local run, badargs = helper.run, helper.badargs
local spawn, sleep = libevent.spawn, libevent.sleep

local errno = libevent.errno
local closed = { nil, "closed", errno.ECANCELED, n = 3 }
local timed_out = { nil, "timed out", errno.ETIMEDOUT, n = 3 }
local pack = table.pack

--- Begins to connect so many times; returns the sockets.
local function clients(listener, n)
  local list = {}
  for i = 1, n do
    list[i] = assert(libevent.socket_connect(listener:getsockname()))
  end
  return list
end

local function close_all(list)
  for _, each in ipairs(list) do
    each:close()
  end
end

describe("evconnlistener accept", function()
  it("returns what waits, and who it is", run(function(base)
    local listener <close> = assert(base:listener("127.0.0.1:0"))
    local client <close> = clients(listener, 1)[1]
    local socket <close>, peer = listener:accept()
    assert.equal(client:getsockname(), peer)
    assert.equal(client:getsockname(), socket:getpeername())
  end))

  it("waits for what comes", run(function(base)
    local listener <close> = assert(base:listener("127.0.0.1:0"))
    local task = spawn(listener.accept, listener)
    sleep(0)
    assert.equal("waiting", task:status())
    assert.matches("accepting$", tostring(listener))
    local client <close> = clients(listener, 1)[1]
    task:wait():close()
    assert.matches("disabled$", tostring(listener))
    assert.is_true(client:connected())
  end))

  it("accepts nothing while nobody asks", run(function(base)
    local listener <close> = assert(base:listener("127.0.0.1:0"))
    local list = clients(listener, 3)
    local before = helper.descriptors()
    sleep(0.005)
    assert.equal(before, helper.descriptors())
    for _ = 1, 3 do
      assert(listener:accept()):close()
    end
    assert.same(timed_out, pack(listener:accept(0)))
    close_all(list)
  end))

  it("lets others run though connections keep coming", run(function(base)
    local listener <close> = assert(base:listener("127.0.0.1:0"))
    local list, turns = clients(listener, 300), 0
    local ticker = base:event(-1, "p", function(self)
      turns = turns + 1
      self:active()
    end)
    ticker:active()
    for _ = 1, 300 do
      assert(listener:accept()):close()
    end
    ticker:close()
    assert.is_true(turns >= 4, turns .. " turns")
    close_all(list)
  end))

  it("ends by a timeout, a cancel, and when the listener is closed",
    run(function(base)
      local listener = assert(base:listener("127.0.0.1:0"))
      assert.same(timed_out, pack(listener:accept(0.001)))
      local task = spawn(listener.accept, listener)
      sleep(0)
      task:cancel()
      assert.same({ nil, "canceled", errno.ECANCELED, n = 3 },
        pack(task:wait()))
      task = spawn(listener.accept, listener)
      sleep(0)
      listener:close()
      assert.same(closed, pack(task:wait()))
    end))

  it("is for one task at a time", run(function(base)
    local listener <close> = assert(base:listener("127.0.0.1:0"))
    local task = spawn(listener.accept, listener)
    sleep(0)
    assert.error_matches(function()
      listener:accept()
    end, "a task waits for this listener already: libevent.task: ")
    listener:setcb(print)
    assert.error_matches(function()
      listener:enable()
    end, "a task waits for this listener already")
    task:cancel()
    task:wait()
    assert(listener:enable())
    assert.error_matches(function()
      listener:accept()
    end, "the callback of this listener accepts")
    listener:disable()
    assert.same(timed_out, pack(listener:accept(0)))
  end))

  it("needs no callback, but enabling does", run(function(base)
    local listener <close> = assert(base:listener("127.0.0.1:0", {
      disabled = false,
    }))
    assert.error_matches(function()
      listener:enable()
    end, "this listener has no callback")
  end))

  it("keeps nothing alive", run(function(base)
    local listener = assert(base:listener("127.0.0.1:0"))
    listener:accept(0)
    local weak = setmetatable({ listener }, { __mode = "v" })
    listener = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.is_nil(weak[1])
  end))

  it("waits for descriptors where there are none", run(function(base)
    local listener <close> = assert(base:listener("127.0.0.1:0"))
    local list = clients(listener, 2)
    local told = {}
    listener:set_error_cb(function(_, message)
      told[#told + 1] = message
    end)
    local restore = helper.exhaust(0)
    local task = spawn(listener.accept, listener)
    sleep(0.15)
    assert.same({ "accept: Too many open files" }, told)
    assert.matches("out of descriptors$", tostring(listener))
    assert.same("waiting", task:status())
    restore()
    task:wait():close()
    assert(listener:accept()):close()
    close_all(list)
  end))

  it("is for tasks, and wants seconds", run(function(base)
    local listener <close> = assert(base:listener("127.0.0.1:0"))
    badargs(listener.accept, listener, "?seconds")
    local ok, message = coroutine.wrap(function()
      return pcall(listener.accept, listener)
    end)()
    assert.is_false(ok)
    assert.matches("only a task can wait", message)
  end))
end)
