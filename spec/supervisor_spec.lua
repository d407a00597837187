local helper = require "spec.helper"
local interpreter = require "spec.interpreter"
local libevent = require "libevent"
local log = require "libevent.log"
local posix = require "spec.posix"
local services = require "spec.services"

local run, pack = helper.run, table.pack
local errno = libevent.errno

--- A file with the code of a worker, for a <close> variable, and its name.
local function file_of(code)
  local name, removed = helper.temporary(code)
  return removed, name
end

--- The options of a supervisor whose workers run a file.
local function plan(name, given)
  local how = { "sh", "-c", ("ulimit -c 0; exec %s lua/evrun %s"):format(
    interpreter.lua, name), name = "spec-" .. posix.getpid(),
    setenv = { LIBEVENT_LOG_LEVEL = "off" } }
  for key, value in pairs(given) do
    how[key] = value
  end
  return how
end

describe("supervisor", function()
  before_each(function()
    log.level "off"
  end)

  after_each(function()
    log.level "info"
  end)

  it("keeps workers running, and tells of their deaths", run(function(base)
    local _ <close>, name = file_of(services.app)
    local deaths, ends, came = {}, {}, base:condition()
    local supervisor <close> = assert(libevent.supervisor(plan(name, {
      workers = 2, listen = "127.0.0.1:0",
      on_death = function(death)
        deaths[#deaths + 1] = death
        came:broadcast()
      end,
      on_end = function(number, pid)
        ends[pid] = number
      end,
    })))
    assert.is_true(supervisor:wait_ready(20))
    assert.matches("^libevent.supervisor: spec%-%d+, 2 workers$",
      tostring(supervisor))
    local worker = supervisor:status().workers[2]
    posix.kill(worker.pid, 9)
    came:wait(20)
    local death = deaths[1]
    assert.same({ 2, worker.pid, "signal KILL", "signal", "KILL", false, false,
      true, 0 }, { death.worker, death.pid, death.cause, death.how, death.what,
      death.core, death.hung, death.was_ready,
      death.delay > 0 and death.delay < 0.13 and 0 or death.delay })
    assert.is_true(supervisor:wait_ready(20))
    assert.equal(2, #supervisor:pids())
    assert.equal(0, supervisor:drain(5))
    assert.is_true(supervisor:wait(0))
    assert.equal(2, ends[worker.pid])
    assert.same(pack(nil, "the service is ending", errno.ECANCELED),
      pack(supervisor:reload()))
    assert.same({ 3, 1 }, { #deaths + 2, #deaths })
  end))

  it("runs any program that a worker can be", run(function()
    local lines = {}
    local supervisor <close> = assert(libevent.supervisor {
      "sh", "-c", [[
        echo "READY=1" >&$EVRUN_CHANNEL; echo "STATUS=at work" >&$EVRUN_CHANNEL
        echo "X_COUNTERS=jobs=3 done=2" >&$EVRUN_CHANNEL
        echo "worker $EVRUN_WORKER of $EVRUN_NAME, $LISTEN_FDS" >&2
        exec sleep 100]],
      workers = 2, name = "shell", heartbeat = 0,
      write = function(text)
        lines[#lines + 1] = text
      end,
    })
    assert.is_true(supervisor:wait_ready(20))
    repeat
      libevent.sleep(0.001)
      local worker = supervisor:status().workers[2]
    until #lines == 2 and worker.status and worker.counters
    local worker = supervisor:status().workers[2]
    assert.same({ "at work", { jobs = 3, done = 2 } }, { worker.status,
      worker.counters })
    table.sort(lines)
    assert.same({ "[1] worker 1 of shell, 0\n", "[2] worker 2 of shell, 0\n" },
      lines)
    assert.is_true(supervisor:is_alive())
    supervisor:drain()
  end))

  it("is hopeless where no program can be started", run(function()
    local supervisor <close> = assert(libevent.supervisor { "no such program" })
    local ok, message = supervisor:wait_ready(20)
    assert.same({ nil, "worker 1: exec: No such file or directory" },
      { ok, message })
    assert.is_true(supervisor:is_hopeless())
  end))

  it("ends with its scope, and leaves no process", run(function()
    local _ <close>, name = file_of(services.app)
    local pids
    do
      local supervisor <close> = assert(libevent.supervisor(plan(name, {
        workers = 2 })))
      assert.is_true(supervisor:wait_ready(20))
      pids = supervisor:pids()
    end
    for _, pid in ipairs(pids) do
      while libevent.posix.lstat(("/proc/%d"):format(pid)) do
        libevent.sleep(0.001)
      end
    end
  end))

  it("replaces one worker, or another that does not start", run(function()
    local _ <close>, name = file_of(services.app)
    local supervisor <close> = assert(libevent.supervisor(plan(name, {
      workers = 2, listen = "127.0.0.1:0" })))
    assert.same(pack(true), pack(supervisor:wait_ready(20)))
    local before = supervisor:status().workers
    assert.same(pack(true), pack(supervisor:restart(1)))
    local after = supervisor:status().workers
    assert.not_equal(before[1].pid, after[1].pid)
    assert.equal(before[2].pid, after[2].pid)
    assert.same(pack(nil, "there is no worker 3", errno.ENOENT),
      pack(supervisor:restart(3)))
    local first = libevent.spawn(supervisor.reload, supervisor)
    libevent.sleep(0)
    assert.same(pack(nil, "a reload goes on", errno.EBUSY),
      pack(supervisor:reload()))
    assert.same({ "reloading" }, { supervisor:status().state })
    assert.same(pack(true), pack(first:wait()))
    supervisor:drain()
  end))

  it("has more workers, or fewer", run(function()
    local _ <close>, name = file_of(services.app)
    local supervisor <close> = assert(libevent.supervisor(plan(name, {
      workers = 1, listen = "127.0.0.1:0" })))
    for _, n in ipairs { 2, 2, 1 } do
      assert.same(pack(true), pack(supervisor:scale(n)))
      assert.same(pack(true), pack(supervisor:wait_ready(20)))
      assert.equal(n, #supervisor:status().workers)
    end
    supervisor:drain()
    assert.same(pack(nil, "the service is ending", errno.ECANCELED),
      pack(supervisor:scale(2)))
  end))

  it("lets a worker go that ends by itself, and has another at once",
    run(function()
      local _ <close>, name = file_of(services.app)
      local supervisor <close> = assert(libevent.supervisor(plan(name, {
        workers = 1, listen = "127.0.0.1:0" })))
      assert.is_true(supervisor:wait_ready(20))
      local worker = supervisor:status().workers[1]
      local stream <close> = libevent.connect(worker.addresses[1])
      stream:write "sleep\n"
      libevent.sleep(0.05)
      posix.kill(worker.pid, 15)
      repeat
        libevent.sleep(0.001)
        local now = supervisor:status().workers[1]
      until now.state == "ready" and now.pid ~= worker.pid
      assert.equal("slept", (stream:read "l"))
      stream:close()
      supervisor:drain()
    end))

  it("refuses bad arguments", run(function()
    for message, given in pairs {
      ["a program and its arguments expected"] = {},
      ["unknown option 'x'"] = { "true", x = 1 },
      ["option 'workers': integer from 1 on"] = { "true", workers = 0 },
      ["option 'workers': at most 1000"] = { "true", workers = 1001 },
      ["option 'listen': addresses expected"] = { "true", listen = { 1 } },
      ["option 'listen': 'x': "] = { "true", listen = "x" },
      ["5 workers, but addresses for 2"] = { "true", workers = 5,
        listen = "127.0.0.1:9001-9002" },
      ["option 'on_death': function"] = { "true", on_death = 1 },
      ["option 'drain': seconds"] = { "true", drain = -1 },
    } do
      local ok, got = pcall(libevent.supervisor, given)
      assert.is_false(ok)
      assert.matches("bad argument #1 to 'supervisor' (" .. message, got, 1,
        true)
    end
    local supervisor <close> = libevent.supervisor { "sleep", "100" }
    for _, n in ipairs { 0, 1001, 1.5, "x" } do
      assert.has_error(function()
        supervisor:scale(n)
      end, ("bad argument #1 to 'scale' (integer from 1 to 1000 expected, "
        .. "got %s)"):format(tostring(n)))
    end
    for _, name in ipairs { "wait", "wait_ready", "drain" } do
      assert.has_error(function()
        supervisor[name](supervisor, "x")
      end, ("bad argument #1 to '%s' (seconds from 0 to 1e9 expected)")
        :format(name))
    end
    assert.equal("running", supervisor:status().state)
  end))
end)
