-- Servers that drain.

local echoes = require "spec.echoes"
local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local run = helper.run
local errno = libevent.errno
local serve = libevent.serve
local spawn, sleep = libevent.spawn, libevent.sleep
local pack = table.pack
local echo = echoes.echo
local ask = echoes.ask
local client = echoes.client
local arrive = echoes.arrive
local wait_until = echoes.wait_until

local anywhere = "127.0.0.1:0"

describe("a server that drains", function()
  it("ends the input of connections that are idle", run(function()
    local ends = {}
    local server = assert(serve(anywhere, function(stream)
      echo(stream)
      ends[#ends + 1] = pack(stream:error())
    end))
    local one <close> = client(server)
    local other <close> = client(server)
    assert.equal("1", ask(one, "1"))
    assert.equal("2", ask(other, "2"))
    assert.same({ true, n = 1 }, pack(server:drain(10, 0)))
    assert.same({ { nil, n = 1 }, { nil, n = 1 } }, ends)
    assert.equal("", (one:read("a", 10)))
    assert.equal(0, server:counters().failed)
  end))

  it("lets those go on whose tasks are at work", run(function()
    local server = assert(serve(anywhere, function(stream)
      for line in stream:lines() do
        sleep(0.05)
        stream:write(line, "\n")
      end
    end))
    local stream <close> = client(server)
    stream:write "question\n"
    wait_until(function()
      return server:counters().open == 1
    end)
    assert.is_true(server:drain(10, 0))
    assert.equal("question\n", (stream:read("a", 10)))
  end))

  it("does not take half a request for none", run(function()
    local server = assert(serve(anywhere, echo))
    local stream <close> = client(server)
    assert.equal("1", ask(stream, "1"))
    stream:write "half"
    assert.same({ nil, "timed out", errno.ETIMEDOUT, 1, n = 4 },
      pack(server:drain(0.05, 0)))
  end))

  it("lets those go on that were active lately", run(function()
    local server = assert(serve(anywhere, echo))
    local stream = client(server)
    assert.equal("1", ask(stream, "1"))
    local task = spawn(server.drain, server, 20, 15)
    sleep(0.02)
    assert.equal("2", ask(stream, "2"))
    stream:close()
    assert.is_true(task:wait())
  end))

  it("lets a function say goodbye", run(function(base)
    local errors = {}
    base:on_error(function(err)
      errors[#errors + 1] = err
    end)
    local server = assert(serve(anywhere, function(stream)
      echo(stream)
      stream:write "bye\n"
      sleep(0.01)
      stream:write "bye\n"
      error("an error", 0)
    end))
    local stream <close> = client(server)
    assert.equal("1", ask(stream, "1"))
    local task = spawn(server.drain, server, 10, 0)
    assert.equal("bye\nbye\n", stream:read("a", 10))
    assert.is_true(task:wait())
    assert.same({ "an error" }, errors)
  end))

  it("ends waits of every form, and relays", run(function()
    local ways = {
      read = { "l" }, readsome = { 10 }, readuntil = { "x" },
      readframe = { ">s4" }, peek = { 3 }, relay = {},
    }
    for name, arguments in pairs(ways) do
      local got
      local server = assert(serve(anywhere, function(stream)
        if name == "relay" then
          arguments[1] = stream
        end
        got = pack(stream[name](stream, table.unpack(arguments)))
        stream:write "bye"
      end))
      local stream <close> = client(server)
      wait_until(function()
        return server:counters().open == 1
      end)
      if name == "relay" then -- which is work, not idleness
        assert.same({ nil, "timed out", errno.ETIMEDOUT, 1 },
          { server:drain(0.02, 0) })
      else
        assert.is_true(server:drain(10, 0))
        assert.same({ nil, n = 1 }, got, name)
        assert.equal("bye", stream:read("a", 10))
      end
    end
  end))

  it("takes in who waits already, but not more than it may have",
    run(function()
      local served, fds = 0, {}
      local server = assert(serve(anywhere, function(stream)
        served = served + 1
        stream:write "hello\n"
      end))
      for i = 1, 20 do
        fds[i] = arrive(server)
      end
      assert.is_true(server:drain(10))
      assert.equal(20, served)
      server = assert(serve(anywhere, function(stream)
        stream:read "l"
      end, { connections = 2 }))
      for _ = 1, 5 do
        fds[#fds + 1] = arrive(server)
      end
      assert.is_true(server:drain(10, 0))
      assert.equal(2, server:counters().accepted)
      for _, fd in ipairs(fds) do
        posix.close(fd)
      end
    end))

  it("refuses bad arguments", run(function()
    local server <close> = assert(serve(anywhere, echo))
    for _, case in ipairs {
      { -1, nil, "#1 to 'drain' %(seconds from 0 to 1e9 expected%)" },
      { "x", nil, "#1 to 'drain' %(seconds from 0 to 1e9 expected%)" },
      { 1, {}, "#2 to 'drain' %(seconds from 0 to 1e9 expected%)" },
    } do
      assert.error_matches(function()
        server:drain(case[1], case[2])
      end, case[3])
    end
  end))
end)
