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
local servers = require "spec.fuzz.servers"
local toy = require "spec.toy"
local values = require "spec.fuzz.values"

local seeds = tonumber(arg[1]) or 1000
local first = tonumber(arg[2]) or 1
local calls = 400
local nested = 2000
local random = math.random
local pick, some, seconds = values.pick, values.some, values.seconds
local bytes, options = values.bytes, values.options
local guided, arguments = values.guided, values.arguments

local left -- how often its callbacks and tasks may call
local depths -- callbacks within callbacks that call at random, by coroutine

local function descriptors()
  local n = 0
  for _ in pairs(posix.descriptors()) do
    n = n + 1
  end
  return n
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

values.callback = callback

--- What tasks do.
local function body(...)
  if coroutine.isyieldable() then
    local threads = values.threads
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

values.body = body

-- A loop that waits may have nothing to wake it, so these never wait. And a
-- number at random may be a descriptor of somebody else.
local always = { read = true, write = true }

local limits = {
  loop = function(base)
    return base, pick { "nowait", "nowait", "bad" }
  end,
}

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
  local pool = values.pool
  for i = 1, ok and select("#", ...) or 0 do
    local result = select(i, ...)
    if type(result) == "userdata" and result ~= values.file then
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
  function() return libevent.isatty(values.any()) end,
  function()
    local name = pick { "lstat", "readdir", "readlink" }
    return libevent.posix[name](pick { "/", "spec/fuzz", values.any() })
  end,
  function()
    return libevent.traceback_on(pick { "URG", "KILL", {} })
  end,
  function() return libevent.sleep(random() * 0.001) end,
  function() return libevent.timeout(random() * 0.001, body) end,
  function() return libevent.pcall(body) end,
  function() return libevent.after(random() * 0.001, body) end,
  function() return libevent.every(random() * 0.001, callback) end,
  function()
    return select(4, libevent.signal("USR1", pick { "USR2", "HUP" }))
  end,
  function() return servers.any() end,
  function()
    return libevent.scope(function(scope)
      keep(true, scope, scope:spawn(body))
      return body()
    end)
  end,
  function() return libevent.spawn(body) end,
  function() return libevent.defer(callback) end,
  function()
    return libevent.wait(pick { values.pool.r, values.pool.w }, "rw", seconds())
  end,
  function() return libevent.tasks(some "event_base") end,
  function() return coroutine.close(pick(values.threads)) end,
  function()
    return coroutine.resume(pick(values.threads), pick(values.pool))
  end,
  function() return coroutine.wrap(body)() end,
  function()
    for _ in some "stream":lines(pick { "l", 10 }, 0.001) do
      callback()
    end
  end,
  function() return connect(some "event_base") end,
  function() return libevent.condition(pick { "fuzz", nil }) end,
  function() return some("condition"):hold(some "task") end,
  function() return pick(values.shared)() end,
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
    "flush", "sendfile", "relay" },
  condition = { "wait" },
  task = { "wait" },
  event = { "wait" },
  evconnlistener = { "accept" },
  udp = { "recvfrom", "recvbatch", "sendto", "send", "sendbatch" },
}
local waiting = { "stream", "stream", "stream", "condition", "task", "event",
  "evconnlistener", "udp", "udp" }

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
    keep(pcall(base.udp, base, "127.0.0.1:0"))
    keep(pcall(base.task, base, body))
  end
end

function call()
  if libevent.running() and random(2) == 1 then
    return keep(pcall(wait))
  elseif random(6) == 1 then
    return keep(pcall(pick(functions)))
  end
  local object = #values.pool > 0 and pick(values.pool)
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
    args[1] = values.any()
  end
  local results = table.pack(pcall(methods[name],
    table.unpack(args, 1, args.n)))
  if name == "detach" and math.type(results[2]) == "integer" then
    posix.close(results[2])
  end
  keep(table.unpack(results, 1, results.n))
  if random(30) == 1 and #values.pool > 1 then
    table.remove(values.pool, random(#values.pool))
  end
end

local function seed(n)
  math.randomseed(n)
  collectgarbage(n % 2 == 0 and "incremental" or "generational")
  local r, w = posix.pipe()
  values.pool = { r = r, w = w, assert(libevent.event_base()) }
  left, values.threads, depths = nested, {}, setmetatable({}, { __mode = "k" })
  values.share()
  libevent.track(n % 3 == 0)
  warn "@off" -- nobody closes anything here
  start(values.pool[1])
  for _ = 1, calls do
    if random(3) == 1 then
      turn()
    elseif random(20) == 1 then
      pause(random() * 0.001)
    end
    if #values.pool == 0 or random(100) == 1 then
      values.pool[#values.pool + 1] = libevent.event_base()
      start(values.pool[#values.pool])
    end
    if random(60) == 1 then
      keep(pcall(libevent.evbuffer, "x"))
      keep(pcall(libevent.socketpair))
    end
    call()
  end
  values.pool, left, values.threads = { r = r, w = w }, 0, {}
  values.shared = nil
  collectgarbage()
  collectgarbage()
  posix.close(r)
  posix.close(w)
end

local before = descriptors()
for n = first, first + seeds - 1 do
  posix.alarm(30)
  local ok, message = xpcall(seed, debug.traceback, n)
  values.pool = nil
  collectgarbage()
  collectgarbage()
  if not ok or descriptors() ~= before then
    io.stderr:write(("seed %d: %s\n"):format(n,
      message or ("%d descriptors, not %d"):format(descriptors(), before)))
    os.exit(1, true)
  end
end
print(("%d seeds of %d calls"):format(seeds, calls))
