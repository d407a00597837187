-- Calls everything that Lua can call, at random: any method on any object, open
-- or closed, with good and bad arguments, also inside callbacks and
-- finalizers, while the collector runs and loops go on.
--
--   lua5.4 spec/fuzz/api.lua SEEDS [FIRST]
--
-- What may happen is an error that Lua raises, or nil, a message and a code.
-- A crash, a hang or a descriptor that stays open ends the run.

local libevent = require "libevent"
local posix = require "spec.posix"

local seeds = tonumber(arg[1]) or 1000
local first = tonumber(arg[2]) or 1
local calls = 400
local random = math.random

local pool -- the objects of this seed
local depth -- callbacks within callbacks that call at random

local function descriptors()
  local n = 0
  for _ in pairs(posix.descriptors()) do
    n = n + 1
  end
  return n
end

local file = io.tmpfile()
local long = ("long "):rep(10000) -- goes into buffers by reference

local function pick(list)
  return list[random(#list)]
end

local call

local function callback()
  if depth < 3 then
    depth = depth + 1
    for _ = 1, random(0, 3) do
      call()
    end
    depth = depth - 1
  end
  local chance = random(20)
  if chance == 1 then
    error "random"
  elseif chance == 2 then
    collectgarbage()
  elseif chance == 3 then
    coroutine.yield()
  end
end

local values = {
  function() return nil end,
  function() return random(-2, 40) end,
  function() return random() * 0.01 end,
  function() return pick { 0, -1, 0 / 0, 1 / 0, 1e9, 2 ^ 53, math.mininteger,
    math.maxinteger } end,
  function()
    return pick { "", "r", "w", "rw", "rp", "wp", "rwcpe", "x", "INT", "USR1",
      "KILL", "nowait", "once", "added", "all", "\0", ("a"):rep(300),
      "a\r\nb\n", "now", "finished", "lf", "nodelay", long }
  end,
  function() return callback end,
  function() return callback end,
  function() return {} end,
  function() return { priorities = random(0, 4), avoid = { "epoll" } } end,
  function() return pick(pool) end,
  function() return random(2) == 1 end,
  function() return file end,
  function() return coroutine.create(callback) end,
  function() return setmetatable({}, { __gc = callback }) end,
}

local function arguments()
  local n = random(0, 4)
  local list = { n = n }
  for i = 1, n do
    list[i] = pick(values)()
  end
  return table.unpack(list, 1, n)
end

-- A loop that waits may have nothing to wake it, so these never wait. And a
-- number at random may be a descriptor of somebody else.
local always = { read = true, write = true }

local limits = {
  loop = function(base)
    return base, pick { "nowait", "nowait", "bad" }
  end,
}

local function callbacks()
  return { read = random(2) == 1 and callback or nil,
    write = random(2) == 1 and callback or nil,
    event = random(2) == 1 and callback or nil }
end

--- Arguments that make sense, by method.
local sensible = {
  timer = function() return callback end,
  defer = function() return callback end,
  event = function()
    return pick { -1, pool.r, pool.w }, pick { "", "r", "wp", "rp" }, callback
  end,
  signal = function() return pick { "USR1", "USR2", 34 }, callback end,
  add = function(object)
    if tostring(object):find "evbuffer" then
      return pick { "x", long, pick(pool) }
    end
    return random() * 0.01
  end,
  listener = function()
    return "127.0.0.1:0", { disabled = random(3) == 1 }, callback
  end,
  bufferevent = function()
    return pick { false, pick(pool), (libevent.socketpair()) } or nil,
      { defer = random(3) == 1, linger = random(0, 1) }
  end,
  connect = function()
    local ok, address = pcall(function(target)
      return target:getsockname()
    end, pick(pool))
    return ok and address or "unix:/nowhere"
  end,
  setcb = function(object)
    return tostring(object):find "bufferevent" and callbacks() or callback
  end,
  add_cb = function() return callback end,
  enable = function() return "rw" end,
  write = function(object)
    if tostring(object):find "evbuffer" then
      return pool.w
    end
    return pick { "x", long, pick(pool) }, "y"
  end,
  read = function(object)
    return tostring(object):find "evbuffer" and pool.r or random(100)
  end,
  setwatermark = function() return "rw", random(0, 4), random(4, 20) end,
  set_timeouts = function() return 0.001, 0.001 end,
  shutdown = function() return pick { "r", "w", "rw" } end,
  close = function() return pick { "now", nil } end,
}

local function guided(object, name)
  if sensible[name] then
    return object, sensible[name](object)
  end
  return object, arguments()
end

local function names_of(object)
  local names = {}
  for name in pairs(debug.getmetatable(object).__index) do
    names[#names + 1] = name
  end
  table.sort(names) -- so that a seed means the same in each run
  return names
end

local names = setmetatable({}, { __mode = "k" })

--- Puts objects that a call has returned into the pool; a descriptor that was
-- given away is nobody's.
local function keep(ok, ...)
  for i = 1, ok and select("#", ...) or 0 do
    local result = select(i, ...)
    if type(result) == "userdata" and result ~= file then
      pool[#pool < 60 and #pool + 1 or random(2, #pool)] = result
    end
  end
end

function call()
  local object = #pool > 0 and pick(pool)
  if not object then
    return
  end
  local methods = debug.getmetatable(object).__index
  names[methods] = names[methods] or names_of(object)
  local name = pick(names[methods])
  if name == "dispatch" then
    name = "loop"
  end
  local args
  if limits[name] then
    args = table.pack(limits[name](object))
  elseif name == "close" and methods.loop and random(10) > 1 then
    return
  else
    args = (always[name] or random(3) > 1) and table.pack(guided(object, name))
      or table.pack(object, arguments())
  end
  if random(50) == 1 and not limits[name] then
    args[1] = pick(values)()
  end
  local results = table.pack(pcall(methods[name],
    table.unpack(args, 1, args.n)))
  if name == "detach" and math.type(results[2]) == "integer" then
    posix.close(results[2])
  end
  keep(table.unpack(results, 1, results.n))
  if random(30) == 1 and #pool > 1 then
    table.remove(pool, random(#pool))
  end
end

local function seed(n)
  math.randomseed(n)
  collectgarbage(n % 2 == 0 and "incremental" or "generational")
  local r, w = posix.pipe()
  pool, depth = { r = r, w = w, assert(libevent.event_base()) }, 0
  libevent.track(n % 3 == 0)
  for _ = 1, calls do
    if #pool == 0 or random(100) == 1 then
      pool[#pool + 1] = libevent.event_base()
    end
    if random(30) == 1 then
      keep(pcall(libevent.evbuffer, "x"))
      keep(pcall(libevent.socketpair))
    end
    call()
  end
  pool = { r = r, w = w }
  collectgarbage()
  collectgarbage()
  posix.close(r)
  posix.close(w)
end

posix.alarm(240)
local before = descriptors()
for n = first, first + seeds - 1 do
  local ok, message = xpcall(seed, debug.traceback, n)
  pool = nil
  collectgarbage()
  collectgarbage()
  if not ok or descriptors() ~= before then
    io.stderr:write(("seed %d: %s\n"):format(n,
      message or ("%d descriptors, not %d"):format(descriptors(), before)))
    os.exit(1, true)
  end
end
print(("%d seeds of %d calls"):format(seeds, calls))
