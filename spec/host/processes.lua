-- What spec/faults.lua runs with failing system calls: programs that are given
-- input, killed and waited for, signals, and a supervisor whose worker dies.

local libevent, posix = libevent, posix -- luacheck: ignore

local function check(value, message, ...)
  if not value then
    error(message or "ended", 0)
  end
  return value, message, ...
end

-- The first failure explains the rest.
local failed

--- What others start does not fail, too.
local setenv = { FAULTS = false }

--- A program that is killed once it runs.
local function kill()
  local program <close> = check(libevent.process.start {
    "sh", "-c", "echo $0; exec sleep 30", "started", stdout = "stream",
    stdin = "null", setenv = setenv, group = true, parent_ends = "KILL",
  })
  check(program.stdout:read("l", 2))
  check(program:kill())
  local how, what = check(program:wait(2))
  if how ~= "signal" or what ~= "TERM" then
    error "not killed, or no child processes: others have waited for it"
  end
end

--- A program that says what it has read.
local function run()
  local result = check(libevent.process.run({ "cat", setenv = setenv }, "in"))
  if result.stdout ~= "in" then
    error "the program got no input: broken pipe"
  end
end

--- Signals of this process: they come to a task.
local function signals()
  local got = libevent.condition()
  local _ <close> = check(libevent.signal("USR1", "USR2", function()
    got:signal()
  end))
  posix.raise(10)
  check(got:wait(2), "no signal: timed out")
end

--- A worker that dies, and the one in its place.
local function supervise()
  local ready, came = check(libevent.condition()), 0
  local supervisor <close> = check(libevent.supervisor {
    arg[-1], "lua/evrun", "examples/notes/service.lua", name = "faults",
    listen = "127.0.0.1:0", workers = 1, setenv = setenv, start = 1,
    on_ready = function()
      came = came + 1
      ready:broadcast()
    end,
  })
  check(ready:wait(2), "no worker: timed out")
  posix.kill(check(supervisor:pids()[1], "no worker"), 9)
  while came < 2 do
    check(ready:wait(2), "no other worker: timed out")
  end
  supervisor:drain(1)
end

local before = libevent.log.output(function(line)
  io.stderr:write(line, "\n")
end)
for _, fn in ipairs { kill, run, signals, supervise } do
  local ok, message = pcall(libevent.run, fn)
  if not ok then
    failed = failed or message
  end
end
libevent.log.output(before)
if failed then
  error(failed, 0)
end
