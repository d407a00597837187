-- The drain of a base.

local echoes = require "spec.echoes"
local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local run = helper.run
local errno = libevent.errno
local drain, serve = libevent.drain, libevent.serve
local spawn, sleep = libevent.spawn, libevent.sleep
local pack = table.pack
local echo = echoes.echo
local ask = echoes.ask
local client = echoes.client
local arrive = echoes.arrive
local wait_until = echoes.wait_until

local anywhere = "127.0.0.1:0"

describe("libevent.drain", function()
  it("closes idle connections that tasks have accepted", run(function(base)
    local acceptor = assert(libevent.listen(anywhere))
    local got, answered
    spawn(function()
      for stream in acceptor:accepts() do
        spawn(function()
          local line = stream:read "l"
          if line == "work" then
            sleep(0.05)
            answered = stream:write "done\n"
          else
            got = pack(stream:read "l")
          end
          stream:close()
        end)
      end
    end)
    local idle <close> = client(acceptor)
    local busy <close> = client(acceptor)
    idle:write "idle\n"
    busy:write "work\n"
    wait_until(function()
      return select(2, pcall(base.accepted, base)).n == 2
    end)
    sleep(0.02)
    assert.same({ 0, {}, n = 2 }, pack(drain(base, 10, 0)))
    assert.same({ nil, n = 1 }, got)
    assert.equal(0, answered)
    assert.equal("done\n", (busy:read("a", 10)))
  end))

  it("closes idle connections that have callbacks", run(function(base)
    local made = {}
    local listener = base:listener(anywhere, nil, function(_, socket)
      local one = #made == 0 and base:stream(socket) or base:bufferevent(socket)
      made[#made + 1] = one
      one:setcb {
        read = function(self, data)
          self:write(data or self:read())
        end,
      }
      one:enable "r"
    end)
    local one <close> = client(listener)
    assert.equal("1", ask(one, "1"))
    local other <close> = client(listener)
    assert.equal("2", ask(other, "2"))
    local task = spawn(drain, base, 20, 0.3)
    assert.equal("3", ask(one, "3"))
    assert.equal("4", ask(other, "4"))
    assert.is_true(listener:is_closed())
    assert.same({ 0, {}, n = 2 }, pack(task:wait()))
    assert.is_true(made[1]:is_closed())
    assert.is_true(made[2]:is_closed())
    assert.equal("", (one:read("a", 10)))
  end))

  it("tells event callbacks of the end of the input", run(function(base)
    for _, kind in ipairs { "stream", "bufferevent" } do
      local events, one = {}, nil
      local listener = base:listener(anywhere, nil, function(_, socket)
        one = base[kind](base, socket)
        one:setcb {
          event = function(self, ...)
            events[#events + 1] = pack(...)
            self:write "bye\n"
            self:close()
          end,
        }
        one:enable "r"
      end)
      local stream <close> = client(listener)
      wait_until(function()
        return one
      end)
      sleep(0.01)
      local task = spawn(drain, base, 20, 0)
      assert.equal("bye\n", stream:read("a", 10))
      assert.same({ 0, {}, n = 2 }, pack(task:wait()))
      assert.same({ { "eof", "r", n = 2 } }, events, kind)
      assert.is_true(one:is_closed())
    end
  end))

  it("closes at the deadline what event callbacks have not",
    run(function(base)
      for _, kind in ipairs { "stream", "bufferevent" } do
        local events, one = 0, nil
        local listener = base:listener(anywhere, nil, function(_, socket)
          one = base[kind](base, socket)
          one:setcb {
            read = error,
            event = function()
              events = events + 1
            end,
          }
          one:enable "r"
        end)
        local stream <close> = client(listener)
        wait_until(function()
          return one
        end)
        sleep(0.01)
        local task = spawn(drain, base, 0.1, 0)
        wait_until(function()
          return events == 1
        end)
        stream:write "too late\n"
        assert.same({ 1, 1 }, { task:wait(), events }, kind)
        assert.is_true(one:is_closed())
      end
    end))

  it("reports errors of event callbacks as others of theirs",
    run(function(base)
      local errors = {}
      base:on_error(function(err)
        errors[#errors + 1] = err
      end)
      for i, kind in ipairs { "stream", "bufferevent" } do
        local one
        local listener = base:listener(anywhere, nil, function(_, socket)
          one = base[kind](base, socket)
          one:setcb {
            event = function()
              one:close()
              error("no", 0)
            end,
          }
          one:enable "r"
        end)
        local stream <close> = client(listener)
        wait_until(function()
          return one
        end)
        sleep(0.01)
        assert.same({ 0, {}, n = 2 }, pack(drain(base, 20, 0)))
        assert.equal(i, #errors)
        assert.equal("no", errors[i])
        assert.is_nil((stream:read("l", 10)))
      end
    end))

  it("cuts the rest at the deadline, and tells whom", run(function(base)
    local streams = {}
    local listener = base:listener(anywhere, nil, function(_, socket)
      streams[#streams + 1] = base:stream(socket)
    end)
    local server = assert(serve(anywhere, function(stream)
      stream:read "l"
      sleep(100)
    end))
    local one <close> = client(listener)
    local other <close> = client(server)
    other:write "x\n"
    wait_until(function()
      return #streams == 1 and server:counters().open == 1
    end)
    sleep(0.01)
    local n, cut = drain(base, 0.02, 0)
    assert.equal(2, n)
    assert.equal(2, #cut)
    assert.equal(one:getsockname(), cut[1].peer)
    assert.matches("^libevent.stream: .* idle$", cut[1].where)
    assert.equal(other:getsockname(), cut[2].peer)
    assert.matches("drain_spec.lua:%d+$", cut[2].where)
    assert.is_true(streams[1]:is_closed())
    assert.equal(0, base:accepted().n)
    assert.equal("", (other:read("a", 10)))
  end))

  it("tells of ten that it cuts, and counts all", run(function(base)
    local clients = {}
    local server = assert(serve(anywhere, function()
      sleep(100)
    end))
    for i = 1, 15 do
      clients[i] = client(server)
    end
    local n, cut = drain(base, 0.01)
    assert.same({ 15, 10 }, { n, #cut })
    for _, stream in ipairs(clients) do
      stream:close()
    end
  end))

  it("waits until what was closed is handed over", run(function(base)
    local size, got = 8 * 1024 * 1024, nil
    local server = assert(serve(anywhere, function(stream)
      stream:write(("x"):rep(size))
    end))
    local stream <close> = client(server)
    wait_until(function()
      return server:counters().accepted == 1
    end)
    local reader = spawn(function()
      sleep(0.02)
      got = #stream:read "a"
    end)
    assert.same({ 0, {}, n = 2 }, pack(drain(base, 20)))
    assert.equal(0, base:accepted().n)
    reader:wait()
    assert.equal(size, got)
  end))

  it("leaves other connections alone, and those of the background",
    run(function(base)
      local behind
      local listener <close> = base:listener(anywhere, nil, function(_, socket)
        behind = base:stream(socket)
        behind:setcb { read = print }
      end)
      listener:background()
      require "libevent.listen".spare(listener)
      local stream <close> = client(listener)
      wait_until(function()
        return behind
      end)
      local reader = spawn(stream.read, stream)
      sleep(0)
      assert.same({ 0, {}, n = 2 }, pack(drain(base, 10, 0)))
      assert.is_false(listener:is_closed())
      assert.is_false(behind:is_closed())
      assert.equal("waiting", reader:status())
      behind:close()
      assert.is_nil((reader:wait()))
    end))

  it("takes in who waits already", run(function(base)
    local came, fds = { 0, 0, 0 }, {}
    local function count(i)
      return function(stream)
        came[i] = came[i] + 1
        stream:close()
      end
    end
    local server = assert(serve(anywhere, count(1)))
    local by_callback = count(2)
    local listener = base:listener(anywhere, nil, function(_, socket)
      by_callback(socket)
    end)
    local acceptor = assert(libevent.listen(anywhere))
    spawn(function()
      for stream in acceptor:accepts() do
        spawn(count(3), stream)
      end
    end)
    sleep(0)
    for _ = 1, 20 do
      for _, each in ipairs { server, listener, acceptor } do
        fds[#fds + 1] = arrive(each)
      end
    end
    assert.equal(0, drain(base, 10))
    assert.same({ 20, 20, 20 }, came)
    for _, fd in ipairs(fds) do
      posix.close(fd)
    end
  end))

  it("lets nothing listen meanwhile", run(function(base)
    local server = assert(serve(anywhere, function(stream)
      stream:read "l"
    end))
    local stream <close> = client(server)
    wait_until(function()
      return server:counters().open == 1
    end)
    local task = spawn(drain, base, 20, 15)
    sleep(0)
    local why = { nil, "draining", errno.ECANCELED, n = 3 }
    assert.same(why, pack(serve(anywhere, echo)))
    assert.same(why, pack(libevent.listen(anywhere)))
    local second = spawn(drain, base, 20, 15)
    sleep(0)
    stream:write "\n"
    assert.equal(0, task:wait())
    assert.equal(0, second:wait())
    assert(serve(anywhere, echo)):close()
  end))

  it("lets things listen again if it is canceled", run(function(base)
    local server <close> = assert(serve(anywhere, function()
      sleep(100)
    end))
    local stream <close> = client(server)
    wait_until(function()
      return server:counters().open == 1
    end)
    local task = spawn(drain, base)
    sleep(0)
    task:cancel()
    task:wait()
    assert(serve(anywhere, echo)):close()
    assert.is_nil((stream:read("l", 0)))
  end))

  it("ends with its base", run(function(base)
    local server = assert(serve(anywhere, function()
      sleep(100)
    end))
    local fd = arrive(server)
    base:timer(function()
      posix.close(fd)
      base:close()
    end):add(0.02)
    drain(base)
  end))

  it("refuses bad arguments", run(function(base)
    for _, case in ipairs {
      { -1, nil, "#2 to 'drain' %(seconds from 0 to 1e9 expected%)" },
      { {}, nil, "#2 to 'drain' %(seconds from 0 to 1e9 expected%)" },
      { 1, "x", "#3 to 'drain' %(seconds from 0 to 1e9 expected%)" },
    } do
      assert.error_matches(function()
        drain(base, case[1], case[2])
      end, case[3])
    end
    assert.error_matches(function()
      drain(io.stdout)
    end, "#1 to 'drain' %(event_base expected, got FILE%*%)")
  end))
end)
