-- How many instructions does a callback take, and an echoed message? A question
-- of bench/run.lua, by callgrind: what a run of 2N takes more than one of N, by
-- N. User instructions only; unlike times, they hardly differ between runs.
--
--   make bench BENCH=instructions

local measure = require "bench.measure"
local programs = require "bench.programs"
local servers = require "bench.servers"

local CALLBACKS, MESSAGES = 20000, 5000
local valgrind = "valgrind --tool=callgrind --callgrind-out-file=/dev/null"

--- Only the loop counts, not what had to be made for it.
local loop = valgrind
  .. " --collect-atstart=no --toggle-collect=event_base_loop"
  .. " --toggle-collect=uv_run"

local function collected(text)
  return tonumber(text:match "Collected : (%d+)")
end

--- Runs something that takes n and 2n events; returns instructions an event.
local function difference(run, n)
  local once, twice = run(n), run(2 * n)
  return once and twice and (twice - once) / n
end

local function dispatched(contestant)
  return difference(function(n)
    local text, ok = measure.output(("%s %s %d"):format(loop,
      contestant.command, n), measure.SERVER, 100)
    return ok and collected(text)
  end, CALLBACKS)
end

local function echoed(server)
  return difference(function(n)
    local program = servers.start(server, valgrind, 100)
    if not program then
      return nil
    end
    local numbers = servers.drive(program, ("-c 1 -m 64 -w 0 -t 50 -n %d")
      :format(n), 60)
    local text = measure.finish(program)
    return numbers and collected(text)
  end, MESSAGES)
end

local function print_rows(what, contestants, count)
  local base
  for _, contestant in ipairs(contestants) do
    local n = count(contestant)
    if n then
      base = base or n
      measure.row(what, contestant.name, measure.cell(n, "%.0f"),
        measure.cell(n / base))
    end
  end
end

return function()
  if not measure.installed "valgrind" then
    measure.leave_out("instructions", "valgrind is not installed")
    return
  end
  measure.title "User instructions"
  measure.head("what", "who", "instructions", "ratio")
  for _, mode in ipairs(programs.modes()) do
    print_rows("callback, " .. mode, programs.dispatchers(mode), dispatched)
  end
  local interpreted = {}
  for _, server in ipairs(servers.available()) do
    if not server.compiles then
      table.insert(interpreted, server)
    end
  end
  print_rows("echo of 64 B", interpreted, echoed)
end
