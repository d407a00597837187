local posix = require "spec.posix"
local program = require "spec.program"

local run, nc, client = program.run, program.nc, program.client
local finish = program.finish

local function start(name, args)
  return program.start(("examples/%s.lua %s"):format(name, args or ""))
end

local function serve(name, args)
  return program.serve(("examples/%s.lua %s"):format(name,
    args or "127.0.0.1:0"))
end

describe("examples", function()
  before_each(function()
    posix.alarm(60) -- ends a run that waits for what never comes
  end)

  after_each(function()
    posix.alarm(0)
    program.reap()
  end)

  it("timer: prints a line each time", function()
    local pipe = start("timer", "3 0.01")
    assert.equal(("sub process!\n"):rep(3), pipe:read "a")
    assert.same({ true, "exit", 0 }, { pipe:close() })
  end)

  it("timer: ends well on INT and TERM", function()
    for _, signal in ipairs { 2, 15 } do
      local pipe, pid = start("timer", "1000000 0.01")
      assert.equal("sub process!", pipe:read "l")
      posix.kill(program.child(pid), signal)
      pipe:read "a"
      assert.same({ true, "exit", 0 }, { pipe:close() })
    end
  end)

  it("signals: reports, reloads and ends", function()
    local pipe, pid = start "signals"
    assert.equal("ready", pipe:read "l")
    local process = program.child(pid)
    posix.kill(process, 10)
    assert.matches("^USR1: up for %d+%.%d s$", pipe:read "l")
    for i = 1, 2 do
      posix.kill(process, 1)
      assert.equal("HUP: reload " .. i, pipe:read "l")
    end
    posix.kill(process, 15)
    assert.equal("TERM: the end", pipe:read "l")
    assert.same({ true, "exit", 0 }, { pipe:close() })
  end)

  it("listener: sends back what comes, and ends well on INT and TERM",
    function()
      for _, signal in ipairs { 2, 15 } do
        local pipe, pid, address = serve "listener"
        assert.equal("hello\n", (run("echo hello | " .. nc(address))))
        assert.equal("hello\n", (run("echo hello | " .. client(address))))
        assert.equal("", finish(pipe, pid, signal))
      end
    end)

  it("listener: answers what it has got when it is ended", function()
    local pipe, pid, address = serve "listener"
    local fd = posix.connect(program.port(address))
    local parts = {}
    posix.write(fd, "last words")
    repeat
      local data = posix.read(fd)
      parts[#parts + 1] = data
    until data
    posix.kill(pid, 15)
    repeat
      local data = posix.read(fd)
    until data == ""
    posix.close(fd)
    assert.equal("last words", table.concat(parts))
    pipe:read "a"
    assert.same({ true, "exit", 0 }, { pipe:close() })
  end)

  it("client: says why it cannot connect", function()
    local output, how, status = run(client "127.0.0.1:1" .. " </dev/null")
    assert.same({ "127.0.0.1:1: connect: Connection refused\n", "exit", 1 },
      { output, how, status })
  end)

  it("proxy: passes on both ways, ends included", function()
    local listener, listener_pid, there = serve "listener"
    local pipe, pid, here = serve("proxy", "127.0.0.1:0 " .. there)
    local command = ("head -c 3000000 /dev/urandom | tee %s | %s | cmp - %s")
    local copy = os.tmpname()
    assert.same({ "", "exit", 0 },
      { run(command:format(copy, client(here), copy)) })
    os.remove(copy)
    posix.kill(pid, 9)
    pipe:close()
    finish(listener, listener_pid)
  end)

  it("chat: tells the others", function()
    local pipe, pid, address = serve "chat"
    local one = io.popen("(cat; :) | " .. nc(address) .. " >/dev/null", "w")
    local port = program.port(address)
    local two = posix.connect(port)
    local got = ""
    local function await(pattern)
      while not got:find(pattern) do
        got = got .. (posix.read(two) or "")
      end
    end
    await "%* you are guest %d\n"
    one:write "hello all\n"
    one:flush()
    await "<guest %d> hello all\n"
    one:close()
    await "%* guest %d has left\n"
    posix.write(two, ("x"):rep(5000)) -- no line at all
    repeat
      local data = posix.read(two)
    until data == ""
    posix.close(two)
    posix.kill(pid, 9)
    pipe:close()
  end)

  it("service: runs the timer loop and the listener", function()
    local pipe, pid, address = serve "service"
    assert.equal("both\n", (run("echo both | " .. nc(address))))
    assert.matches("^connection from 127%.0%.0%.1:%d+$", pipe:read "l")
    assert.equal("sub process!", pipe:read "l")
    finish(pipe, pid)
  end)

  it("tasks/echo: sends lines back, says why a connection broke, ends on TERM",
    function()
      local pipe, pid, address = serve "tasks/echo"
      assert.equal("one\ntwo\nlast", (run(("printf 'one\\ntwo\\nlast' | %s")
        :format(nc(address)))))
      local fd = posix.connect(program.port(address))
      posix.write(fd, "not a whole line")
      posix.reset(fd)
      assert.matches("^127%.0%.0%.1:%d+: Connection reset by peer$",
        pipe:read "l")
      finish(pipe, pid)
    end)

  it("tasks/time: answers datagrams and asks for them, ends on TERM", function()
    local pipe, pid, address = serve "tasks/time"
    local now = "^%d+%-%d%d%-%d%dT%d%d:%d%d:%d%dZ\n$"
    for _ = 1, 2 do
      assert.matches(now, (start("tasks/time", "ask " .. address):read "a"))
    end
    assert.matches(now, (run("echo time | timeout 60 nc -u -W 1 "
      .. address:gsub(":", " "))))
    assert.equal("", finish(pipe, pid))
    local asker = start("tasks/time", "ask " .. address)
    assert.matches("Connection refused", asker:read "a")
    assert.same({ nil, "exit", 1 }, { asker:close() })
  end)

  it("tasks/pipeline: counts lines, words and bytes", function()
    local name = os.tmpname()
    local file = io.open(name, "w")
    file:write(("one two\n\nthree\n"):rep(1000))
    file:close()
    local pipe = start("tasks/pipeline", name)
    assert.equal("3000\t3000\t15000\n", pipe:read "a")
    assert.same({ true, "exit", 0 }, { pipe:close() })
    os.remove(name)
  end)

  it("tasks/debounce: reloads once for a burst, and ends on TERM", function()
    local pipe, pid = start("tasks/debounce", "0.2")
    assert.equal("ready", pipe:read "l")
    local process = program.child(pid)
    posix.kill(process, 1)
    assert.equal("reload for 1 signals, timed out", pipe:read "l")
    posix.kill(process, 1)
    posix.kill(process, 1)
    assert.matches("^reload for [12] signals, timed out$", pipe:read "l")
    assert.equal("", program.finish(pipe, process))
  end)

  it("tasks/rate: lets some jobs pass at once, the others in time", function()
    local pipe = start("tasks/rate", "6 100 3")
    local times = {}
    for time, job in pipe:read "a":gmatch "([%d.]+) s: job (%d)\n" do
      times[tonumber(job)] = tonumber(time)
    end
    assert.equal(6, #times)
    assert.is_true(times[6] >= 0.02)
    assert.same({ true, "exit", 0 }, { pipe:close() })
  end)

  it("tasks/chat: tells the others, and drops who does not read", function()
    local pipe, pid, address = serve "tasks/chat"
    local port = program.port(address)
    local function guest(name)
      local fd, got = posix.connect(port), ""
      posix.write(fd, name .. "\n")
      return fd, function(pattern)
        while not got:find(pattern) do
          got = got .. assert(posix.read(fd) or "")
        end
      end
    end
    local one, one_reads = guest "one"
    one_reads "Your name%? "
    local two, two_reads = guest "two"
    one_reads "%* two has come\n"
    posix.write(one, "hello\27 all\n")
    two_reads "<one> hello all\n"
    posix.close(one)
    two_reads "%* one has left\n"
    posix.close(two)
    posix.kill(pid, 9)
    pipe:close()
  end)

  it("tasks/requests: gets all answers at once", function()
    local pipe = start("tasks/requests", "40 40")
    assert.matches("^40 answers, their sum is 22140, in %d%.%d%d s\n$",
      pipe:read "a")
    assert.same({ true, "exit", 0 }, { pipe:close() })
  end)

  it("tasks/resp: is a server for Redis' own client", function()
    local pipe, pid, address = serve "tasks/resp"
    local redis = ("timeout 60 redis-cli -p %d "):format(program.port(address))
    assert.equal("PONG\n", (run(redis .. "ping")))
    assert.equal("OK\n", (run(redis .. "set greeting 'hello world'")))
    assert.equal("hello world\n", (run(redis .. "get greeting")))
    assert.equal("\n", (run(redis .. "get nothing")))
    assert.matches("ERR cannot do", (run(redis .. "flushall")))
    local text = ("x"):rep(300000)
    assert.equal("OK\n", (run(("printf %%s %s | %s -x set long"):format(
      "$(head -c 300000 /dev/zero | tr '\\0' x)", redis))))
    assert.equal(text .. "\n", (run(redis .. "get long")))
    local output = run(("timeout 100 redis-benchmark -p %d -t set,get -q "
      .. "-n 20000 -c 50 -P 16"):format(program.port(address)))
    assert.matches("SET: %d+.*GET: %d+", output)
    posix.kill(pid, 9)
    pipe:close()
  end)
end)
