local echoes = require "spec.echoes"
local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local run = helper.run
local errno = libevent.errno
local connect, serve = libevent.connect, libevent.serve
local spawn, sleep = libevent.spawn, libevent.sleep
local pack = table.pack
local ask, client, echo = echoes.ask, echoes.client, echoes.echo

local anywhere = "127.0.0.1:0"

describe("serve", function()
  it("calls a function for each connection, in a task", run(function()
    local peers, tasks = {}, {}
    local server <close> = assert(serve(anywhere, function(stream, peer)
      peers[#peers + 1], tasks[#tasks + 1] = peer, libevent.running()
      echo(stream)
    end))
    local one <close> = client(server)
    local other <close> = client(server)
    assert.equal("one", ask(one, "one"))
    assert.equal("other", ask(other, "other"))
    assert.same({ one:getsockname(), other:getsockname() }, peers)
    assert.not_equal(tasks[1], tasks[2])
    assert.same({ open = 2, accepted = 2, refused = 0, failed = 0 },
      server:counters())
    assert.equal("libevent.server: " .. server:getsockname()
      .. ", 2 connections", tostring(server))
  end))

  it("closes the connection when the function returns", run(function()
    local server <close> = assert(serve(anywhere, function(stream)
      stream:write "bye\n"
    end))
    local stream <close> = client(server)
    assert.equal("bye\n", (stream:read "a"))
    assert.equal(0, server:counters().open)
  end))

  it("goes on when it fails, and tells on_error", run(function(base)
    local told = {}
    base:on_error(function(err, traceback, object)
      told[#told + 1] = { err, traceback, object }
    end)
    local server <close> = assert(serve(anywhere, function(stream)
      for line in stream:lines() do
        if line == "fail" then
          error "as told"
        end
        stream:write(line, "\n")
      end
    end))
    local bad <close> = client(server)
    local good <close> = client(server)
    assert.equal("good", ask(good, "good"))
    bad:write "fail\n"
    assert.equal("", (bad:read "a"))
    assert.equal("still", ask(good, "still"))
    assert.equal(1, #told)
    assert.matches("server_spec.lua:%d+: as told$", told[1][1])
    assert.matches("stack traceback:.*server_spec.lua", told[1][2])
    assert.matches("^libevent.stream", tostring(told[1][3]))
    assert.same({ open = 1, accepted = 2, refused = 0, failed = 1 },
      server:counters())
  end))

  it("waits with more connections than it may have", run(function()
    local server <close> = assert(serve(anywhere, echo, { connections = 2 }))
    local one, two, three = client(server), client(server), client(server)
    assert.equal("1", ask(one, "1"))
    assert.equal("2", ask(two, "2"))
    assert.same({ nil, "timed out", errno.ETIMEDOUT, n = 3 },
      (function()
        three:write "3\n"
        return pack(three:read("l", 0.01))
      end)())
    assert.equal(2, server:counters().open)
    one:close()
    assert.equal("3", (three:read("l", 10)))
    two:close()
    three:close()
  end))

  it("refuses more connections of one peer than it may have", run(function()
    local server <close> = assert(serve(anywhere, echo, { per_peer = 2 }))
    local one, two, three = client(server), client(server), client(server)
    assert.equal("", (three:read("a", 10)))
    assert.equal("1", ask(one, "1"))
    assert.equal("2", ask(two, "2"))
    local other <close> = client(server, { bind = "127.0.0.2:0" })
    assert.equal("other", ask(other, "other"))
    one:close()
    two:close()
    while server:counters().open > 1 do
      sleep(0.001)
    end
    local again <close> = client(server)
    assert.equal("again", ask(again, "again"))
    assert.equal(1, server:counters().refused)
    three:close()
  end))

  it("ends connections that are idle or old", run(function(base)
    local server <close> = assert(serve(anywhere, echo, { idle = 0.02 }))
    local idle <close> = client(server)
    local start = base:now()
    assert.equal("", (idle:read("a", 10)))
    assert.is_true(base:now() - start >= 0.019)
    local old <close> = assert(serve(anywhere, echo, { lifetime = 0.03 }))
    local busy <close> = client(old)
    start = base:now()
    while ask(busy, "more") do
      sleep(0.002)
    end
    assert.is_true(base:now() - start >= 0.029)
    assert.equal(0, old:counters().failed)
  end))

  it("drains: waits for connections, and cancels them at the deadline",
    run(function()
      local server = assert(serve(anywhere, echo))
      local address = server:getsockname()
      local stream = client(server)
      assert.equal("in", ask(stream, "in"))
      local task = spawn(server.drain, server, 10)
      sleep(0)
      assert.is_true(server:is_closed())
      assert.equal(errno.ECONNREFUSED, (select(3, connect(address))))
      assert.equal("still", ask(stream, "still"))
      stream:close()
      assert.same({ true, n = 1 }, pack(task:wait()))

      server = assert(serve(anywhere, echo))
      stream = client(server)
      assert.equal("in", ask(stream, "in"))
      assert.same({ nil, "timed out", errno.ETIMEDOUT, 1, n = 4 },
        pack(server:drain(0.005)))
      assert.equal("", (stream:read "a"))
      stream:close()
      assert.is_true(server:drain(0))
    end))

  it("closes all at once", run(function()
    local server = assert(serve(anywhere, echo))
    local waiting = spawn(server.wait, server)
    local begun = client(server)
    assert.equal("in", ask(begun, "in"))
    local fresh = client(server)
    server:close()
    server:close()
    assert.is_true(waiting:wait())
    assert.equal("", (begun:read "a"))
    begun:close()
    fresh:close()
    assert.equal(0, server:counters().open)
  end))

  it("closes what it has just accepted", run(function(base)
    local server
    server = assert(serve(anywhere, echo))
    local one = libevent.socket_connect(server:getsockname())
    local two = libevent.socket_connect(server:getsockname())
    local accepted
    server.listener:disable()
    base:event(server.listener:fd(), "r", function() -- after the listener's
      server:close()
      accepted = server:counters().accepted
    end):add()
    server.listener:enable()
    assert.is_true(server:wait(10))
    assert.equal(2, accepted)
    one:close()
    two:close()
  end))

  it("is closed by a task of its own, and a callback", run(function(base)
    local server
    server = assert(serve(anywhere, function()
      server:close()
      sleep(0)
    end))
    local stream <close> = client(server)
    assert.equal("", (stream:read "a"))
    assert.is_true(server:wait(10))
    server = assert(serve(anywhere, echo))
    base:timer(function()
      server:close()
    end):add(0)
    assert.is_true(server:wait(10))
  end))

  it("lets a peer that resets end only its own connection", run(function()
    local lines = 0
    local server <close> = assert(serve(anywhere, function(stream)
      for line in stream:lines() do
        lines = lines + 1
        stream:write(line:rep(100), "\n")
      end
    end))
    local good <close> = client(server)
    local port = tonumber(server:getsockname():match ":(%d+)$")
    for i = 1, 50 do
      local fd = posix.connect(port)
      if i % 5 > 0 then
        posix.write(fd, ("x"):rep(100 * (i % 5)) .. (i % 2 == 0 and "\n" or ""))
      end
      if i % 3 == 0 then
        sleep(0)
      end
      posix.reset(fd)
      assert.equal(("ok"):rep(100), ask(good, "ok"))
    end
    while server:counters().open > 1 do
      sleep(0.001)
    end
    assert.equal(0, server:counters().failed)
  end))

  it("says why it cannot listen", run(function()
    local server <close> = assert(serve(anywhere, echo))
    assert.same({ nil, "listener: Address already in use", errno.EADDRINUSE,
      n = 3 }, pack(serve(server:getsockname(), echo)))
  end))

  it("refuses bad arguments", run(function()
    for _, case in ipairs {
      { nil, echo, nil, "#1 to 'serve' %(address expected, got nil%)" },
      { "x:1", echo, nil, "#1 to 'serve' %('x:1': names are not looked up" },
      { anywhere, nil, nil, "#2 to 'serve' %(function expected, got nil%)" },
      { anywhere, echo, 1, "#3 to 'serve' %(table expected, got number%)" },
      { anywhere, echo, { x = 1 }, "%(unknown option 'x'%)" },
      { anywhere, echo, { connections = 0 }, "'connections': integer" },
      { anywhere, echo, { per_peer = 1.5 }, "%(option 'per_peer': integer" },
      { anywhere, echo, { idle = -1 }, "%(option 'idle': seconds from 0" },
      { anywhere, echo, { lifetime = {} }, "%(option 'lifetime': seconds" },
      { anywhere, echo, { linger = "x" }, "%(option 'linger': seconds" },
    } do
      local ok, message = pcall(serve, case[1], case[2], case[3])
      assert.is_false(ok)
      assert.matches("bad argument", message)
      assert.matches(case[4], message)
    end
    local server <close> = assert(serve(anywhere, echo))
    assert.has_error(function()
      server:wait "x"
    end, "bad argument #1 to 'wait' (seconds from 0 to 1e9 expected)")
  end))
end)
