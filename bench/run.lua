-- Measures this module beside C's libevent and, where installed, Node.js: each
-- round visits them in turn, and a ratio compares neighbours of one round.
-- Prints medians.
--
--   lua5.4 bench/run.lua BUILD [ROUNDS]

local build, rounds = arg[1] or "build", tonumber(arg[2]) or 5
local lua = arg[-1]

local function output(command)
  local pipe <close> = assert(io.popen(command .. " 2>/dev/null"))
  return pipe:read "a"
end

--- Seconds, KiB and the last word a program printed; nil if it failed.
local function measure(command)
  local text = output(build .. "/bench/measure " .. command)
  local seconds, memory, word = text:match "^(%S+) (%S+) (%S*)"
  if seconds then
    return { cpu = tonumber(seconds), memory = tonumber(memory),
      word = tonumber(word) }
  end
end

local function median(list)
  table.sort(list)
  return list[(#list + 1) // 2]
end

--- One row: every contestant in turn, round after round.
local function row(title, contestants, field, unit)
  local values, ratios = {}, {}
  for i = 1, #contestants do
    values[i], ratios[i] = {}, {}
  end
  for _ = 1, rounds do
    local first
    for i, contestant in ipairs(contestants) do
      local result = measure(contestant[2])
      if result then
        first = first or result[field]
        table.insert(values[i], result[field])
        table.insert(ratios[i], result[field] / first)
      end
    end
  end
  for i, contestant in ipairs(contestants) do
    if #values[i] > 0 then
      print(("| %s | %s | %.4g %s | %.2f |"):format(title, contestant[1],
        median(values[i]), unit, median(ratios[i])))
    end
  end
end

local function timers(mode, n)
  local tail = (" %s %d"):format(mode, n)
  return {
    { "C libevent", build .. "/bench/timers" .. tail },
    { "lua-libevent", lua .. " bench/timers.lua" .. tail },
    { "Node.js", "node bench/timers.js" .. tail },
  }
end

local function dispatch(mode, n)
  local tail = (" %s %d"):format(mode, n)
  return {
    { "C libevent", build .. "/bench/dispatch" .. tail },
    { "lua-libevent", lua .. " bench/dispatch.lua" .. tail },
  }
end

print "| what | who | median | ratio |"
print "|---|---|---|---|"
row("a million timers, CPU", timers("oneshot", 1000000), "cpu", "s")
row("a million timers, memory", timers("oneshot", 1000000), "memory", "KiB")
row("1000 timers of 1 ms for 3 s, callbacks", timers("periodic", 1000), "word",
  "")
row("1000 timers of 1 ms for 3 s, CPU", timers("periodic", 1000), "cpu", "s")
row("a million made and cancelled, CPU", timers("cancel", 1000000), "cpu", "s")
for _, mode in ipairs { "active", "again", "ready" } do
  row("dispatch, " .. mode, dispatch(mode, 1000000), "word", "ns")
end
