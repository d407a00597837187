-- evrun serve and ctl, as a user types them.

local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"
local program = require "spec.program"
local services = require "spec.services"

local run, app = helper.run, services.app
local lives = program.lives
local ask, range, start = services.ask, services.range, services.start

describe("evrun serve", function()
  it("gives each worker an address of its own", run(function()
    local listen, first = range(3)
    local service <close> = start(app, "--listen " .. listen)
    local status = service:ready()
    assert.same({ "app", "running", service.pid, 3 }, { status.name,
      status.state, status.pid, #status.workers })
    for i, each in ipairs(status.workers) do
      local address = ("127.0.0.1:%d"):format(first + i - 1)
      assert.same({ "ready", { address } }, { each.state, each.addresses })
      assert.equal(tostring(i), (ask(address, "number")))
      assert.equal(tostring(each.pid), (ask(address, "pid")))
    end
    service:stop()
    assert.is_nil((ask(("127.0.0.1:%d"):format(first), "number")))
  end))

  it("takes its options before the script and after it", run(function()
    local service <close> = start([[
      print(table.concat({ ... }, " "), #arg)
    ]] .. app, "--listen 127.0.0.1:0", nil,
      "--workers 1 one --two -- --workers 3 -W")
    assert.equal("one --two --workers 3 -W\t5", service.program.stdout:read "l")
    assert.equal(1, #service:ready().workers)
    service:stop()
  end))

  it("lets workers share addresses, of every kind", run(function()
    for _, options in ipairs { "", "--reuseport " } do
      local service <close> = start(app, options .. "--workers 3 "
        .. "--listen 127.0.0.1:0 --listen=unix:/tmp/evrun-spec-$$.sock "
        .. "--mode 0600")
      local seen, addresses = {}, service:ready().workers[1].addresses
      if options ~= "" then -- one each
        addresses[1] = service:ask "status".workers[2].addresses[1]
      end
      local path = addresses[2]:match "^unix:(.*)"
      assert.equal("0600", libevent.posix.lstat(path).mode)
      for _, address in ipairs(addresses) do
        seen[assert(ask(address, "number"))] = true
      end
      assert.is_not_nil(next(seen))
      service:stop()
      assert.is_nil((libevent.posix.lstat(path)))
    end
  end))

  it("puts another worker in the place of one that dies", run(function()
    local service <close> = start(app, "--workers 2 --listen 127.0.0.1:0")
    local address = service:ready().workers[1].addresses[1]
    for cause, signal in pairs {
      [helper.sanitized and "exit status 1" or "signal SEGV"] = 11,
      ["signal KILL"] = 9,
    } do
      local pid = tonumber((ask(address, "pid")))
      posix.kill(pid, signal)
      assert.equal(tostring(pid), (service:await('"cause":"' .. cause
        .. '".*"pid":(%d+)')))
      assert.is_not_equal(tostring(pid), (assert(ask(address, "pid"))))
    end
    ask(address, "exit")
    service:await '"cause":"exit status 3"'
    local deaths = 0
    for _, each in ipairs(service:ask "status".workers) do
      deaths = deaths + each.deaths
    end
    assert.equal(3, deaths)
    service:stop()
  end))

  it("replaces all workers on HUP, by new code", run(function()
    local service <close> = start(app, "--workers 3 --listen 127.0.0.1:0")
    local before = service:ready()
    local address = before.workers[1].addresses[1]
    service:rewrite(app .. "does.x = function() return 'new code' end")
    service.program:kill "HUP"
    service:await '"reloaded"'
    service:settle()
    assert.equal("new code", (ask(address, "x")))
    local after = service:ask "status"
    assert.equal(1, after.reloads)
    for i, each in ipairs(after.workers) do
      assert.same({ "ready", 0 }, { each.state, each.deaths })
      assert.not_equal(before.workers[i].pid, each.pid)
    end
    service:stop()
  end))

  it("keeps the old workers where new code does not start", run(function()
    local service <close> = start(app, "--workers 2 --listen 127.0.0.1:0")
    local before = service:ready()
    service:rewrite "error 'what is wrong with it'"
    local ok, message = service:ask "reload"
    assert.is_nil(ok)
    assert.matches("^worker 1: exit status 1: .*what is wrong with it", message)
    service:await "the reload has failed.*what is wrong with it"
    local after = service:ask "status"
    for i, each in ipairs(after.workers) do
      assert.same({ "ready", before.workers[i].pid }, { each.state, each.pid })
    end
    service:rewrite "x x"
    local output, code = service:evrun "ctl app reload"
    assert.equal(1, code)
    assert.matches("^evrun: worker 1: exit status 1: evrun: .*syntax error",
      output)
    assert.equal("x", (ask(after.workers[1].addresses[1], "x")))
    service:stop()
  end))

  it("lets connections end on TERM", run(function()
    local service <close> = start(app, "--workers 2 --listen 127.0.0.1:0")
    local address = service:ready().workers[1].addresses[1]
    local stream <close> = libevent.connect(address)
    stream:write "sleep\n"
    libevent.sleep(0.05)
    service.program:kill "TERM"
    service:await "the service ends"
    assert.equal("slept", (stream:read "l"))
    assert.same({ "exit", 0 }, { service:wait() })
    service:check_gone()
  end))

  it("cuts connections at the deadline, and tells of that", run(function()
    local service <close> = start(app
      .. "does.long = function() libevent.sleep(1000) end",
      "--workers 1 --listen 127.0.0.1:0 --drain 0.1")
    local address = service:ready().workers[1].addresses[1]
    local stream <close> = libevent.connect(address)
    stream:write "long\n"
    libevent.sleep(0.05)
    service.program:kill "INT"
    assert.is_nil((stream:read "l"))
    assert.same({ "exit", 0 }, { service:wait() })
    assert.matches("connections were cut", service:text())
    service:check_gone()
  end))

  it("ends at once on QUIT, and on a second TERM", run(function()
    for _, signals in ipairs { { "QUIT" }, { "TERM", "TERM" } } do
      local service <close> = start(app
        .. "does.long = function() libevent.sleep(1000) end",
        "--workers 2 --listen 127.0.0.1:0")
      local address = service:ready().workers[1].addresses[1]
      local stream <close> = libevent.connect(address)
      stream:write "long\n"
      libevent.sleep(0.05)
      for i, signal in ipairs(signals) do
        service.program:kill(signal)
        if i == 1 and #signals > 1 then
          service:await "the service ends"
        end
      end
      assert.same({ "exit", 0 }, { service:wait() })
      service:check_gone()
    end
  end))

  it("has more and fewer workers", run(function()
    local service <close> = start(app, "--workers 2 --listen 127.0.0.1:0")
    service:ready()
    service.program:kill "TTIN"
    service:until_worker(3, function(worker)
      return worker.state == "ready"
    end)
    service.program:kill "TTOU"
    service.program:kill "TTOU"
    repeat
      libevent.sleep(0.01)
    until #service:ask "status".workers < 3
    for _, n in ipairs { 0, 1001, 1.5, "4" } do
      assert.same({ nil, "from 1 to 1000 workers are possible" },
        { service:ask("scale", n) })
    end
    assert.is_true(service:ask("scale", 4))
    service:until_worker(4, function(worker)
      return worker.state == "ready"
    end)
    service:stop()
  end))

  it("has no more workers than addresses", run(function()
    local listen = range(2)
    local service <close> = start(app, "--listen " .. listen)
    service:ready()
    local message = listen .. " has no address for worker 3"
    assert.same({ nil, message }, { service:ask("scale", 3) })
    assert.is_true(service:ask("scale", 1))
    assert.is_true(service:ask("scale", 2))
    service:until_worker(2, function(worker)
      return worker.state == "ready"
    end)
    service:stop()
  end))

  it("backs off where a worker does not start", run(function()
    local service <close> = start("error 'no way'", "--workers 1 --listen "
      .. "127.0.0.1:0")
    service:await "a worker is in a crash loop"
    local worker = service:ask "status".workers[1]
    assert.same({ "crash-loop", 5, "exit status 1" }, { worker.state,
      worker.deaths, worker.last_death })
    assert.is_true(worker.next_attempt > 20)
    assert.matches("no way", service:text())
    local output, code = service:evrun "ctl app status"
    assert.equal(0, code)
    assert.matches("\n     1  crash%-loop %(%d+%.%d s%)  +%-  +%-  +5  ",
      output)
    service:rewrite(app)
    assert.is_true(service:ask("restart", 1))
    assert.equal("ready", service:ask "status".workers[1].state)
    service:rewrite "error 'no way'"
    posix.kill(service:ask "status".workers[1].pid, 9)
    service:await "a worker is in a crash loop"
    service:stop(1)
  end))

  it("lets workers end when the monitor is gone", run(function()
    local service <close> = start(app, "--workers 2 --listen 127.0.0.1:0")
    local workers = service:ready().workers
    local stream <close> = libevent.connect(workers[1].addresses[1])
    stream:write "sleep\n"
    libevent.sleep(0.05)
    service.program:kill "KILL"
    service:wait()
    assert.equal("slept", (stream:read "l"))
    for _, each in ipairs(workers) do
      while lives(each.pid) do
        libevent.sleep(0.01)
      end
    end
  end))

  it("is controlled by its name", run(function()
    local service <close> = start(app, "--name the-app --workers 2 "
      .. "--listen 127.0.0.1:0")
    service:await "all workers serve"
    local output, code = service:evrun "ctl the-app status"
    assert.equal(0, code)
    assert.matches("^the%-app %(process %d+%)  running  up 0s  reloads 0\n"
      .. "WORKER  STATE  +PID  AGE  DEATHS  CONNECTIONS  LUA  ADDRESSES  +"
      .. "LAST DEATH\n     1  ready  +%d+  +0s  +0 ", output)
    assert.matches('^{"age": [%d.]+, "name": "the%-app", "pid": %d+, '
      .. '"reloads": 0, "state": "running", "workers": %[{"addresses": %["127',
      (service:evrun "ctl --json the-app status"))
    for words, status in pairs {
      ["ctl the-app reload"] = 0, ["ctl the-app restart 2"] = 0,
      ["ctl the-app restart 9"] = 1, ["ctl the-app scale 3"] = 0,
      ["ctl no-app status"] = 1, ["ctl the-app-1 status"] = 1,
      ["ctl the-app"] = 1, ["ctl"] = 1, ["ctl the-app jump"] = 1,
      ["ctl the-app scale x"] = 1, ["ctl the-app status 1"] = 1,
    } do
      output, code = service:evrun(words)
      assert.equal(status, code, words .. ": " .. output)
      assert.equal(status == 0, output == "", output)
    end
    service:until_worker(3, function(worker)
      return worker.state == "ready"
    end)
    assert.matches("%d  the%-app%-3  ", (service:evrun "ps"))
    assert.same({ '3\t"the-app"\n', 0 }, { service:evrun("attach the-app-3",
      "return require 'libevent'.service.worker()\n") })
    assert.same({ "", 0 }, { service:evrun "ctl the-app stop" })
    assert.same({ "exit", 0 }, { service:wait() })
    service:check_gone()
  end))

  it("runs the script of the guide", run(function()
    local file <close> = assert(io.open "docs/guide/services.md")
    local script = file:read "a":match "```lua\n(%-%- app.lua\n.-)```"
    local service <close> = start(script, "--workers 2 --listen 127.0.0.1:0")
    local worker = service:ready().workers[1]
    assert.equal("hello", (ask(worker.addresses[1], "hello")))
    service:stop()
  end))

  it("runs the service of the notes", run(function()
    local file <close> = assert(io.open "examples/notes/service.lua")
    local service <close> = start(file:read "a", "--listen " .. range(2))
    local worker = service:ready().workers[2]
    for _ = 1, 2 do
      assert.equal("hello", (ask(worker.addresses[1], "hello")))
      assert.equal("sub process!", (service.program.stdout:read "l"))
      posix.kill(service:ask "status".workers[2].pid, 11)
    end
    service:stop()
  end))

  it("forwards signals, and reaps orphans as the first process",
    run(function()
      local service <close> = start([[
        local libevent = require "libevent"
        libevent.signal("USR1", function()
          os.execute "(sleep 0.01; true) &" -- left to the first process
          print "USR1"
        end)
        libevent.serve(libevent.service.address(), print)
      ]], "--workers 2 --listen 127.0.0.1:0", "unshare -p -f --mount-proc true "
        .. "2>/dev/null && wrapper='unshare -p -f --mount-proc --kill-child';")
      service:await "all workers serve"
      local first = io.open(("/proc/%d/task/%d/children"):format(service.pid,
        service.pid)):read "n"
      if not first then -- no namespaces here
        return service:stop()
      end
      for _ = 1, 5 do
        posix.kill(first, 10)
        assert.equal("USR1", (service.program.stdout:read "l"))
        assert.equal("USR1", (service.program.stdout:read "l"))
      end
      local function children()
        local n = 0
        for _ in io.open(("/proc/%d/task/%d/children"):format(first, first))
          :read "a":gmatch "%d+" do
          n = n + 1
        end
        return n
      end
      while children() > 2 do
        libevent.sleep(0.01)
      end
      posix.kill(first, 15)
      assert.same({ "exit", 0 }, { service:wait() }, service:text())
    end))

  it("survives a storm of signals", run(function()
    local service <close> = start(app, "--workers 2 --listen 127.0.0.1:0")
    local worker = service:ready().workers[1]
    for _ = 1, 2000 do
      for _, signal in ipairs { 10, 12, 17 } do
        posix.kill(service.pid, signal)
        posix.kill(worker.pid, signal)
      end
    end
    assert.equal("x", (ask(worker.addresses[1], "x")))
    assert.equal(worker.pid, service:ask "status".workers[1].pid)
    service:stop()
  end))

  it("refuses what makes no sense", run(function()
    for options, message in pairs {
      ["--workers 0"] = "'%-%-workers' needs a number from 1 on, not '0'\n",
      ["--workers 3 --listen 127.0.0.1:9001-9002"] = "3 workers, but "
        .. "127.0.0.1:9001%-9002 has 2 addresses",
      ["--listen nowhere"] = "'%-%-listen': 'nowhere': ",
      ["--limit x"] = "'%-%-limit' needs name=number, not 'x'",
      ["--limit as=99999999999999999999"] = "'as=9+' is too large",
      ["--limit as=9000000000G"] = "'as=9000000000G' is too large",
      ["--workers 1001"] = "at most 1000 workers are possible, not 1001",
      ["--listen 127.0.0.1:1-65535"] = "at most 1000 workers are possible",
      ["--limit x=1"] = "option 'limits': unknown limit",
      ["--name a/b"] = "'a/b' is no name",
      ["--heartbeat -1"] = "'%-%-heartbeat' needs seconds, or 0, not '%-1'",
      ["--no-such-thing"] = "unrecognized option '%-%-no%-such%-thing'",
      ["--listen unix:/no/such/folder"] = "unix:/no/such/folder: ",
    } do
      local service <close> = start(app, options)
      assert.same({ "exit", 1 }, { service:wait() })
      assert.matches("\nevrun: .*" .. message, "\n" .. service:text() .. "\n")
    end
    local service <close> = start("x x", "")
    assert.same({ "exit", 1 }, { service:wait() })
    assert.matches("^evrun: .*app.lua:1: syntax error", service:text())
  end))
end)
