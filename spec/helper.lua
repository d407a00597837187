--- What the specs share: loops that clean up, counted callbacks, and checks
-- that nothing is left over.

local assert = require "luassert"
local interpreter = require "spec.interpreter"
local libevent = require "libevent"
local posix = require "spec.posix"

local helper = {}

local stress = os.getenv "LIBEVENT_STRESS"
helper.stress = stress ~= nil
helper.sanitized = os.getenv "LIBEVENT_SANITIZE" ~= nil

--- The directory of the modules under test, as in LUA_CPATH.
helper.build = os.getenv "BUILD" or "build"

-- Collecting in every callback is slow where there are many of them.
local collections = 1000
local steps = 97

-- Seconds after which a loop that does not end ends the whole run, by SIGALRM.
local limit = 60

local function count_keys(set)
  local n = 0
  for _ in pairs(set) do
    n = n + 1
  end
  return n
end

--- Returns how many descriptors are open.
function helper.descriptors()
  return count_keys(posix.descriptors())
end

--- Collects what is garbage. The userdata of an object goes when the collector
-- finds it for the second time, what it held when that is for the first.
function helper.collect()
  for _ = 1, 3 do
    collectgarbage()
  end
end

--- Runs a function while the collector takes every chance it gets.
local function under_stress(fn, ...)
  if not stress then
    return fn(...)
  end
  local mode = collectgarbage(stress)
  debug.sethook(function()
    collectgarbage "step"
  end, "", steps)
  local results = table.pack(pcall(fn, ...))
  debug.sethook()
  collectgarbage(mode)
  if not results[1] then
    error(results[2], 0)
  end
  return table.unpack(results, 2, results.n)
end

--- Fails unless a base has no objects that are still held, and as many
-- descriptors are open as before it was made; closes it.
local function leaves_nothing(base, before)
  if not base:is_closed() then
    collectgarbage()
    collectgarbage()
    assert.same({}, base:objects())
    base:close()
  end
  assert.equal(before, helper.descriptors(), "descriptors left open")
end

--- Returns a body for `it`: calls fn(base, expect), runs the loop, and fails
-- unless every expected callback came as often as expected and nothing is
-- left: no object, no descriptor, no error.
--
-- `expect(callback, n)` wraps a callback that must come n times (once by
-- default); in each a full collection runs first.
---@param fn fun(base: libevent.event_base, expect: function)
---@param options? table of libevent.event_base
function helper.loop(fn, options)
  return function()
    collectgarbage()
    local before = helper.descriptors()
    local base = assert(libevent.event_base(options))
    local expected, collected = {}, 0

    local function expect(callback, n)
      local call = { due = n or 1, came = 0 }
      expected[#expected + 1] = call
      return function(...)
        call.came = call.came + 1
        if collected < collections then
          collected = collected + 1
          collectgarbage()
        end
        if callback then
          return callback(...)
        end
      end
    end

    under_stress(function()
      fn(base, expect)
      if not base:is_closed() then
        posix.alarm(limit)
        assert(base:dispatch())
        posix.alarm(0)
      end
    end)
    for i, call in ipairs(expected) do
      assert.equal(call.due, call.came, "callback " .. i)
    end
    leaves_nothing(base, before)
  end
end

--- Returns a body for `it`: runs fn(base) as the main task, and fails unless
-- nothing is left: no object, no descriptor.
---@param fn fun(base: libevent.event_base)
function helper.run(fn)
  return function()
    collectgarbage()
    local before = helper.descriptors()
    local base = assert(libevent.event_base())
    under_stress(function()
      posix.alarm(limit)
      libevent.run(base, fn, base)
      posix.alarm(0)
    end)
    leaves_nothing(base, before)
  end
end

--- Two streams that are connected to each other, and a value for a <close>
-- variable that closes both.
function helper.streams(base, options)
  local one, other = assert(libevent.socketpair())
  one, other = base:stream(one, options), base:stream(other, options)
  return one, other, setmetatable({}, { __close = function()
    one:close()
    other:close()
  end })
end

--- The path of a new file, and a value for a <close> variable that removes it.
function helper.temporary(content)
  local name = os.tmpname()
  local file <close> = assert(io.open(name, "w"))
  assert(file:write(content))
  return name, setmetatable({}, { __close = function()
    os.remove(name)
  end })
end

--- Runs a function as a finalizer at the next allocation that may collect
-- garbage; `normal_collector` must follow.
function helper.at_next_allocation(fn)
  local collect = collectgarbage
  collect()
  collect "stop"
  setmetatable({}, { __gc = fn })
  collect("incremental", 100, 1000, 30)
  collect "restart"
end

function helper.normal_collector()
  collectgarbage("incremental", 200, 100, 13)
end

--- Leaves so many descriptors free; returns a function that undoes it.
function helper.exhaust(left)
  local taken, before = {}, posix.nofile(helper.descriptors() + 40)
  while true do
    local fd = posix.dup(0)
    if not fd then
      break
    end
    taken[#taken + 1] = fd
  end
  for _ = 1, left do
    posix.close(table.remove(taken))
  end
  return function()
    for _, fd in ipairs(taken) do
      posix.close(fd)
    end
    posix.nofile(before)
  end
end

--- A bufferevent on one end of a socketpair, and the descriptor of the other.
function helper.connected(base, options)
  local one, other = assert(libevent.socketpair())
  return base:bufferevent(one, options), other:detach()
end

--- Reads what a descriptor has; returns that, and what came last: `""` at the
-- end, nil where nothing more is there yet.
function helper.drain(fd)
  local parts = {}
  while true do
    local data = posix.read(fd)
    if not data or data == "" then
      return table.concat(parts), data
    end
    parts[#parts + 1] = data
  end
end

--- Runs Lua code in a process of its own; returns its output, and "exit" or
-- "signal" with the number.
---@param code string
---@param shell? string Commands before it, such as `ulimit -n 20;`.
function helper.script(code, shell)
  local name = os.tmpname()
  local file <close> = assert(io.open(name, "w"))
  if stress then
    file:write(("collectgarbage %q debug.sethook(function() "
      .. "collectgarbage 'step' end, '', %d) "):format(stress, steps))
  end
  file:write(code)
  file:close()
  local command = ("%s timeout -s KILL 60 %s %s 2>&1"):format(
    shell or "", interpreter.lua, name)
  local pipe = assert(io.popen(command))
  local output = pipe:read "a"
  local _, how, number = pipe:close()
  os.remove(name)
  return output, how, number
end

--- Runs Lua code in a process of its own; it must print `output` alone and end
-- with status 0.
function helper.prints(output, code, shell)
  local got, how, number = helper.script(code, shell)
  assert.same({ output, "exit", 0 }, { got, how, number })
end

--- Forks; the child runs the function and exits with 0, or with 1 if it fails.
-- Returns "exit" or "signal" with the number.
function helper.child(fn)
  io.stdout:flush()
  local pid = posix.fork()
  if pid == 0 then
    local ok, message = xpcall(fn, debug.traceback)
    if not ok then
      io.stderr:write(tostring(message), "\n")
    end
    posix.exit(ok and 0 or 1)
  end
  return posix.wait(pid)
end

--- A value of each kind, for bad arguments.
local samples = {
  { "boolean", true },
  { "table", {} },
  { "function", function() end },
  { "string", "no such thing" },
  { "number", -1.5 },
  { "number", 0 / 0 },
  { "number", math.huge },
  { "number", 2 ^ 62 },
  { "userdata", io.stderr },
  { "thread", coroutine.create(print) },
}

--- Whether a parameter accepts a sample; kinds are those of the signatures.
local accepts = {
  boolean = function(kind)
    return kind == "boolean"
  end,
  any = function()
    return true
  end,
  ["function"] = function(kind)
    return kind == "function"
  end,
  table = function(kind)
    return kind == "table"
  end,
  file = function(kind)
    return kind == "userdata"
  end,
  bytes = function(kind)
    return kind == "string"
  end,
  path = function(kind)
    return kind == "string"
  end,
  source = function(kind)
    return kind == "string" or kind == "userdata"
  end,
}

--- Calls a function with each bad value in each place; every call must raise
-- an error that names the argument.
--
-- The signature lists the kinds, such as `"seconds, ?string"`; `good` holds
-- values for the places before. `?` marks what may be nil.
---@param call function
---@param self any The first argument; numbering starts behind it.
---@param signature string
---@param good? any[]
function helper.badargs(call, self, signature, good)
  good = good or {}
  local place = 0
  -- Functions in Lua count as their callers do, C's count their object, too.
  local behind = debug.getinfo(call, "S").what == "C" and 1 or 0
  for optional, kind in signature:gmatch "(%??)([%w_]+)" do
    place = place + 1
    local function try(value, n)
      local args = table.move(good, 1, place - 1, 1, {})
      args[place] = value
      local ok, message = pcall(call, self, table.unpack(args, 1, n))
      local what = ("argument %d: %s"):format(place, tostring(value))
      assert.is_false(ok, what)
      assert.matches(("bad argument #%d "):format(place + behind), message, 1,
        true, what)
      if value == nil then
        assert.matches("got n[io]", message, 1, false, what)
      end
    end
    if optional == "" then
      try(nil, place - 1)
      try(nil, place)
    end
    for _, sample in ipairs(samples) do
      if not (accepts[kind] and accepts[kind](sample[1])) then
        try(sample[2], place)
      end
    end
  end
end

return helper
