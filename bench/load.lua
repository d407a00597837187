-- What does it cost to load the module? A question of bench/run.lua: processor
-- time and peak memory of a program that does nothing else, above bare Lua's.
--
--   make bench BENCH=load

local measure = require "bench.measure"

local ROUNDS = 21

local function contestants()
  local list = { { name = "bare Lua", script = "" } }
  for _, module in ipairs { "libevent", "luv", "luaevent.core", "cqueues" } do
    if measure.has_module(module) then
      table.insert(list, { name = module,
        script = ("require '%s'"):format(module) })
    else
      measure.leave_out(module, "not installed")
    end
  end
  return list
end

return function()
  measure.title "Loading a module"
  measure.head("module", "CPU ms", "KiB", "above bare Lua: ms", "KiB")
  local rows = measure.compare(contestants(), function(contestant)
    local cost = measure.cost(('%s -e "%s"'):format(measure.lua,
      contestant.script))
    return { ms = cost.cpu * 1000, memory = cost.memory }
  end, ROUNDS)
  local bare = rows[1].value
  for _, row in ipairs(rows) do
    measure.row(row.name, measure.cell(row.value.ms),
      measure.cell(row.value.memory, "%.0f"),
      measure.cell(row.value.ms - bare.ms),
      measure.cell(row.value.memory - bare.memory, "%.0f"))
  end
end
