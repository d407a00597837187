-- Calls everything that Lua can call, at random: any method on any object, open
-- or closed, with good and bad arguments, also inside callbacks, finalizers and
-- tasks, whose coroutines are closed and resumed by others, too, while the
-- collector runs and loops go on.
--
--   lua5.4 spec/fuzz/api.lua SEEDS [FIRST [COUNTS]]
--
-- What there is to call is what objects have, and what the manual says; after
-- 250 seeds each of that must have returned once. COUNTS is a file that tells
-- how often each was called, and has returned.
--
-- What may happen is an error that Lua raises, or nil, a message and a code.
-- A crash, a hang, or a descriptor or a child that stays ends the run.

local functions = require "spec.fuzz.functions"
local hostile = require "spec.fuzz.hostile"
local libevent = require "libevent"
local manual = require "spec.fuzz.manual"
local methods = require "spec.fuzz.methods"
local posix = require "spec.posix"
local toy = require "spec.toy"
local values = require "spec.fuzz.values"

--- Where the log goes at last.
local stderr, null = io.stderr, assert(io.open("/dev/null", "w"))
rawset(io, "stderr", null)
assert(libevent.log)
rawset(io, "stderr", stderr)

local seeds = tonumber(arg[1]) or 1000
local first = tonumber(arg[2]) or 1
local calls = 400
local nested = 2000
local enough = 250 -- seeds after which nothing may be missed
local random = math.random
local pick, some, keep = values.pick, values.some, values.keep
local kind_of = values.kind_of

local left -- how often its callbacks and tasks may call
local depths -- callbacks within callbacks that call at random, by coroutine

local function count(map)
  local n = 0
  for _ in pairs(map) do
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
    error(pick { "random", values.any() })
  elseif chance == 2 then
    collectgarbage()
  elseif chance == 3 then
    coroutine.yield()
  end
end

values.callback, hostile.callback = callback, callback

--- What tasks do.
local function body(...)
  if coroutine.isyieldable() then
    values.note_thread(coroutine.running())
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

local names = {}

--- What can be called of an object: all methods of a type in C, and of a class
-- in Lua those that are public.
local function names_of(object, kind)
  if not names[kind] then
    local list = type(object) == "table"
      and manual.methods("libevent." .. kind) or nil
    if not list then
      list = {}
      for name in pairs(debug.getmetatable(object).__index) do
        list[#list + 1] = name
      end
      table.sort(list) -- so that a seed means the same in each run
    end
    names[kind] = list
  end
  return names[kind]
end

--- Puts what a call has returned into the pool, also what is in a list, or the
-- streams of a program.
local function keep_results(ok, result, ...)
  if ok then
    keep(result, ...)
  end
  if ok and type(result) == "table" then
    if kind_of(result) == "program" then
      keep(rawget(result, "stdin"), rawget(result, "stdout"))
    else
      keep(rawget(result, 1), rawget(result, 2))
    end
  end
end

local function call_method(object, name, arguments)
  local kind = kind_of(object)
  local full = ("libevent.%s:%s"):format(kind, name)
  local method = debug.getmetatable(object).__index[name]
  local results = table.pack(manual.call(full, method,
    arguments(object, name)))
  if name == "detach" and math.type(results[2]) == "integer" then
    posix.close(results[2]) -- a descriptor that was given away is nobody's
  end
  keep_results(table.unpack(results, 1, results.n))
end

--- Makes two streams that are connected.
local function connect(base)
  local one, other = libevent.socketpair()
  one, other = base:stream(one, values.options()),
    base:stream(other, values.options())
  if random(4) == 1 then
    toy.scramble(one, random(0, 255))
    toy.scramble(other, random(0, 255))
  end
  one:write(values.bytes())
  return one, other
end

--- What is no single call.
local others = {
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
  function() return some("condition"):hold(some "task") end,
  function() return pick(values.functions)(values.arguments()) end,
  function() return tostring(pick(values.pool)) end,
  function() return #some "queue" end,
  function() return hostile.deep(call) end,
  function()
    local closed <close> = pick(values.pool)
    return callback(closed)
  end,
  function()
    local held <close> = some "mutex":lock(random(0, 1) * 0.001)
    return callback(held)
  end,
  function()
    local permit <close> = some "semaphore":acquire(random(0, 1) * 0.001)
    return callback(permit)
  end,
  function()
    local log = libevent.log.with { fuzz = values.any() }
    return log[pick { "debug", "info", "warn", "error" }](values.arguments())
  end,
}

local of_modules = manual.functions(libevent)

local function call_function()
  local each = pick(of_modules)
  local name, fn = each.name, each.fn
  local instead, only = functions.instead[name], functions.only[name]
  local make = functions.arguments[name]
  if instead then
    return keep_results(manual.call(name, instead, fn))
  elseif only then
    make = only
  elseif not make or random(3) == 1 then
    make = values.arguments
  end
  return keep_results(manual.call(name, fn, make()))
end

--- Where tasks wait.
local waits = {
  stream = { "read", "readsome", "readuntil", "readframe", "peek", "write",
    "flush", "sendfile", "relay" },
  acceptor = { "accept" },
  condition = { "wait" },
  task = { "wait" },
  event = { "wait" },
  evconnlistener = { "accept" },
  future = { "wait" },
  mutex = { "lock" },
  process = { "wait" },
  program = { "wait" },
  queue = { "put", "get" },
  semaphore = { "acquire" },
  udp = { "recvfrom", "recvbatch", "sendto", "send", "sendbatch" },
}
local waiting = { "stream", "stream", "stream", "stream", "udp", "udp" }
for kind in pairs(waits) do
  waiting[#waiting + 1] = kind
end
table.sort(waiting)

local function wait()
  local kind = pick(waiting)
  local object = some(kind)
  if object then
    call_method(object, pick(waits[kind]), methods.guided)
  end
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
    keep_results(pcall(base.task, base, body))
    pcall(base.loop, base, "nowait")
  end
end

--- What tasks can use, for a start.
local function start(base)
  for _ = 1, 3 do
    keep_results(pcall(connect, base))
    keep_results(pcall(base.condition, base))
    keep_results(pcall(base.udp, base, "127.0.0.1:0"))
    keep_results(pcall(base.task, base, body))
  end
  keep_results(pcall(base.bufferevent, base))
  keep_results(pcall(base.pair, base))
end

--- Each kind is called about as often, however many there are; bases make what
-- there is.
local kinds = manual.kinds()
for _ = 1, 4 do
  kinds[#kinds + 1] = "event_base"
end

function call()
  local is_running = libevent.running() ~= nil
  if is_running and random(2) == 1 then
    return wait()
  elseif random(is_running and 3 or 6) == 1 then
    return call_function()
  elseif random(6) == 1 then
    return keep_results(pcall(pick(others)))
  end
  local object = random(4) > 1 and some(pick(kinds))
    or #values.pool > 0 and pick(values.pool)
  if not object then
    return
  end
  local name = pick(names_of(object, kind_of(object)))
  if name == "close" and kind_of(object) == "event_base" and random(10) > 1 then
    return
  end
  call_method(object, name, methods.arguments)
  if random(30) == 1 and #values.pool > 1 then
    table.remove(values.pool, random(#values.pool))
  end
end

--- Calls, and what goes on meanwhile.
local function step()
  if random(3) == 1 then
    turn()
  elseif random(20) == 1 then
    pause(random() * 0.001)
  end
  if #values.pool == 0 or random(100) == 1 then
    local base = libevent.event_base()
    keep(base)
    start(base)
  end
  if random(60) == 1 then
    keep_results(pcall(libevent.evbuffer, "x"))
    keep_results(pcall(libevent.socketpair))
  end
  call()
end

--- The same as the main task, which lets others run.
local function main()
  local base = libevent.base()
  local _ <close> = setmetatable({}, { __close = function()
    base:loopbreak()
  end })
  while left > 0 and values.calls > 0 do
    values.calls = values.calls - 1
    pcall(libevent.spawn, call)
    libevent.sleep(random(30) == 1 and 0.001 or 0)
  end
  local supervisor = some "supervisor"
  if supervisor then -- which takes a while
    pcall(libevent.timeout, 0.1, call_method, supervisor, "drain",
      methods.guided)
  end
end

local function prepare(n)
  math.randomseed(n)
  collectgarbage(n % 2 == 0 and "incremental" or "generational")
  values.start()
  left, depths, values.calls = nested, setmetatable({}, { __mode = "k" }), calls
  functions.reset()
  functions.budget = { programs = n % 4 == 0 and 6 or 0,
    supervisors = n % 4 == 0 and 2 or 0 }
  libevent.track(n % 3 == 0)
  warn "@off" -- nobody closes anything here
  keep(assert(libevent.event_base()))
  start(values.pool[1])
end

local function seed(n)
  prepare(n)
  for _ = 1, n % 2 == 0 and 20 or 0 do
    if values.calls > 0 then
      local base = some "event_base" or libevent.event_base()
      methods.limit(base, 2) -- main, and what looks after it, may be closed
      pcall(libevent.run, base, main)
    end
  end
  while values.calls > 0 do
    values.calls = values.calls - 1
    step()
  end
  left = 0
  functions.reset()
  values.finish()
  collectgarbage()
  collectgarbage()
end

--- The same in a child of its own, as deep as it gets: what Lua cannot call a
-- finalizer for is left over.
local function deep_seed(n)
  local pid = posix.fork()
  if pid == 0 then
    posix.alarm(25)
    hostile.may_be_deep = true
    local ok, message = xpcall(seed, debug.traceback, n)
    if not ok then
      stderr:write(message, "\n")
    end
    posix.exit(ok and 0 or 1)
  end
  local how, code = posix.wait(pid)
  if how ~= "exit" or code ~= 0 then
    error(("a child of its own: %s %d"):format(how, code))
  end
end

--- What must be after a seed as before.
local function state()
  return ("%d descriptors, %d children"):format(count(posix.descriptors()),
    count(functions.children()))
end

--- Where the descriptors lead.
local function leading()
  local list = {}
  for fd in pairs(posix.descriptors()) do
    list[#list + 1] = ("\n  %d %s"):format(fd,
      libevent.posix.readlink("/proc/self/fd/" .. fd))
  end
  return table.concat(list)
end

local function fail(...)
  stderr:write(string.format(...), "\n")
  functions.finish()
  os.exit(1, true)
end

functions.start()
posix.refused()
local before = state()
for n = first, first + seeds - 1 do
  posix.alarm(30)
  local run = (n % 10 == 5 or n % 20 == 10) and deep_seed or seed
  local ok, message = xpcall(run, debug.traceback, n)
  for _ = 1, 10 do -- what finalizers hold goes one by one
    if state() ~= before then
      collectgarbage()
    end
  end
  if ok and posix.refused() > 0 then -- callbacks within callbacks got too deep
    before = state()
  end
  if not ok or state() ~= before then
    fail("seed %d: %s", n,
      message or ("%s, not %s%s"):format(state(), before, leading()))
  end
end
if arg[3] then
  local file <close> = assert(io.open(arg[3], "w"))
  file:write(table.concat(manual.counts(), "\n"), "\n")
end
local missed = manual.missed()
if seeds >= enough and #missed > 0 then
  fail("missed:\n  %s", table.concat(missed, "\n  "))
end
functions.finish()
print(("%d seeds of %d calls"):format(seeds, calls))
