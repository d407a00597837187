-- What do timers cost, and what a callback? Two questions of bench/run.lua,
-- asked of programs that end by themselves:
--
--   make bench BENCH="timers dispatch" [ROUNDS=5]
--
-- Each is started as PROGRAM MODE N: bench/timers.lua and bench/dispatch.lua
-- name their modes; a contestant that lacks one ends with status 2.

local measure = require "bench.measure"

local programs = {}

--- Where C's libevent has no such mode, that of its nearest.
programs.counterpart = { task = "ready" }

--- The modes that the head of bench/dispatch.lua explains.
function programs.modes()
  local modes = {}
  for line in io.lines "bench/dispatch.lua" do
    if not line:find "^%-%-" then
      break
    end
    table.insert(modes, line:match "^%-%-   (%l+)  ")
  end
  return modes
end

--- C's libevent, ours and luv, as commands without N.
local function contestants(question, mode)
  local list = {
    { name = "C libevent", command = ("%s/bench/%s %s"):format(measure.build,
      question, programs.counterpart[mode] or mode) },
    { name = "lua-libevent", command = ("%s bench/%s.lua %s"):format(
      measure.lua, question, mode) },
  }
  if measure.has_module "luv" then
    table.insert(list, { name = "luv",
      command = ("%s bench/peers/%s_luv.lua %s"):format(measure.lua, question,
      mode) })
  else
    measure.leave_out("luv", "not installed")
  end
  return list
end

function programs.dispatchers(mode)
  return contestants("dispatch", mode)
end

local function timers(mode)
  local list = contestants("timers", mode)
  if measure.installed "node" then
    table.insert(list, { name = "Node.js",
      command = "node bench/peers/timers_node.js " .. mode })
  else
    measure.leave_out("Node.js", "not installed")
  end
  return list
end

local function compare(list, n)
  return measure.compare(list, function(contestant)
    return measure.cost(("%s %d"):format(contestant.command, n))
  end)
end

function programs.timers()
  measure.title "Timers"
  measure.head("what", "who", "CPU s", "ratio", "peak KiB", "ratio",
    "callbacks")
  local questions = {
    { "a million within a second", "oneshot", 1000000 },
    { "1000 of 1 ms for 3 s", "periodic", 1000 },
    { "a million made and cancelled", "cancel", 1000000 },
  }
  for _, question in ipairs(questions) do
    local what, mode, n = table.unpack(question)
    for _, row in ipairs(compare(timers(mode), n)) do
      measure.row(what, row.name, measure.cell(row.value.cpu),
        measure.cell(row.ratio.cpu), measure.cell(row.value.memory, "%.0f"),
        measure.cell(row.ratio.memory), measure.cell(row.value.word, "%.0f"))
    end
  end
end

function programs.dispatch()
  measure.title "A callback"
  measure.head("mode", "who", "ns", "ratio")
  for _, mode in ipairs(programs.modes()) do
    for _, row in ipairs(compare(programs.dispatchers(mode), 1000000)) do
      measure.row(mode, row.name, measure.cell(row.value.word, "%.1f"),
        measure.cell(row.ratio.word))
    end
  end
end

return programs
