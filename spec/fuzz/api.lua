-- Calls everything that Lua can call, at random: any method on any object, open
-- or closed, with good and bad arguments, also inside callbacks, finalizers and
-- tasks, whose coroutines are closed and resumed by others, too, while the
-- collector runs and loops go on.
--
--   lua5.4 spec/fuzz/api.lua SEEDS [FIRST]
--
-- What may happen is an error that Lua raises, or nil, a message and a code.
-- A crash, a hang or a descriptor that stays open ends the run.

local libevent = require "libevent"
local posix = require "spec.posix"
local toy = require "spec.toy"

local seeds = tonumber(arg[1]) or 1000
local first = tonumber(arg[2]) or 1
local calls = 400
local nested = 2000
local random = math.random

local pool -- the objects of this seed
local left -- how often its callbacks and tasks may call
local depths -- callbacks within callbacks that call at random, by coroutine
local threads -- the coroutines of its tasks

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
  local thread = coroutine.running()
  local depth = depths[thread] or 0
  if depth < 3 then
    depths[thread] = depth + 1
    for _ = 1, left > 0 and random(0, 3) or 0 do
      left = left - 1
      call()
    end
    depths[thread] = depth
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

--- What tasks do.
local function body(...)
  if coroutine.isyieldable() then
    threads[#threads < 40 and #threads + 1 or random(40)] = coroutine.running()
  end
  local closed <close> = random(5) == 1 -- luacheck: ignore
    and setmetatable({}, { __close = callback }) or nil
  for _ = 1, left > 0 and random(20) or 0 do
    left = left - 1
    call()
  end
  if random(3) == 1 then
    callback()
  end
  return ...
end

local function is(object, kind)
  return tostring(object):find("libevent." .. kind .. ":", 1, true) ~= nil
end

--- An object of that kind, if one is found.
local function some(kind)
  for _ = 1, 20 do
    local object = pick(pool)
    if is(object, kind) then
      return object
    end
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
      "a\r\nb\n", "now", "finished", "lf", "nodelay", "l", "L", ">s2", long }
  end,
  function() return callback end,
  function() return callback end,
  function() return body end,
  function() return {} end,
  function() return { priorities = random(0, 4), avoid = { "epoll" } } end,
  function() return pick(pool) end,
  function() return random(2) == 1 end,
  function() return file end,
  function() return coroutine.create(callback) end,
  function() return pick(threads) end,
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

local function seconds()
  return random(2) == 1 and random() * 0.001 or nil
end

local function size()
  return random(3) == 1 and random(0, 100000) or random(0, 4)
end

local function bytes()
  return pick { "x", "a line\n", "\r\n", "\0\3abc", long, random(100) }
end

local function options()
  return { linger = random(0, 1) * random() * 0.01,
    max_line = random(3) == 1 and 10 or nil,
    max_all = random(3) == 1 and 1000 or nil }
end

--- Arguments that make sense, by method; first those of streams.
local of_streams = {
  read = function()
    return pick { "l", "L", "a", random(0, 9), size() }, seconds()
  end,
  readsome = function() return size(), seconds() end,
  readuntil = function()
    return pick { "\n", "ng l", "abc" }, random(2) == 1 and size() or nil,
      seconds()
  end,
  readframe = function()
    return pick { ">s2", "<s2", "s1", "=s8", "s" },
      random(2) == 1 and size() or nil, seconds()
  end,
  peek = function() return random(2) == 1 and size() or nil, seconds() end,
  unread = bytes,
  lines = function()
    return pick { "l", "L", "a", random(9) }, seconds()
  end,
  write = function()
    return bytes(), pick { "y", { bytes(), bytes() },
      libevent.evbuffer(long), pick(pool) }
  end,
  flush = seconds,
  relay = function(stream)
    return random(5) == 1 and stream or some "stream",
      libevent.running() and seconds()
  end,
  setcb = function() return random(3) > 1 and callbacks() or nil end,
  timeouts = function() return seconds(), seconds() end,
  shutdown = function() end,
}

local sensible = {
  stream = function()
    return (libevent.socketpair()), options()
  end,
  task = function() return body, "argument" end,
  spawn = function() return body end,
  wait = function() return seconds() end,
  name = function() return pick { "name", nil } end,
  signal = function(object)
    if is(object, "condition") then
      return random(2)
    end
    return pick { "USR1", "USR2", 34 }, callback
  end,
  on_error = function() return pick { callback, nil } end,
  timer = function() return callback end,
  defer = function() return callback end,
  event = function()
    return pick { -1, pool.r, pool.w }, pick { "", "r", "wp", "rp" }, callback
  end,
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
  local make = is(object, "stream") and of_streams[name] or sensible[name]
  if make then
    return object, make(object)
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

--- Makes two streams that are connected.
local function connect(base)
  local one, other = libevent.socketpair()
  one, other = base:stream(one, options()), base:stream(other, options())
  if random(4) == 1 then
    toy.scramble(one, random(0, 255))
    toy.scramble(other, random(0, 255))
  end
  one:write(bytes())
  return one, other
end

--- What is no method.
local functions = {
  libevent.running,
  libevent.in_loop,
  function() return libevent.sleep(random() * 0.001) end,
  function() return libevent.timeout(random() * 0.001, body) end,
  function()
    return libevent.scope(function(scope)
      keep(true, scope, scope:spawn(body))
      return body()
    end)
  end,
  function() return libevent.spawn(body) end,
  function() return libevent.defer(callback) end,
  function() return libevent.wait(pick { pool.r, pool.w }, "rw", seconds()) end,
  function() return libevent.tasks(some "event_base") end,
  function() return coroutine.close(pick(threads)) end,
  function() return coroutine.resume(pick(threads), pick(pool)) end,
  function() return coroutine.wrap(body)() end,
  function()
    for _ in some "stream":lines(pick { "l", 10 }, 0.001) do
      callback()
    end
  end,
  function() return connect(some "event_base") end,
  function()
    if random(10) > 1 then
      return
    end
    return libevent.run(function(...)
      local base = libevent.base()
      base:timer(function() base:loopbreak() end):add(0.001)
      return body(...)
    end, "argument")
  end,
}

--- Where tasks wait.
local waits = {
  stream = { "read", "readsome", "readuntil", "readframe", "peek", "write",
    "flush", "relay" },
  condition = { "wait" },
  task = { "wait" },
  event = { "wait" },
}
local waiting = { "stream", "stream", "stream", "condition", "task", "event" }

local function wait()
  local kind = pick(waiting)
  local object = some(kind)
  local name = object and pick(waits[kind])
  return object and object[name](guided(object, name))
end

--- Lets time pass: another base has a loop that surely ends.
local function pause(time)
  local base <close> = libevent.event_base()
  base:timer(function() end):add(time)
  pcall(base.loop, base)
end

--- Starts a task and runs what is due.
local function turn()
  local base = some "event_base"
  if base then
    keep(pcall(base.task, base, body))
    pcall(base.loop, base, "nowait")
  end
end

--- What tasks can use, for a start.
local function start(base)
  for _ = 1, 3 do
    keep(pcall(connect, base))
    keep(pcall(base.condition, base))
    keep(pcall(base.task, base, body))
  end
end

function call()
  if libevent.running() and random(2) == 1 then
    return keep(pcall(wait))
  elseif random(6) == 1 then
    return keep(pcall(pick(functions)))
  end
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
  pool = { r = r, w = w, assert(libevent.event_base()) }
  left, threads, depths = nested, {}, setmetatable({}, { __mode = "k" })
  libevent.track(n % 3 == 0)
  start(pool[1])
  for _ = 1, calls do
    if random(3) == 1 then
      turn()
    elseif random(20) == 1 then
      pause(random() * 0.001)
    end
    if #pool == 0 or random(100) == 1 then
      pool[#pool + 1] = libevent.event_base()
      start(pool[#pool])
    end
    if random(60) == 1 then
      keep(pcall(libevent.evbuffer, "x"))
      keep(pcall(libevent.socketpair))
    end
    call()
  end
  pool, left, threads = { r = r, w = w }, 0, {}
  collectgarbage()
  collectgarbage()
  posix.close(r)
  posix.close(w)
end

local before = descriptors()
for n = first, first + seeds - 1 do
  posix.alarm(30)
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
