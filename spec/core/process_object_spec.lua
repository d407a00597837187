-- Programs that are started.

local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"
local program = require "spec.program"

local run, badargs = helper.run, helper.badargs
local lives = program.lives
local errno = libevent.errno
local spawn, sleep = libevent.spawn, libevent.sleep
local pack = table.pack

local function start(base, ...)
  return assert(base:process({ ... }))
end

--- What a program of the shell prints, given options.
local function output(base, command, options)
  local mine, theirs = libevent.socketpair(true)
  local stream <close> = base:stream(mine)
  options = options or {}
  options.fds = options.fds or {}
  options.fds[1] = theirs
  local process = assert(base:process({ "sh", "-c", command }, options))
  theirs:close()
  local text = stream:read "a"
  process:wait()
  return text
end

describe("a process", function()
  it("ends with a status", run(function(base)
    local process = start(base, "sh", "-c", "exit 3")
    assert.same(pack("exit", 3), pack(process:wait()))
    assert.same(pack("exit", 3), pack(process:status()))
    assert.same(pack("exit", 3), pack(process:wait(0)))
    assert.matches("^libevent.process: 0x%x+ %d+ exit 3$", tostring(process))
    assert.same({ nil, "kill: No such process", errno.ESRCH, n = 3 },
      pack(process:kill()))
  end))

  it("ends by a signal, with its name", run(function(base)
    for signal, name in pairs {
      [15] = "TERM", KILL = "KILL", SIGUSR1 = "USR1",
      ["RTMIN+1"] = "RTMIN+1",
    } do
      local process = start(base, "sleep", "100")
      assert.is_nil((process:status()))
      assert.is_true(process:kill(signal))
      assert.same(pack("signal", name, false), pack(process:wait()))
    end
    posix.inborn(33)
    local unnamed = start(base, "sh", "-c", "kill -33 $$")
    assert.same(pack("signal", "33", false), pack(unnamed:wait()))
    local process = start(base, "sleep", "100")
    process:kill()
    assert.same(pack("signal", "TERM", false), pack(process:wait()))
  end))

  it("has ended, nobody knows how, where somebody else has reaped it",
    run(function(base)
      local process = start(base, "sh", "-c", "exit 3")
      assert.same(pack("exit", 3), pack(posix.wait(process:pid())))
      assert.same(pack("exit", 0), pack(process:wait()))
      assert.same({ nil, "kill: No such process", errno.ESRCH, n = 3 },
        pack(process:kill()))
    end))

  it("is pending until it ends", run(function(base)
    local process <close> = start(base, "sleep", "100")
    local function state()
      for _, object in ipairs(base:objects()) do
        if object.type == "process" then
          return object.description:match "%d+ %a.*", object.pending
        end
      end
    end
    local pid = process:pid()
    assert.same({ pid .. " running", true }, { state() })
    process:kill()
    process:wait()
    assert.same({ pid .. " signal TERM", false }, { state() })
  end))

  it("is waited for by many, and leaves no zombie", run(function(base)
    local process = start(base, "sleep", "100")
    local pid = process:pid()
    local tasks = {}
    for i = 1, 3 do
      tasks[i] = spawn(process.wait, process)
    end
    assert.same({ nil, "timed out", errno.ETIMEDOUT, n = 3 },
      pack(process:wait(0.001)))
    process:kill "TERM"
    for i = 1, 3 do
      assert.equal("TERM", (select(2, tasks[i]:wait())))
    end
    assert.is_false(lives(pid))
  end))

  it("tells who waits of an end that a signal finds first", run(function(base)
    local process = start(base, "sh", "-c", "exit 3")
    local waiting = spawn(process.wait, process)
    sleep(0)
    local name = ("/proc/%d/stat"):format(process:pid())
    repeat -- mostly the loop does not see it yet
      local file <close> = io.open(name)
    until not file or file:read "a":find "%) Z"
    assert.same({ nil, errno.ESRCH }, { process:kill(), (select(3,
      process:kill())) })
    assert.same(pack("exit", 3), pack(waiting:wait()))
  end))

  it("keeps a loop running, unless it is in the background", function()
    local base <close> = libevent.event_base()
    local process = assert(base:process { "sleep", "100" })
    process:background()
    assert.equal("empty", base:loop())
    process:kill()
    process:background(false)
    assert.equal("empty", base:loop())
    assert.equal("signal", (process:status()))
  end)

  it("is reaped though nobody holds it", run(function(base)
    local pid = start(base, "true"):pid()
    while lives(pid) do
      collectgarbage()
      sleep(0.001)
    end
  end))

  it("is killed when it is closed", run(function(base)
    local process = start(base, "sleep", "100")
    local pid = process:pid()
    local waiter = spawn(process.wait, process)
    sleep(0)
    process:close()
    process:close()
    assert.same({ nil, "closed", errno.ECANCELED, n = 3 },
      pack(waiter:wait()))
    while lives(pid) do
      sleep(0.001)
    end
    process = start(base, "sleep", "100")
    pid = process:pid()
    process:close "now"
    assert.is_false(lives(pid))
  end))

  it("is killed with its base", function()
    local base = libevent.event_base()
    local pid = assert(base:process { "sleep", "100" }):pid()
    base:close()
    assert.is_false(lives(pid))
  end)

  it("is left alone by a forked child", run(function(base)
    local process = start(base, "sleep", "100")
    assert.same({ "exit", 0 }, { helper.child(function()
      base:close()
    end) })
    assert.is_nil((process:status()))
    assert.is_true(lives(process:pid()))
    process:close "now"
  end))

  it("cannot be started", run(function(base)
    for message, case in pairs {
      ["exec: No such file or directory"] = { { "no such program" } },
      ["exec: Permission denied"] = { { "/etc/passwd" } },
      ["directory: No such file or directory"] =
        { { "true" }, { directory = "/no/such" } },
      ["descriptors: Bad file descriptor"] =
        { { "true" }, { fds = { [5] = 200 } } },
      ["limits: Operation not permitted"] =
        { { "true" }, { limits = { nofile = 2 ^ 40 | 0 } } },
    } do
      local before = helper.descriptors()
      local process, got, code = base:process(case[1], case[2])
      assert.same({ nil, message }, { process, got })
      assert.is_true(code > 0)
      assert.equal(before, helper.descriptors())
    end
  end))

  it("gets an environment, a folder and limits", run(function(base)
    assert.equal("x none / 77\n", output(base,
      "echo $A ${HOME:-none} $(pwd) $(ulimit -n)", {
        env = { A = "x", PATH = os.getenv "PATH" }, directory = "/",
        limits = { nofile = 77, core = 0 },
      }))
    assert.equal("yes\n", output(base, '[ "$LISTEN_PID" -eq $$ ] && echo yes',
      { listen_pid = true }))
    assert.equal("yes\n", output(base,
      '[ "$LISTEN_PID" -eq $$ ] && [ "$A" = b ] && echo yes',
      { listen_pid = true, env = { A = "b", LISTEN_PID = "1" } }))
  end))

  it("gets an environment with some changes", run(function(base)
    assert.equal("new none 3\n", output(base,
      "export A=1 B=2; sh -c 'echo ${PATH:+new} ${HOME-none} $C'",
      { setenv = { HOME = false, C = "3" } }))
    assert.equal("2\n", output(base, "echo $A",
      { env = { A = "1", PATH = os.getenv "PATH" }, setenv = { A = "2" } }))
    assert.equal("yes\n", output(base, '[ "$LISTEN_PID" -eq $$ ] && echo yes',
      { listen_pid = true, setenv = { LISTEN_PID = "1" } }))
  end))

  it("gets the descriptors that are named, and no others", run(function(base)
    local r, w = posix.pipe()
    local one, other = libevent.socketpair()
    assert.equal("3 7\n", output(base,
      "cd /proc/$$/fd; for f in *; do [ $f -gt 2 ] && [ -S $f -o -p $f ] "
      .. '&& all="$all $f"; done; echo $all',
      { fds = { [3] = one, [7] = r } }))
    assert.equal("none\n", output(base, "[ -e /proc/$$/fd/0 ] || echo none",
      { fds = { [0] = false } }))
    one:close()
    other:close()
    posix.close(r)
    posix.close(w)
  end))

  it("may exchange descriptors", run(function(base)
    local r, w = posix.pipe()
    posix.write(w, "from the pipe")
    posix.close(w)
    local swapped = { [0] = r, [r] = 0 }
    assert.equal("from the pipe", output(base, "cat", { fds = swapped }))
    posix.close(r)
  end))

  it("has signals as they are by default", run(function(base)
    assert.same(pack("signal", "PIPE", false),
      pack(start(base, "sh", "-c", "kill -PIPE $$"):wait()))
    local signal <close> = base:signal("USR1", print)
    assert(signal:add())
    assert.equal("USR1", (select(2,
      start(base, "sh", "-c", "kill -USR1 $$"):wait())))
  end))

  it("begins a session or a group", run(function(base)
    local ids = "read pid name state parent group session rest "
      .. "< /proc/$$/stat; echo $pid $group $session"
    local pid, pgid, sid = output(base, ids, { session = true })
      :match "(%d+) +(%d+) +(%d+)"
    assert.same({ pid, pid }, { pgid, sid })
    pid, pgid, sid = output(base, ids, { group = true })
      :match "(%d+) +(%d+) +(%d+)"
    assert.equal(pid, pgid)
    assert.not_equal(pid, sid)
  end))

  it("ends with its parent, if that is wanted", function()
    local text = helper.script [[
      local libevent = require "libevent"
      local base = libevent.event_base()
      local process = base:process({ "sleep", "100" },
        { parent_ends = "KILL" })
      print(process:pid())
      io.stdout:flush()
      require "spec.posix".kill(require "spec.posix".getpid(), 9)
    ]]
    local pid = assert(tonumber(text:match "^(%d+)\n"), text)
    local stat
    repeat
      local file = io.open(("/proc/%d/stat"):format(pid))
      stat = file and file:read "a" or nil
      if file then
        file:close()
      end
    until not stat or stat:find "%) Z"
  end)

  it("refuses bad arguments", run(function(base)
    badargs(base.process, base, "table, ?table", { { "true" } })
    for message, case in pairs {
      ["a program and its arguments expected"] = { {} },
      ["argument: string without zeros expected"] = { { "true", "a\0" } },
      ["unknown option 'x'"] = { { "true" }, { x = 1 } },
      ["option 'env': table expected"] = { { "true" }, { env = 1 } },
      ["option 'env': string without zeros"] = { { "true" }, { env = { 1 } } },
      ["option 'env': a name without ="] = { { "true" },
        { env = { ["a=b"] = "" } } },
      ["option 'setenv': string without zeros"] = { { "true" },
        { setenv = { A = true } } },
      ["option 'setenv': a name without ="] = { { "true" },
        { setenv = { [""] = false } } },
      ["option 'fds': table expected"] = { { "true" }, { fds = 1 } },
      ["option 'limits': table expected"] = { { "true" }, { limits = 1 } },
      ["option 'fds': numbers from 0 to 255"] = { { "true" },
        { fds = { x = 1 } } },
      ["option 'limits': unknown limit"] = { { "true" },
        { limits = { x = 1 } } },
      ["option 'limits': integers from 0"] = { { "true" },
        { limits = { core = -1 } } },
      ["unknown signal 'X'"] = { { "true" }, { parent_ends = "X" } },
      ["number expected, got string"] = { { "true" }, { fds = { "x" } } },
      ["option 'session': boolean"] = { { "true" }, { session = 1 } },
    } do
      local ok, got = pcall(base.process, base, case[1], case[2])
      assert.is_false(ok)
      assert.matches("bad argument #" .. (case[2] and 3 or 2), got)
      assert.matches(message, got)
    end
    local process = start(base, "true")
    process:wait()
    badargs(process.wait, process, "?seconds")
    badargs(process.kill, process, "?signal")
  end))
end)
