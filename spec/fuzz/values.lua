--- What the fuzzer calls with: values of every kind, and the objects there are.

local hostile = require "spec.fuzz.hostile"
local posix = require "spec.posix"

local random = math.random

--- Who uses it fills in `callback`, and `body`, what tasks do.
local values = {}

--- A file of the io library, which no call may keep.
values.file = io.tmpfile()

local long = ("long "):rep(10000) -- goes into buffers by reference

values.long = long

local function pick(list)
  return list[random(#list)]
end

values.pick = pick

--- One of a list, or nothing.
function values.perhaps(list)
  return list[random(0, #list)]
end

--- The name of the type or class of an object; nil for anything else.
local function kind_of(object)
  local of = type(object)
  local metatable = (of == "userdata" or of == "table")
    and debug.getmetatable(object)
  local name = metatable and rawget(metatable, "__name")
  local methods = metatable and rawget(metatable, "__index")
  if type(name) == "string" and type(methods) == "table"
      and (of == "userdata" or methods == metatable) then
    return name:match "^libevent%.(.*)"
  end
end

values.kind_of = kind_of

local function is(object, kind)
  return kind_of(object) == kind
end

values.is = is

local function is_open(object)
  return type(object) == "table" or not object:is_closed()
end

--- An open object of that kind; nil if there is none.
function values.some(kind)
  local pool = values.pool
  local first = random(0, #pool)
  for i = 1, #pool do
    local object = pool[(first + i) % #pool + 1]
    if is(object, kind) and is_open(object) then
      return object
    end
  end
end

--- Takes an object in; of each kind there are some, and others go for it.
local function put(object, kind)
  local pool, same = values.pool, {}
  for i, each in ipairs(pool) do
    same[#same + 1] = is(each, kind) and i or nil
  end
  pool[#same < 6 and #pool + 1 or pick(same)] = object
end

--- Puts the objects and functions among some values into the pool.
function values.keep(...)
  local functions = values.functions
  for i = 1, select("#", ...) do
    local value = select(i, ...)
    local kind = kind_of(value)
    if kind then
      put(value, kind)
    elseif type(value) == "function" then
      functions[#functions < 20 and #functions + 1 or random(20)] = value
    end
  end
end

--- Makes a pool, its functions and its threads those there are.
function values.use(pool, functions, threads)
  values.pool, values.functions, values.threads = pool, functions, threads
  hostile.threads = threads
end

--- Begins with two ends of a pipe, and nothing else.
function values.start()
  local r, w = posix.pipe()
  values.use({ r = r, w = w }, {}, {})
end

--- Lets everything go.
function values.finish()
  posix.close(values.pool.r)
  posix.close(values.pool.w)
  values.use({}, {}, {})
end

--- A coroutine that others may resume and close.
function values.note_thread(thread)
  local threads = values.threads
  threads[#threads < 40 and #threads + 1 or random(40)] = thread
end

local kinds = {
  function() return nil end,
  function() return random(-2, 40) end,
  function() return random() * 0.01 end,
  function()
    return pick { "", "r", "w", "rw", "rp", "wp", "rwcpe", "x", "INT", "USR1",
      "KILL", "nowait", "once", "added", "all", "a\r\nb\n", "now", "finished",
      "lf", "nodelay", "l", "L", ">s2", long }
  end,
  function() return values.callback end,
  function() return values.callback end,
  function() return values.body end,
  function() return {} end,
  function() return { priorities = random(0, 4), avoid = { "epoll" } } end,
  function() return pick(values.pool) end,
  function() return random(2) == 1 end,
  function() return values.file end,
  function() return coroutine.create(values.callback) end,
  function() return pick(values.functions) end,
  function() return setmetatable({}, { __gc = values.callback }) end,
  hostile.any, hostile.any, hostile.any, hostile.any,
}

function values.any()
  return (pick(kinds)())
end

function values.arguments()
  local n = random(0, 4)
  local list = { n = n }
  for i = 1, n do
    list[i] = values.any()
  end
  return table.unpack(list, 1, n)
end

function values.seconds()
  return random(2) == 1 and random() * 0.001 or nil
end

function values.size()
  return random(3) == 1 and random(0, 100000) or random(0, 4)
end

function values.bytes()
  return pick { "x", "a line\n", "\r\n", "\0\3abc", long, random(100) }
end

function values.options()
  return { linger = random(0, 1) * random() * 0.01,
    max_line = random(3) == 1 and 10 or nil,
    max_all = random(3) == 1 and 1000 or nil }
end

function values.callbacks()
  return { read = random(2) == 1 and values.callback or nil,
    write = random(2) == 1 and values.callback or nil,
    event = random(2) == 1 and values.callback or nil }
end

return values
