-- How objects live and end, at random: groups of them are found by the
-- collector, where it can call finalizers, where a stack is at its end, and
-- some here and some there; finalizers bring them back and use them, others
-- hold on to them, processes fork, and end amid all that.
--
--   lua5.4 spec/fuzz/lives.lua SEEDS [FIRST]
--
-- Each seed runs in a child of its own. What may happen is an error that Lua
-- raises, or nil, a message and a code. A crash or a hang, which ends by signal
-- 14, ends its seed alone; how to repeat it is told, and the exit status is 1.
-- Bases whose finalizer was left out leak: a sanitizer is to look for no leaks.

--- Where the log goes at last.
local stderr, null = io.stderr, assert(io.open("/dev/null", "w"))
rawset(io, "stderr", null)
local libevent = require "libevent"
assert(libevent.log)
rawset(io, "stderr", stderr)

local fates = require "spec.fuzz.fates"
local groups = require "spec.fuzz.groups"
local hostile = require "spec.fuzz.hostile"
local objects = require "spec.objects"
local posix = require "spec.posix"
local values = require "spec.fuzz.values"

local seeds, first = tonumber(arg[1]) or 100, tonumber(arg[2]) or 1
local rounds = 20
local actions = 3000 -- that a seed may have, lest it never ends
local limit = 30 -- seconds that a seed may take
local random, pick = math.random, values.pick

local function chance(n)
  return random(n) == 1
end

--- In an order that is the same in each run.
local kinds = {}
for name in pairs(objects.idle) do
  kinds[#kinds + 1] = name
end
table.sort(kinds)

--- Lets a base have tasks that wait, and objects that call back.
local function fill(group, base)
  for _, name in ipairs(kinds) do
    local made = chance(3)
      and groups.keep(group, objects.idle[name](base, group.callback))
    if made and (name == "timer" or name == "event") then
      made:add(chance(2) and 0 or 100)
    end
  end
  for _ = 1, random(6) do
    local task = groups.keep(group, base:task(groups.body, group, base))
    if chance(4) then
      pcall(groups.shared[1].hold, groups.shared[random(3)], task)
    end
    if chance(4) then
      groups.guard(group)
    end
  end
  for _ = 1, random(0, 2) do
    pcall(fates.connect, group, base)
  end
end

--- Makes a group, which nothing holds but by chance.
local function make()
  local group = groups.new()
  for _ = 1, random(3) do
    if chance(2) then
      groups.guard(group)
    end
    local base = chance(3) and groups.main or libevent.event_base()
    base:on_error(function() end)
    if base ~= groups.main or chance(4) then
      groups.keep(group, base)
    end
    fill(group, base)
    for _ = 1, random(3) do
      pcall(base.loop, base, "nowait")
    end
  end
  if chance(6) then
    groups.survivors[random(6)] = group
  end
end

--- Steps of the collector: n at most, of random sizes, or the smallest ones.
local function step(n, size)
  for _ = 1, random(n) do
    collectgarbage("step", size and random(size) or 0)
  end
end

--- Lets the collector go on until it calls finalizers.
local function find()
  local found = false
  setmetatable({}, { __gc = function() found = true end })
  for _ = 1, 20000 do
    if not found then
      collectgarbage("step", 0)
    end
  end
end

--- How the collector finds what there is: some here and some there, or ...
local function halve()
  find()
  for _ = 1, random(5) do
    hostile.deepest(step, pick { 3, 40 })
    step(pick { 3, 10 })
  end
end

--- How the collector finds what there is.
local ways = {
  collectgarbage, halve, halve,
  function() hostile.deepest(collectgarbage) end,
  function() step(50, 50) end,
  function()
    for _ = 1, random(30) do
      hostile.deepest(step, 1, 20)
      step(1, 20)
    end
  end,
}

local function use_survivors(times)
  for i = 1, 6 do
    if groups.survivors[i] then
      groups.act(groups.survivors[i], random(0, times))
    end
  end
end

local function round()
  local main = groups.main
  pcall(make)
  groups.leave()
  for _ = 1, random(3) do
    pick(ways)()
  end
  for _, condition in ipairs(groups.shared) do
    pcall(condition.signal, condition)
    pcall(condition.unhold, condition)
  end
  pcall(main.loop, main, "nowait")
  pcall(main[pick { "num_objects", "objects", "tasks", "report" }], main)
  use_survivors(1)
end

--- Ends, perhaps in a callback or a task.
local function finish()
  local main = groups.main
  pcall(main[pick { "defer", "task" }], main, function()
    os.exit(0, true)
  end)
  if chance(2) then
    pcall(main.loop, main, "nowait")
  end
  os.exit(0, chance(2))
end

--- Forks; tells how the child has ended if it is not well.
local function is_well(what, fn, ...)
  local pid = posix.fork()
  if pid == 0 then
    posix.alarm(limit)
    fn(...)
  end
  local how, code = posix.wait(pid)
  local well = how == "exit" and code == 0
  return well or stderr:write(("%s: %s %d\n"):format(what, how, code)) and false
end

--- Goes on with what the parent has made.
local function inherit()
  if chance(3) then
    posix.nofile(random(3, 40))
  end
  if chance(2) then
    pcall(groups.main.reinit, groups.main)
  end
  for _ = 1, 3 do
    use_survivors(5)
    round()
  end
  finish()
end

local function seed(n)
  math.randomseed(n)
  collectgarbage()
  collectgarbage(n % 3 == 1 and "generational" or "incremental", 100, 50, 3)
  collectgarbage "stop"
  libevent.track(chance(2))
  groups.start(actions)
  for _ = 1, rounds do
    round()
    if n % 4 == 0 and chance(4) and not is_well("a child", inherit) then
      posix.exit(1)
    end
  end
  finish()
end

posix.refused() -- warns of nothing from now on
local died = 0
for n = first, first + seeds - 1 do
  if not is_well(("%s %s 1 %d"):format(arg[-1], arg[0], n), seed, n) then
    died = died + 1
  end
end
print(("%d seeds of %d rounds, %d died"):format(seeds, rounds, died))
os.exit(died == 0, true)
