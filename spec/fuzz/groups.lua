--- Groups of objects that hold each other, so that the collector finds them
-- together, and what may be done with them then: by callbacks, by tasks, and by
-- guards, whose finalizers come back again and again.

local hostile = require "spec.fuzz.hostile"
local libevent = require "libevent"
local manual = require "spec.fuzz.manual"
local methods = require "spec.fuzz.methods"
local values = require "spec.fuzz.values"

local random, pick, some = math.random, values.pick, values.some

--- Who uses it fills in `body`, what tasks do: a function of group and base.
local groups = {}

local r, w -- the ends of a pipe
local nested -- loops within loops

local function nothing() end

--- Makes a group the one whose values the fuzzer calls with.
local function enter(group)
  values.use(group.pool, group.functions, group.threads)
  values.callback, values.body = group.callback, group.body
  hostile.callback = group.callback
end

local function empty()
  return { pool = { r = r, w = w }, functions = {}, threads = {}, guards = {},
    callback = nothing, body = nothing }
end

--- Holds on to no group.
function groups.leave()
  enter(empty())
end

--- Begins with what no group has: a base, conditions, and places for groups
-- that survive. `left` is how often something may be done.
function groups.start(left)
  values.start()
  r, w, nested = values.pool.r, values.pool.w, 0
  groups.left, groups.survivors = left, {}
  groups.main = libevent.event_base()
  groups.shared = { libevent.condition(), libevent.condition(),
    groups.main:condition() }
end

--- Takes objects in, and the coroutine of a task; returns the objects.
function groups.keep(group, ...)
  enter(group)
  values.keep(...)
  if coroutine.isyieldable() then
    values.note_thread(coroutine.running())
  end
  return ...
end

--- What is called of an object, the same in each run; a turn of the loop is an
-- action of its own.
local names = setmetatable({}, { __index = function(self, kind)
  local list = { "__gc", "__close", "__tostring", "close" }
  for _, name in ipairs(manual.methods("libevent." .. kind) or {}) do
    list[#list + 1] = name ~= "loop" and name ~= "dispatch" and name or nil
  end
  self[kind] = list
  return list
end })

local function unguided(object)
  return object, values.arguments()
end

local function call(group, object)
  local name = pick(names[values.kind_of(object)])
  local metatable = debug.getmetatable(object)
  local method = metatable.__index[name] or rawget(metatable, name)
  local arguments = pick { methods.guided, unguided }
  local ok, result, other = pcall(method, arguments(object, name))
  if ok and random(2) == 1 then
    groups.keep(group, result, other)
  end
end

local function turn()
  local base = pick { some "event_base", groups.main }
  if nested < 2 then
    nested = nested + 1
    pcall(base.loop, base, "nowait")
    nested = nested - 1
  end
end

local function any(group)
  call(group, pick(values.pool))
end

local function collect()
  for _ = 1, random(3) do
    collectgarbage()
  end
end

local function resume() -- which is its task's to do
  coroutine.resume(pick(values.threads))
end

local actions = {
  any, any, any, any, any, collect, collect, resume, resume, turn, turn, turn,
  function(group) call(group, some "task") end,
  function(group) call(group, some "event_base") end,
  function() coroutine.close(pick(values.threads)) end,
  function() some("task"):cancel() end,
  function() pick(groups.shared):broadcast() end,
  function(group) groups.survivors[random(6)] = group end,
  function() groups.survivors[random(6)] = nil end,
}

--- Does so many things with a group.
function groups.act(group, times)
  for _ = 1, groups.left > 0 and times or 0 do
    groups.left = groups.left - 1
    enter(group)
    pcall(pick(actions), group)
  end
  groups.leave()
end

--- Adds what does things with a group whenever it is found, several times.
function groups.guard(group)
  local metatable, times = {}, random(5)
  function metatable.__gc(self)
    times = times - 1
    if times > 0 then
      setmetatable(self, metatable)
    end
    groups.act(group, random(8))
  end
  table.insert(group.guards, setmetatable({ group }, metatable))
end

--- Closes what calls back, or lets go of it and of all others.
local function answer(group, object, ...)
  groups.keep(group, ...)
  if random(2) == 1 and values.kind_of(object) then
    pcall(object.close, object, random(2) == 1 and "now" or nil)
  end
  if random(2) == 1 then
    group.pool, object = empty().pool, nil -- luacheck: ignore
  end
  if random(2) == 1 then
    pcall(groups.main.defer, groups.main, collect)
  end
  groups.act(group, random(3))
  if random(2) == 1 then
    collect()
  end
end

function groups.new()
  local group = empty()
  function group.callback(...)
    if groups.left > 0 then
      return answer(group, ...)
    end
  end
  function group.body()
    return groups.body(group, groups.main)
  end
  return group
end

return groups
