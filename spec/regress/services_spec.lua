-- What services did wrong once.

local ctl = require "libevent.evrun.ctl"
local folders = require "spec.console.folders"
local helper = require "spec.helper"
local interpreter = require "spec.interpreter"
local libevent = require "libevent"
local layout = require "libevent.repl.layout"
local logging = require "spec.logging"
local log = require "libevent.log"
local posix = require "spec.posix"
local protocol = require "libevent.console.protocol"
local services = require "spec.services"
local tail = require "libevent.supervisor.tail"

local run, app = helper.run, services.app
local ask, start = services.ask, services.start

local slow = app .. "does.long = function() libevent.sleep(1) return 'done' end"

--- A connection whose worker has something to do.
local function busy(address, word)
  local stream = assert(libevent.connect(address))
  stream:write "x\n"
  assert.equal("x", (stream:read("l", 20)))
  stream:write(word, "\n")
  return stream
end

--- A supervisor of one worker, which is a shell script that tells `says` on its
-- channel and then does something.
local function shell(says, does, given)
  local how = { "sh", "-c", ("printf %s >&$EVRUN_CHANNEL; %s"):format(says,
    does), heartbeat = 0, name = "shell" }
  for key, value in pairs(given or {}) do
    how[key] = value
  end
  return assert(libevent.supervisor(how))
end

--- Where a descriptor of a process leads.
local function target(pid, fd)
  return libevent.posix.readlink(("/proc/%d/fd/%d"):format(pid, fd))
end

local function lives(pid)
  local file <close> = io.open(("/proc/%d/stat"):format(pid))
  return file ~= nil and not file:read "a":find "%) Z"
end

describe("a service", function()
  before_each(function()
    log.level "off"
  end)

  after_each(function()
    log.level "info"
  end)

  it("tells its status while it ends", run(function()
    local service <close> = start(slow, "--workers 1 --listen 127.0.0.1:0")
    local address = service:ready().workers[1].addresses[1]
    local stream <close> = busy(address, "long")
    service.program:kill "TERM"
    service:await "the service ends"
    local status = service:ask "status"
    assert.same({ "ending", {} }, { status.state,
      status.workers[1].addresses })
    assert.equal("done", (stream:read "l"))
    assert.same({ "exit", 0 }, { service:wait() })
    assert.not_matches("error in the monitor", service:text())
  end))

  it("lets connections end that a reload has left, and two stops",
    run(function()
      local service <close> = start(slow, "--workers 1 --listen 127.0.0.1:0")
      local address = service:ready().workers[1].addresses[1]
      local stream <close> = busy(address, "long")
      assert.is_true(service:ask "reload")
      local one = libevent.spawn(service.ask, service, "stop")
      local other = libevent.spawn(service.ask, service, "stop")
      assert.equal("done", (stream:read "l"))
      assert.same({ true, true }, { one:wait(), (other:wait()) })
      assert.same({ "exit", 0 }, { service:wait() })
      assert.not_matches("ends at once", service:text())
    end))

  it("has its first descriptors, though it was given none", run(function()
    local service <close> = start(app, "--workers 1 --listen 127.0.0.1:0 "
      .. "<&- >&- 2>&-")
    local ok, status
    repeat
      libevent.sleep(0.01)
      ok, status = pcall(service.ask, service, "status")
    until ok and status.workers[1].state == "ready"
    for fd = 0, 2 do
      assert.equal("/dev/null", (target(service.pid, fd)))
    end
    assert.equal("/dev/null", (target(status.workers[1].pid, 1)))
    service:stop()
  end))

  it("reloads once more where that is wanted while it does", run(function()
    local service <close> = start(app, "--workers 2 --listen 127.0.0.1:0")
    local address = service:ready().workers[1].addresses[1]
    service:rewrite("require 'libevent'.sleep(0.3)" .. app)
    service.program:kill "HUP"
    repeat
      libevent.sleep(0.01)
    until service:ask "status".state == "reloading"
    service:rewrite(app .. "does.x = function() return 'newest' end")
    service.program:kill "HUP"
    service:await '"reloaded"'
    service:await '"reloaded"'
    service:settle()
    for _ = 1, 4 do
      assert.equal("newest", (ask(address, "x")))
    end
    service:stop()
  end))

  it("tells systemd of each thing once", run(function()
    local name = "@" .. os.tmpname()
    os.remove(name:sub(2))
    local fd, said = posix.receiver(name), {}
    local function until_said(what)
      while said[#said] ~= what do
        local text = posix.read(fd)
        if not text then
          assert.equal("r", (libevent.wait(fd, "r", 20)))
        elseif not text:find "^STATUS=" then
          text = text:gsub("=%d%d+$", "=n")
          said[#said + 1] = text ~= said[#said] and text or nil
        end
      end
    end
    local service <close> = start("require 'libevent'.sleep(0.1)" .. app,
      "--workers 2 --listen 127.0.0.1:0", ("export NOTIFY_SOCKET=%s;"):format(
        name))
    service:await "serving"
    service.program:kill "HUP" -- is no reload of what was never ready
    until_said "READY=1"
    service:await '"reloaded"'
    service.program:kill "HUP"
    until_said "RELOADING=1\nMONOTONIC_USEC=n"
    service.program:kill "HUP" -- while it does
    until_said "READY=1"
    service.program:kill "TERM"
    until_said "STOPPING=1"
    assert.same({ "READY=1", "RELOADING=1\nMONOTONIC_USEC=n", "READY=1",
      "STOPPING=1" }, said)
    service:wait()
    posix.close(fd)
  end))

  it("bears that there is no memory for a while", run(function()
    if helper.sanitized or not os.execute "prlimit --version >/dev/null 2>&1"
    then
      return
    end
    local service <close> = start(app, "--workers 2 --listen 127.0.0.1:0")
    service:ready()
    local name = ("/proc/%d/task/%d/children"):format(service.pid, service.pid)
    local function limit(bytes)
      os.execute(("prlimit --as=%s: -p %d"):format(bytes, service.pid))
    end
    limit "1000000"
    for i = 1, 20 do
      for pid in io.lines(name, "n") do
        pcall(posix.kill, pid, 9) -- it may have ended by itself
      end
      if i % 5 == 0 then
        service.program:kill "HUP"
      end
      libevent.sleep(0.02)
    end
    limit "unlimited"
    repeat
      libevent.sleep(0.01)
    until service:ask "status".state == "running"
    for i = 1, 2 do
      assert.is_true(service:ask("restart", i))
    end
    service:settle()
    service:stop()
  end))
end)

describe("evrun ctl", function()
  it("says so where an answer is none", run(function()
    local top, _ <close> = folders.new()
    local path, answer = top .. "/fake.sock", nil
    local server <close> = assert(libevent.serve("unix:" .. path,
      function(stream)
        for _, reply in ipairs { protocol.frame("H", protocol.greeting),
          protocol.frame("M", protocol.pack(answer)) } do
          stream:readframe(protocol.format)
          stream:write(reply)
        end
      end))
    for _, value in ipairs { "x", {}, { message = {} }, false } do
      answer = value
      local result = assert(libevent.process.run { "sh", "-c",
        ("exec %s lua/evrun ctl %s status"):format(interpreter.lua, path) })
      assert.equal(1, result.what)
      assert.equal(("evrun: %s: the answer is not understood\n"):format(path),
        result.stderr)
    end
    server:close()
  end))
end)

describe("a worker", function()
  before_each(function()
    log.level "off"
  end)

  after_each(function()
    log.level "info"
  end)

  it("may write a line without an end, as long as it likes", function()
    local bytes, began = 0, os.clock()
    local one = tail.new(1, function(text)
      bytes = bytes + #text
    end)
    local piece = ("x"):rep(65536)
    for _ = 1, 100 do
      one:add(piece)
    end
    assert.is_true(bytes >= 6553600)
    assert.is_true(os.clock() - began < 10)
  end)

  it("is ended where it says that it ends, and does not", run(function(base)
    local came, deaths = base:condition(), {}
    local supervisor <close> = shell("'READY=1\\nSTOPPING=1\\n'",
      "exec sleep 100", { drain = 0, on_death = function(death)
        deaths[#deaths + 1] = death
        came:broadcast()
      end })
    assert(came:wait(20))
    assert.matches("^did not end within 1 s, ", deaths[1].cause)
    assert.is_true(supervisor:status().workers[1].deaths < 20)
  end))

  it("may count as strangely as it likes", run(function()
    local supervisor <close> = shell("'X_COUNTERS=connections=1.5 lua=-1e308 "
      .. "a=1e999 b=nan c=0x10 pid=7 worker=8\\nSTATUS="
      .. ("s"):rep(1000) .. "\\nREADY=1\\n'", "exec sleep 100")
    assert.is_true(supervisor:wait_ready(20))
    local status = supervisor:status()
    assert.same({ connections = 1.5, lua = -1e308, c = 16, pid = 7,
      worker = 8 }, status.workers[1].counters)
    assert.equal(256, #status.workers[1].status)
    assert.matches(" 1%.5  %-1e%+308 ", ctl.show(status))
    status.workers[1].counters.connections = math.huge
    assert.matches(" inf ", ctl.show(status))
  end))

  it("may count what has no end", run(function()
    local supervisor <close> = shell("'X_COUNTERS=a=1 '", "(printf %065000d "
      .. "| tr 0 x; echo ' b=2'; echo READY=1) >&$EVRUN_CHANNEL; "
      .. "exec sleep 100")
    local began = os.clock()
    assert.is_true(supervisor:wait_ready(50))
    assert.is_true(os.clock() - began < 10)
    assert.same({ a = 1, b = 2 }, supervisor:status().workers[1].counters)
  end))

  it("may tell as much as it likes", run(function()
    local service <close> = start([[
      local libevent = require "libevent"
      local service = libevent.service
      assert(libevent.serve(service.address "127.0.0.1:0", print))
      for _ = 1, 2000 do
        service.status(("x"):rep(100000))
      end
    ]], "--workers 1 --start 20 --listen 127.0.0.1:0")
    local one = service:ready().workers[1]
    assert.same({ "ready", 0 }, { one.state, one.deaths })
    assert.equal(("x"):rep(256), one.status)
    service:stop()
    assert.not_matches("not listened to", service:text())
  end))

  it("does not change what is told of its death", run(function()
    local lines, _ <close> = logging.keep "error"
    local supervisor <close> = shell("'X_COUNTERS=worker=8 pid=1 jobs=3\\n"
      .. "READY=1\\n'", "exit 3")
    while not lines[1] do
      libevent.sleep(0.001)
    end
    supervisor:close()
    assert.equal("a worker died", lines[1].message)
    assert.same({ 1, 3 }, { lines[1].fields.worker, lines[1].fields.jobs })
    assert.not_equal(1, lines[1].fields.pid)
  end))

  it("is told of where it dies while it ends", run(function()
    local lines, _ <close> = logging.keep "warn"
    for _, ending in ipairs { "trap 'exit 0' TERM;", "",
      "trap 'echo no >&2; exit 3' TERM;" } do
      local supervisor <close> = shell("''", ending
        .. "echo READY=1 >&$EVRUN_CHANNEL; while :; do sleep 0.01; done",
        { write = function() end })
      assert.is_true(supervisor:wait_ready(20))
      assert.equal(0, supervisor:drain(20))
    end
    assert.equal(1, #lines)
    assert.equal("a worker died while it ended", lines[1].message)
    assert.same({ "exit status 3", "no" }, { lines[1].fields.cause,
      lines[1].fields.stderr })
  end))

  it("does not wait for who takes its output and fails", run(function()
    local supervisor <close> = shell("''", "head -c 3000000 /dev/zero | tr "
      .. "'\\0' '\\n' >&2; printf 'READY=1\\n' >&$EVRUN_CHANNEL; "
      .. "exec sleep 100", { write = error })
    assert.is_true(supervisor:wait_ready(50))
  end))

  it("ends with its monitor, whatever program it is", run(function()
    local pid = tonumber((helper.script([[
      local libevent = require "libevent"
      libevent.run(function()
        local supervisor = libevent.supervisor { "sh", "-c",
          "echo READY=1 >&$EVRUN_CHANNEL; exec sleep 100", heartbeat = 0 }
        supervisor:wait_ready(20)
        io.stdout:write(supervisor:pids()[1], "\n")
        io.stdout:flush()
        local posix = require "spec.posix"
        posix.kill(posix.getpid(), 9)
      end)
    ]]):match "%d+"))
    while lives(pid) do
      libevent.sleep(0.001)
    end
  end))

  it("starts, though it could not before, and watches nothing then", function()
    helper.prints("false\tnil\nfalse\ttrue\n", [[
      local libevent = require "libevent"
      local start = libevent.service.start
      libevent.run(function()
        libevent.traceback_on "INT"
        print((pcall(start)), libevent.base():num_objects().signal)
      end)
      libevent.traceback_on "QUIT"
      local other = libevent.event_base()
      local signal = other:signal("USR1", print)
      signal:add()
      libevent.run(function()
        local before = pcall(start)
        signal:close()
        print(before, (pcall(start)))
      end)
    ]])
  end)

  it("does not drive a terminal", function()
    assert.equal("a?[2J ? \u{e4}", layout.plain "a\27[2J \u{9b} \u{e4}")
    assert.equal("a?b??", layout.plain "a\x9bb\xe4\127")
  end)

  it("keeps nothing of what it had when it has ended", function()
    helper.prints("nil\n", [[
      local libevent = require "libevent"
      local left = setmetatable({}, { __mode = "k" })
      do
        local other = libevent.event_base()
        local stream = other:stream((libevent.socketpair()))
        left[other] = true
        libevent.run(function()
          libevent.service.start()
          libevent.on_drain(stream:lines())
          libevent.base():loopbreak()
        end)
      end
      for _ = 1, 3 do
        collectgarbage()
      end
      print(next(left))
    ]])
  end)
end)
