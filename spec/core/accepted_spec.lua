local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local loop, run = helper.loop, helper.run
local spawn, sleep = libevent.spawn, libevent.sleep

--- A listener that hands the sockets to a function, and as many connections.
local function arrivals(base, n, fn)
  local listener = assert(base:listener("127.0.0.1:0", nil, function(_, socket)
    fn(socket)
  end))
  local port = tonumber(listener:getsockname():match "%d+$")
  local fds = {}
  for i = 1, n do
    fds[i] = assert(posix.connect(port))
  end
  return listener, setmetatable(fds, { __close = function()
    listener:close()
    for _, fd in ipairs(fds) do
      posix.close(fd)
    end
  end })
end

local function wait_until(fn)
  while not fn() do
    sleep(0.001)
  end
end

describe("event_base:accepted", function()
  it("lists connections that wait for their peers, and counts all",
    run(function(base)
      local sockets = {}
      local _, fds <close> = arrivals(base, 6, function(socket)
        sockets[#sockets + 1] = socket
      end)
      assert.same({ n = 0 }, base:accepted())
      wait_until(function()
        return #sockets == 6
      end)
      assert.same({ n = 0 }, base:accepted())
      local read, called, bev = base:stream(sockets[1]),
        base:stream(sockets[2]), base:bufferevent(sockets[3])
      local idle, quiet = base:stream(sockets[4]), base:bufferevent()
      quiet:setfd(sockets[5])
      local again = base:stream((base:stream(sockets[6]):detach()))
      local one, other, _ <close> = helper.streams(base)
      assert.same({ n = 6 }, base:accepted())
      local reader = spawn(function()
        for _ in read:lines() do -- luacheck: ignore
        end
      end)
      local outside = spawn(one.read, one)
      called:setcb { read = print }
      bev:setcb { event = print }
      bev:enable "r"
      sleep(0)
      local list = base:accepted()
      local set = {}
      for _, each in ipairs(list) do
        set[each] = true
      end
      assert.same({ n = 6, 3 }, { n = list.n, #list })
      assert.is_true(set[read] and set[called] and set[bev])
      other:close()
      outside:wait()
      called:background()
      assert.same({ 2, n = 5 }, { #base:accepted(), n = base:accepted().n })
      for _, each in ipairs { read, called, bev, idle, quiet, again } do
        each:close()
      end
      reader:wait()
      assert.same({ n = 0 }, base:accepted())
      assert.equal(6, #fds)
    end))

  it("leaves out a task that has been woken", run(function(base)
    local stream
    local _, fds <close> = arrivals(base, 1, function(socket)
      stream = base:stream(socket)
    end)
    wait_until(function()
      return stream
    end)
    local reader = spawn(stream.read, stream)
    sleep(0)
    assert.same({ stream, n = 1 }, base:accepted())
    reader:cancel()
    assert.same({ n = 1 }, base:accepted())
    reader:wait()
    stream:close()
    assert.equal(1, #fds)
  end))

  it("leaves out a task whose coroutine was closed", run(function(base)
    local stream, co
    local _, fds <close> = arrivals(base, 1, function(socket)
      stream = base:stream(socket)
    end)
    wait_until(function()
      return stream
    end)
    local reader = spawn(function()
      co = coroutine.running()
      stream:read()
    end)
    sleep(0)
    assert.same({ stream, n = 1 }, base:accepted())
    coroutine.close(co)
    assert.same({ n = 1 }, base:accepted())
    reader:cancel()
    reader:wait()
    stream:close()
    assert.equal(1, #fds)
  end))

  it("leaves out those of the background", loop(function(base, expect)
    local listener, fds
    listener, fds = arrivals(base, 1, expect(function(socket)
      local stream <close> = base:stream(socket)
      assert.same({ n = 0 }, base:accepted())
      assert.equal("stream", base:objects()[1].type)
      assert.is_number(stream:idle())
      assert.is_nil(base:objects()[1].accepted)
      getmetatable(fds).__close()
    end))
    listener:background()
    base:timer(function() end):add(0.05)
  end))

  it("counts what is closed while its peer has not got all",
    run(function(base)
      local n = 0
      local _, fds <close> = arrivals(base, 2, function(socket)
        n = n + 1
        local one = n == 1 and base:stream(socket) or base:bufferevent(socket)
        one:write(("x"):rep(16 * 1024 * 1024)) -- no task: it does not wait
        one:close()
      end)
      wait_until(function()
        return n == 2
      end)
      assert.same({ n = 2 }, base:accepted())
      for _, fd in ipairs(fds) do
        local data
        repeat
          data = posix.read(fd)
          if not data then
            sleep(0.001)
          end
        until data == ""
      end
      wait_until(function()
        return base:accepted().n == 0
      end)
    end))

  it("marks them among the objects, with their peers", run(function(base)
    local stream
    local listener, fds <close> = arrivals(base, 1, function(socket)
      stream = base:stream(socket)
    end)
    wait_until(function()
      return stream
    end)
    for _, each in ipairs(base:objects()) do
      local accepted = each.type == "stream" or nil
      assert.equal(accepted, each.accepted)
      assert.equal(accepted and stream:getpeername(), each.peer)
    end
    stream:close()
    assert.is_false(listener:is_closed())
    assert.equal(1, #fds)
  end))
end)

describe("event_base:close_accepted", function()
  it("closes them at once", run(function(base)
    local made = {}
    local _, fds <close> = arrivals(base, 3, function(socket)
      local one = #made == 1 and base:bufferevent(socket)
        or base:stream(socket)
      made[#made + 1] = one
      if #made == 3 then
        one:write(("x"):rep(16 * 1024 * 1024)) -- no task: it does not wait
        one:close()
      end
    end)
    wait_until(function()
      return #made == 3
    end)
    local reader = spawn(made[1].read, made[1])
    made[2]:setcb { read = print }
    made[2]:enable "r"
    local one, other, _ <close> = helper.streams(base)
    sleep(0)
    assert.equal(3, base:close_accepted())
    assert.equal(0, base:close_accepted())
    assert.same({ nil, "closed", libevent.errno.ECANCELED },
      { reader:wait() })
    assert.is_true(made[2]:is_closed())
    assert.matches("closed$", tostring(made[3]))
    assert.is_false(one:is_closed() or other:is_closed())
    assert.equal(3, #fds)
  end))
end)

describe("idle", function()
  --- Calls a function that reads or sends: no more time than that took, and a
  -- tick of the coarse clock, is counted then.
  local function counts_from(base, self, fn)
    local before = base:now()
    fn()
    assert.is_true(self:idle() <= base:now() - before + 0.02)
  end

  it("tells the seconds since something was read or sent", run(function(base)
    for _, kind in ipairs { "stream", "bufferevent" } do
      local one, other = libevent.socketpair()
      local self, peer = base[kind](base, one), base:stream(other)
      sleep(0.05)
      assert.is_true(self:idle() >= 0.03, kind)
      counts_from(base, self, function()
        self:write "x"
      end)
      assert.equal("x", peer:read(1))
      sleep(0.05)
      assert.is_true(self:idle() >= 0.03, kind)
      counts_from(base, self, function()
        if kind == "stream" then
          local task = spawn(self.read, self, 1)
          peer:write "y"
          assert.equal("y", task:wait())
          return
        end
        local came
        self:setcb { read = function()
          came = self:read()
        end }
        self:enable "r"
        peer:write "y"
        wait_until(function()
          return came
        end)
      end)
      self:close()
      peer:close()
      assert.error_matches(function()
        self:idle()
      end, "attempt to use a closed " .. kind)
    end
  end))

  it("is nil while there is input that nobody has taken", run(function(base)
    for _, kind in ipairs { "stream", "bufferevent" } do
      local one, other = libevent.socketpair()
      local self, peer = base[kind](base, one), base:stream(other)
      assert.is_number(self:idle())
      peer:write "half a line"
      assert.is_nil(self:idle(), kind) -- it waits in the system
      if kind == "stream" then
        assert.is_nil((self:read("l", 0.001)))
        assert.is_nil(self:idle())
        assert.equal("half a line", self:read())
      else
        self:enable "r"
        wait_until(function()
          return self:input():length() > 0
        end)
        assert.is_nil(self:idle())
        assert.equal("half a line", self:read())
      end
      assert.is_number(self:idle(), kind)
      self:close()
      peer:close()
    end
  end))

  it("is nil while there is output that is not sent", run(function(base)
    for _, kind in ipairs { "stream", "bufferevent" } do
      local one, other = libevent.socketpair()
      local self, peer = base[kind](base, one), base:stream(other)
      spawn(self.write, self, ("x"):rep(4 * 1024 * 1024))
      sleep(0)
      assert.is_nil(self:idle(), kind)
      assert.equal(4 * 1024 * 1024, #peer:read(4 * 1024 * 1024))
      wait_until(function()
        return self:idle()
      end)
      self:close()
      peer:close()
    end
  end))

  it("is nil while a stream relays, or sends a file", run(function(base)
    local one, other, _ <close> = helper.streams(base)
    local three, four, _ <close> = helper.streams(base)
    local task = spawn(other.relay, other, three)
    sleep(0.03)
    assert.is_nil(other:idle())
    assert.is_nil(three:idle())
    one:write "x"
    assert.equal("x", four:read(1))
    counts_from(base, three, function()
      one:shutdown()
      assert.equal(1, task:wait())
    end)
    local path, _ <close> = helper.temporary(("y"):rep(4 * 1024 * 1024))
    task = spawn(four.sendfile, four, path)
    sleep(0)
    assert.is_nil(four:idle())
    assert.equal(4 * 1024 * 1024, #three:read(4 * 1024 * 1024))
    task:wait()
    assert.is_number(four:idle())
  end))

  it("is nil while a bufferevent connects", loop(function(base, expect)
    local listener = base:listener("127.0.0.1:0")
    local bev = base:bufferevent()
    assert.is_number(bev:idle())
    bev:setcb { event = expect(function(self)
      assert.is_number(self:idle())
      self:close()
      listener:close()
    end) }
    bev:connect(listener:getsockname())
    assert.is_nil(bev:idle())
  end))
end)

describe("evconnlistener:waiting", function()
  it("tells whether it is about to accept", run(function(base)
    local socket
    local listener <close> = base:listener("127.0.0.1:0", nil, function(_, one)
      socket = one
    end)
    assert.is_false(listener:waiting())
    local fd = posix.connect(tonumber(listener:getsockname():match "%d+$"))
    assert.is_true(listener:waiting())
    listener:disable()
    assert.is_false(listener:waiting())
    listener:enable()
    assert.is_true(listener:waiting())
    wait_until(function()
      return socket
    end)
    assert.is_false(listener:waiting())
    socket:close()
    posix.close(fd)
    listener:close()
    assert.error_matches(function()
      listener:waiting()
    end, "attempt to use a closed evconnlistener")
  end))

  it("tells so of a task that accepts", run(function(base)
    local listener <close> = base:listener("127.0.0.1:0")
    local fd = posix.connect(tonumber(listener:getsockname():match "%d+$"))
    assert.is_false(listener:waiting())
    posix.close(fd)
    assert(listener:accept(1)):close()
    local task = spawn(listener.accept, listener)
    sleep(0)
    fd = posix.connect(tonumber(listener:getsockname():match "%d+$"))
    assert.is_true(listener:waiting())
    task:wait():close()
    posix.close(fd)
  end))

  it("is false of a socket that others may accept from", run(function(base)
    local first = base:listener("127.0.0.1:0")
    local address = first:getsockname()
    local copy = assert(libevent.socket(posix.dup(first:fd())))
    first:close()
    local socket
    local listener <close> = base:listener(copy, nil, function(_, one)
      socket = one
    end)
    local fd = posix.connect(tonumber(address:match "%d+$"))
    assert.is_false(listener:waiting())
    wait_until(function()
      return socket
    end)
    socket:close()
    posix.close(fd)
  end))

  it("is false in a forked child", run(function(base)
    local listener <close> = base:listener("127.0.0.1:0", nil, function(_, one)
      one:close()
    end)
    local fd = posix.connect(tonumber(listener:getsockname():match "%d+$"))
    assert.same({ "exit", 0 }, { helper.child(function()
      base:reinit()
      assert(not listener:waiting())
    end) })
    assert.is_true(listener:waiting())
    posix.close(fd)
    sleep(0.001)
  end))
end)
