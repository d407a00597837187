-- Measures this module beside C's libevent and, where installed, its peers; it
-- prints tables. `make bench` builds what it needs and runs it:
--
--   make bench [BENCH="echo idle syscalls timers dispatch load instructions"]
--              [ROUNDS=5] [SECS=0.7]
--
-- Each figure is a median over the rounds. Each ratio is against C's libevent
-- measured just before, as machines change their speed: compare ratios, not
-- figures of different rows. What is measured runs on one core and its clients
-- on another.

local measure = require "bench.measure"
local programs = require "bench.programs"

local questions = {
  echo = require "bench.echo",
  idle = require "bench.idle",
  syscalls = require "bench.syscalls",
  timers = programs.timers,
  dispatch = programs.dispatch,
  load = require "bench.load",
  instructions = require "bench.instructions",
}
local order = { "echo", "idle", "syscalls", "timers", "dispatch", "load",
  "instructions" }

local asked = #arg > 0 and arg or order
for _, name in ipairs(asked) do
  if not questions[name] then
    io.stderr:write(("no benchmark %s: there are %s\n"):format(name,
      table.concat(order, ", ")))
    os.exit(2)
  end
end

io.stdout:setvbuf "line"
print(("libevent %s, %s, %d rounds, %g s a measurement"):format(
  require "libevent".get_version(), _VERSION, measure.rounds, measure.seconds))
local ok, message = xpcall(function()
  for _, name in ipairs(asked) do
    questions[name]()
  end
end, debug.traceback)
measure.reap()
measure.report_left_out()
if not ok then
  io.stderr:write(message, "\n")
  os.exit(1)
end
