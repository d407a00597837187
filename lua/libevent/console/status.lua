--- What a process tells of itself: to `evrun ps` and `evrun top`.

local core = require "libevent.core"
local task = require "libevent.task"

local status = {}

--- Connections to those who look after the process.
local apart = 0

-- Does not count some connections among those of the program.
function status.set_apart(n)
  apart = apart + n
end

--- Tasks that are looked at, and places that are told.
local looked_at, told = 20000, 40

--- Returns how many connections a base has, and how many of all objects.
---@param base libevent.event_base
---@param own integer Those of consoles, which do not count.
local function connections(base, own)
  local numbers, all = base:num_objects(), 0
  for _, n in pairs(numbers) do
    all = all + n
  end
  return (numbers.stream or 0) + (numbers.bufferevent or 0) - own - apart,
    all
end

--- The script, as it was started.
local function script()
  local arg = rawget(_G, "arg")
  local name = type(arg) == "table" and arg[0]
  return type(name) == "string" and name or ""
end

--- Returns what a list of processes shows.
---@param console libevent.console
---@return table row
function status.row(console)
  return {
    name = console.name or "",
    pid = core.posix.getpid(),
    age = console.base:now() - console.since,
    script = script(),
    connections = connections(console.base, console:terminals()),
    tasks = #task.list(console.base),
  }
end

--- The tasks, by where they wait; most first.
local function places(tasks)
  local by_place, list = {}, {}
  for i = 1, math.min(#tasks, looked_at) do
    local one = tasks[i]
    local name, where = one:name(), one:where() or "?"
    local key = where .. "\0" .. (name or "")
    local place = by_place[key]
    if not place then
      local waits, object = one:waits()
      place = { n = 0, name = name, where = where,
        waits = waits and object and waits .. " " .. object or waits
          or one:status() }
      by_place[key] = place
      list[#list + 1] = place
    end
    place.n = place.n + 1
  end
  table.sort(list, function(a, b)
    return a.n > b.n or a.n == b.n and a.where < b.where
  end)
  return table.move(list, 1, told, 1, {}), #list
end

--- A file of /proc about a process; nil where the system has none.
local function read_proc(pid, name)
  local file <close> = io.open(("/proc/%s/%s"):format(pid, name))
  return file and file:read "a"
end

--- Resident memory in bytes, where the system tells it.
local function resident(pid)
  local text = read_proc(pid, "status")
  local kib = text and text:match "VmRSS:%s*(%d+)"
  return kib and tonumber(kib) * 1024
end

--- Seconds that processors have worked for a process: its ticks, in which user
-- space sees 100 a second. Its name, in brackets, may have any bytes.
local function worked(pid)
  local text = read_proc(pid, "stat") or ""
  local user, system = text:match("^.*%)" .. (" %S+"):rep(11)
    .. " (%d+) (%d+)")
  return user and (user + system) / 100
end

--- What a monitor tells, and what its workers use.
local function service(controls)
  local state = controls { verb = "status" }
  for _, each in ipairs(state and state.workers or {}) do
    if each.pid then
      each.cpu, each.resident = worked(each.pid), resident(each.pid)
    end
  end
  return state
end

--- Returns what `evrun top` makes its screen of.
---@param console libevent.console
---@return table sample
function status.sample(console)
  local base = console.base
  local sample, tasks = status.row(console), task.list(base)
  local counters = base:counters()
  for _, name in ipairs { "callbacks", "bytes_read", "bytes_written", "accepts",
    "errors", "since", "busy", "turns", "longest", "lag" } do
    sample[name] = counters[name]
  end
  sample.time = base:now()
  sample.objects = select(2, connections(base, 0))
  sample.lua = collectgarbage "count" * 1024
  sample.resident = resident "self"
  sample.places, sample.places_in_all = places(tasks)
  sample.service = console.controls and service(console.controls) or nil
  return sample
end

return status
