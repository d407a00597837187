-- What memory.c runs with failing allocations: programs that are started, given
-- input, and killed.

local libevent = libevent -- luacheck: ignore
local trial = require "spec.host.trial"
local check, same = trial.check, trial.same

local function killed(base)
  local process <close> = check(base:process({ "sleep", "10" }, {
    setenv = { A = "b", C = false }, limits = { core = 0 }, directory = "/",
    fds = { [2] = false }, group = true, parent_ends = "KILL",
  }))
  check(process:pid())
  check(tostring(process))
  check(process:kill())
  local how, what = check(process:wait(1))
  same("signal TERM", how .. " " .. what)
  same("signal", (process:status()))
end

local function fed()
  local program <close> = check(libevent.process.start {
    "cat", stdin = "stream", stdout = "stream", stderr = "null",
  })
  check(program.stdin:write "through cat")
  check(program.stdin:shutdown())
  same("through cat", (check(program.stdout:read("a", 1))))
  same("exit", (check(program:wait(1))))
end

trial.run(function(base)
  killed(base)
  fed()
end, 2)
