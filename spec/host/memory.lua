-- What memory.c runs with failing allocations: timers, events, signals,
-- deferred functions and errors, each once.

local libevent, posix = libevent, posix -- luacheck: ignore
libevent.track(true)
local base, reason = libevent.event_base {
  priorities = 2,
  avoid = { "select" },
}
if not base then
  error("memory: no base: " .. reason)
end

local count = 0
local function tick(timer)
  count = count + 1
  if count < 3 then
    timer:add(0)
  end
end

base:measure { slow = 0, on_slow = function(seconds, place)
  assert(seconds > 0 and place ~= "")
end }

for _ = 1, 40 do -- enough to make the heap and the slots grow
  base:timer(tick):add(0.0005)
end
local timer = base:timer(tick)
assert(timer:add(0))

local r, w
local guard <close> = setmetatable({}, { -- luacheck: ignore
  __close = function()
    base:close()
    if r then
      posix.close(r)
      posix.close(w)
    end
  end,
})
r, w = posix.pipe()

local reader = assert(base:event(r, "rp", function(event, what)
  assert(what == "r" and posix.read(r))
  event:del()
end))
assert(reader:add(5))
posix.write(w, "x")

local usr1 = base:signal("USR1", function(signal, name)
  assert(name == "USR1")
  signal:close()
end)
assert(usr1:add())
posix.raise(10)

base:defer(function()
  base:defer(function()
    count = count + 1
  end)
end)

base:timer(function()
  error "memory of an error"
end):add(0)

-- The error ends one loop; each call of loop may end for lack of memory.
local failed, why
for _ = 1, 3 do
  local ok, result, message = pcall(base.loop, base)
  why = ok and result
  failed = failed or not ok and result or message
  if message then
    error(message)
  end
end
-- There may be no memory for a traceback, nor for the error of an assert.
local caught, message = libevent.pcall(error, "memory of another", 0)
if caught ~= false or type(message) ~= "string" then
  error("a failure is taken for a success", 0)
end
assert(base:objects())
assert(base:counters().callbacks > 0)
assert(base:dump())
if not tostring(failed):find "memory of an error" or why ~= "empty" then
  error(failed or why)
end
