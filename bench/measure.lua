-- What every question of bench/run.lua needs: programs that run for a while or
-- to their end, rounds that visit all contestants in turn, medians and tables.

local posix = require "spec.posix"

local measure = {
  build = os.getenv "BUILD" or "build",
  rounds = tonumber(os.getenv "ROUNDS") or 5,
  seconds = tonumber(os.getenv "SECS") or 0.7,
  lua = arg[-1] or "lua5.4",
}

--- Where programs run: what is measured, and what drives it.
measure.SERVER, measure.CLIENT = 0, 1

local running = {}

local function helper(mode, command, core, seconds)
  return ("exec %s/bench/program %s %.0f %d %s"):format(measure.build, mode,
    seconds, core, command)
end

--- Starts a program, which is killed after so many seconds.
---@return table program With its process `pid` and its output, a `pipe`.
function measure.start(command, core, seconds)
  local pipe = assert(io.popen(helper("start", command, core, seconds)
    .. " 2>&1"))
  local pid, _ = pipe:read("n", "l")
  local program = { pipe = pipe, pid = assert(pid) }
  running[program] = true
  return program
end

--- Whether a program still runs; one that has ended is there until its pipe is
-- closed.
function measure.alive(program)
  local file <close> = io.open(("/proc/%d/stat"):format(program.pid))
  return file and file:read "a":match "%) (%S)" ~= "Z"
end

function measure.sleep(seconds)
  os.execute("sleep " .. seconds)
end

--- What a program still prints; and whether it ends well.
local function rest(program)
  local text = program.pipe:read "a"
  running[program] = nil
  return text, program.pipe:close()
end

--- Ends a program that was started; returns what it has printed.
function measure.finish(program, signal)
  posix.kill(program.pid, signal or 15)
  for _ = 1, 40 do
    if not measure.alive(program) then
      break
    end
    measure.sleep(0.05)
  end
  posix.kill(program.pid, 9)
  return (rest(program))
end

--- Ends what an error has left running: a pipe that is collected waits for its
-- program.
function measure.reap()
  for program in pairs(running) do
    posix.kill(program.pid, 9)
    rest(program)
  end
end

--- Runs a program to its end; returns what it printed, and whether all went
-- well.
function measure.output(command, core, seconds)
  return rest(measure.start(command, core, seconds))
end

--- Runs a program to its end; returns its processor time in seconds, its peak
-- memory in KiB and the number on its last line, or nil if it failed.
function measure.cost(command, seconds)
  local pipe <close> = assert(io.popen(helper("cost", command, measure.SERVER,
    seconds or 100) .. " 2>/dev/null"))
  local cpu, memory, word = pipe:read("n", "n", "n")
  return cpu and { cpu = cpu, memory = memory, word = word }
end

function measure.median(list)
  table.sort(list)
  local middle = (#list + 1) // 2
  return #list % 2 == 1 and list[middle]
    or #list > 0 and (list[middle] + list[middle + 1]) / 2
    or nil
end

local function keep(samples, name, values, base)
  local sample = samples[name]
  for field, value in pairs(values) do
    sample.values[field] = sample.values[field] or {}
    table.insert(sample.values[field], value)
    if base and base[field] then
      sample.ratios[field] = sample.ratios[field] or {}
      table.insert(sample.ratios[field], value / base[field])
    end
  end
end

local function summary(samples)
  local result = {}
  for _, sample in ipairs(samples) do
    local row = { name = sample.name, value = {}, ratio = {} }
    for field, list in pairs(sample.values) do
      row.value[field] = measure.median(list)
      row.ratio[field] = measure.median(sample.ratios[field] or {})
    end
    if next(row.value) then
      table.insert(result, row)
    end
  end
  return result
end

--- Visits contestants round after round; the first is their neighbour, and
-- measured anew before every second of the others: machines change their speed
-- within seconds, so a ratio compares what happened at nearly the same time.
---@param contestants table[] Each has a name.
---@param visit function Returns the numbers of a contestant by name, or nil.
---@return table[] rows With medians: `name`, `value` and `ratio` by name.
function measure.compare(contestants, visit, rounds)
  local samples = {}
  for i, contestant in ipairs(contestants) do
    samples[i] = { name = contestant.name, values = {}, ratios = {} }
    samples[contestant.name] = samples[i]
  end
  local function neighbour()
    local values = visit(contestants[1])
    keep(samples, contestants[1].name, values or {}, values)
    return values
  end
  for _ = 1, rounds or measure.rounds do
    local base = #contestants == 1 and neighbour()
    for i = 2, #contestants do
      base = i % 2 == 0 and neighbour() or base
      keep(samples, contestants[i].name, visit(contestants[i]) or {}, base)
    end
  end
  return summary(samples)
end

local left_out, seen = {}, {}

--- Remembers what could not be measured, to be said once.
function measure.leave_out(what, why)
  local text = ("%s (%s)"):format(what, why)
  if not seen[text] then
    seen[text] = true
    table.insert(left_out, text)
  end
end

function measure.report_left_out()
  if #left_out > 0 then
    print("\nleft out: " .. table.concat(left_out, ", "))
  end
end

--- A number for a table, with a format for string.format.
function measure.cell(value, format)
  return value and (format or "%.2f"):format(value) or "-"
end

function measure.title(text)
  print(("\n### %s\n"):format(text))
end

--- Prints the head of a table, or one of its rows.
function measure.row(...)
  print("| " .. table.concat({ ... }, " | ") .. " |")
end

function measure.head(...)
  measure.row(...)
  print("|" .. ("---|"):rep(select("#", ...)))
end

--- Whether a command of the shell ends well.
function measure.succeeds(command)
  return (os.execute(("{ %s; } >/dev/null 2>&1"):format(command)))
end

--- Whether a program can be found.
function measure.installed(name)
  return measure.succeeds("command -v " .. name)
end

--- Whether Lua finds a module.
function measure.has_module(name)
  return measure.succeeds(("%s -e 'require \"%s\"'"):format(measure.lua, name))
end

return measure
