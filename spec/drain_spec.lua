local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local run = helper.run
local errno = libevent.errno
local connect, drain, serve = libevent.connect, libevent.drain, libevent.serve
local spawn, sleep = libevent.spawn, libevent.sleep
local pack = table.pack

local anywhere = "127.0.0.1:0"

local function echo(stream)
  for line in stream:lines() do
    stream:write(line, "\n")
  end
end

local function ask(stream, line)
  stream:write(line, "\n")
  return (stream:read("l", 10))
end

--- Connects to what listens.
local function client(listener)
  return assert(connect(listener:getsockname()))
end

--- Connects without waiting.
local function arrive(listener)
  return assert(posix.connect(tonumber(listener:getsockname():match "%d+$")))
end

local function wait_until(fn)
  while not fn() do
    sleep(0.001)
  end
end

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
  end))
end)

describe("libevent.on_drain", function()
  local on_drain = libevent.on_drain

  it("calls functions in tasks, when listeners are closed and connections not",
    run(function(base)
      local order = {}
      local server = assert(serve(anywhere, function(stream)
        echo(stream)
        order[#order + 1] = "closed"
      end))
      local stream <close> = client(server)
      assert.equal("1", ask(stream, "1"))
      on_drain(function()
        order[#order + 1] = server:is_closed() and "first"
        sleep(0.02)
        order[#order + 1] = "end"
      end)
      local remove = on_drain(error)
      on_drain(function()
        order[#order + 1] = libevent.running() and "second"
      end)
      remove()
      remove()
      assert.same({ 0, {}, n = 2 }, pack(drain(base, 10, 0)))
      assert.same({ "first", "second", "closed", "end" }, order)
      assert.equal(0, drain(base, 10))
      assert.equal(7, #order)
    end))

  it("goes on when one fails", run(function(base)
    local errors, called = {}, false
    on_drain(function()
      error("no", 0)
    end)
    on_drain(function()
      called = true
    end)
    base:on_error(function(err, traceback)
      errors[#errors + 1] = { err, traceback:match "stack traceback" }
    end)
    assert.equal(0, drain(base, 10))
    assert.same({ { "no", "stack traceback" } }, errors)
    assert.is_true(called)
    local log = require "libevent.log"
    local lines = {}
    local before = log.output(function(line)
      lines[#lines + 1] = line
    end)
    base:on_error(nil)
    assert.equal(0, drain(base, 10))
    log.output(before)
    assert.equal(1, #lines)
    assert.matches("a function of on_drain failed", lines[1], 1, true)
  end))

  it("cancels those that last too long", run(function(base)
    local ended = false
    on_drain(function()
      local _ <close> = setmetatable({}, { __close = function()
        sleep(0.001)
        ended = true
      end })
      sleep(100)
    end)
    assert.same({ 0, {}, n = 2 }, pack(drain(base, 0.01)))
    assert.is_true(ended)
  end))

  it("refuses bad arguments", run(function()
    for _, bad in ipairs { 1, "x", {}, false } do
      assert.error_matches(function()
        on_drain(bad)
      end, "bad argument #1 to 'on_drain' %(function expected, got")
    end
  end))

  it("needs a loop", function()
    assert.error_matches(function()
      on_drain(print)
    end, "no loop runs")
  end)
end)
