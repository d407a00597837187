--- What `evrun top` shows of a service: its workers.
--
-- Workers count for themselves, and tell the monitor once a second. So rates
-- are differences of what was told, over the time between that, and stay until
-- something new is told.

local layout = require "libevent.repl.layout"
local units = require "libevent.evrun.units"
local workers = require "libevent.evrun.workers"

local bytes, known, short = units.bytes, units.known, units.short
local whole = units.whole

local top_service = {}

--- What is shown by second.
local counted = { "accepts", "bytes_read", "bytes_written" }

--- Seconds between two samples that tell something new, and after which one who
-- tells nothing is not believed any more.
local step, silence = 1e-3, 3

--- Made by `top_service.new`.
---
--- `seen` has, by number, who the worker was in the last sample, by `pid`; what
-- it had counted, and when, `counters` and `at`; `rates`; what it had used, and
-- when, `used` and `looked`; and its `load`.
---@class libevent.evrun.top_service
local Service = {}
Service.__index = Service

--- What one has counted at its start.
local nothing = setmetatable({}, { __index = function()
  return 0
end })

--- One who was not seen before: it has begun since the last sample, if there
-- was one, and has counted nothing before its first report.
local function meet(self, each, time)
  local one = { pid = each.pid, rates = {} }
  if each.age and (self.time or not each.counters) then
    one.at, one.counters = time - each.age, nothing
  end
  if each.age and self.time then
    one.looked, one.used = time - each.age, 0
  end
  self.seen[each.worker] = one
  return one
end

--- Notes what was counted.
local function count(one, each, time)
  local told = each.counters and each.counted
  local at = told and time - told
  if not told or told > silence then
    one.rates = {}
  elseif not one.at or at - one.at > step then
    for _, name in ipairs(counted) do
      local n, before = each.counters[name], (one.counters or {})[name]
      one.rates[name] = n and before and (n - before) / (at - one.at) or nil
    end
    one.counters, one.at = each.counters, at
  end
end

--- Notes what a process has used.
local function weigh(one, each, time)
  one.load = nil
  if one.used and each.cpu and time - one.looked > step then
    one.load = (each.cpu - one.used) / (time - one.looked)
  end
  one.used, one.looked = each.cpu, time
end

--- Notes what has changed since the last sample.
---@param sample table What `evrun top` got: it has a field `service`.
function Service:note(sample)
  for _, each in ipairs(sample.service.workers) do
    local one = self.seen[each.worker]
    if not one or one.pid ~= each.pid then
      one = meet(self, each, sample.time)
    end
    count(one, each, sample.time)
    weigh(one, each, sample.time)
  end
  self.status, self.time = sample.service, sample.time
end

--- The sum of what is known; nil if nothing is.
local function total(self, get)
  local sum
  for _, each in ipairs(self.status.workers) do
    local n = get(each, self.seen[each.worker])
    sum = n and (sum or 0) + n or sum
  end
  return sum
end

local function counter(name)
  return function(each)
    return each.counters and each.counters[name]
  end
end

local function rate(name)
  return function(_, one)
    return one.rates[name]
  end
end

local function percent(n)
  return ("%.0f %%"):format(n * 100)
end

local function totals(self)
  return ("connections %s  accepts %s/s  read %s/s  written %s/s  errors %s\n")
    :format(known(total(self, counter "connections"), whole),
      known(total(self, rate "accepts"), short),
      known(total(self, rate "bytes_read"), bytes),
      known(total(self, rate "bytes_written"), bytes),
      known(total(self, counter "errors"), whole))
end

local titles = { "WORKER", "STATE", "PID", "AGE", "DEATHS", "CONNECTIONS",
  "TASKS", "ACCEPTS/S", "READ/S", "WRITTEN/S", "ERRORS", "CPU", "RESIDENT",
  "LUA", "LATE", "LAST DEATH" }

--- Those columns that have numbers.
local right = {}
for i, title in ipairs(titles) do
  right[i] = title ~= "STATE" and title ~= "LAST DEATH"
end

local function row(each, one)
  local counters, rates = each.counters or {}, one.rates
  return {
    whole(each.worker), workers.state(each), known(each.pid, whole),
    known(each.age, units.age), whole(each.deaths),
    known(counters.connections, whole), known(counters.tasks, whole),
    known(rates.accepts, short), known(rates.bytes_read, bytes),
    known(rates.bytes_written, bytes), known(counters.errors, whole),
    known(one.load, percent), known(each.resident, bytes),
    known(counters.lua, bytes), known(counters.late, units.duration),
    known(each.last_death, layout.plain),
  }
end

--- Returns a screen of the last sample.
---@param most number How many workers it may have; others are counted.
---@return string text
function Service:screen(most)
  local list, rows = self.status.workers, { titles }
  for i = 1, math.min(#list, most) do
    rows[i + 1] = row(list[i], self.seen[list[i].worker])
  end
  local more = #list - #rows + 1
  return table.concat {
    workers.head(self.status), ("  deaths %d\n"):format(total(self,
      function(each)
        return each.deaths
      end) or 0),
    totals(self), "\n", layout.columns(rows, right),
    more > 0 and ("… and %d workers more\n"):format(more) or "",
  }
end

---@return libevent.evrun.top_service
function top_service.new()
  return setmetatable({ seen = {} }, Service)
end

return top_service
