--- Values that nobody should pass, and that nothing may take amiss.

local random = math.random

--- Who uses it fills in `callback`, and `threads`, coroutines of tasks.
local hostile = {}

--- Whether calls may be so deep that the collector cannot call finalizers.
hostile.may_be_deep = false

local function pick(list)
  return list[random(#list)]
end

local huge = ("0123456789abcdef"):rep(1 << 16)

local numbers = { 0, -0.0, -1, 0 / 0, 1 / 0, -1 / 0, 5e-324, -1e308, 1e9,
  1e9 + 0.5, 0x7fffffff, 0x80000000, 0xffffffff, -0x80000000, 2 ^ 53, 2 ^ 63,
  math.mininteger, math.maxinteger }

local strings = { "", "\0", "a\0b", "\xff\xfe", "%s%n", "127.0.0.1:99999",
  "127.0.0.1:0\0", "unix:", "unix:@" .. ("x"):rep(200), "nan", "0x1p4", "-1",
  ("a"):rep(300) }

local function call()
  return hostile.callback()
end

--- What a metamethod says of a table.
local function length()
  hostile.callback()
  return pick { 0, 1, 3, -1, 2 ^ 40 // 1 | 0, math.maxinteger, "x", 0.5 }
end

local function fails()
  error(hostile.any())
end

local events = { "index", "newindex", "len", "pairs", "tostring", "eq", "lt",
  "le", "concat", "call", "close", "gc", "unm", "add" }

--- A table whose metamethods fail, call, and say what is not so.
local function table_of()
  local metatable = { __name = pick { "libevent.stream", "\0", 5, false },
    __mode = pick { "k", "v", "x", 1 } }
  for _ = 1, random(0, 4) do
    metatable["__" .. pick(events)] = pick { call, length, fails, {} }
  end
  return setmetatable({ pick(strings), name = pick(numbers) }, metatable)
end

local function dead_thread()
  local thread = coroutine.create(pick { fails, function() end })
  coroutine.resume(thread)
  return thread
end

local function closed_file()
  local file = io.tmpfile()
  file:close()
  return file
end

local kinds = {
  function() return pick(numbers) end,
  function() return pick(strings) end,
  function() return random(4) == 1 and huge or "" end,
  table_of,
  table_of,
  function() return pick { fails, coroutine.yield, error, coroutine.running,
    collectgarbage, coroutine.wrap(call) } end,
  dead_thread,
  coroutine.running,
  closed_file,
  function() return pick(hostile.threads) end,
}

--- Calls a function from within n functions of C; of those Lua bears some 200.
function hostile.within(n, fn, ...)
  if n == 0 then
    return fn(...)
  end
  local arguments = table.pack(...)
  string.gsub("x", "x", function()
    hostile.within(n - 1, fn, table.unpack(arguments, 1, arguments.n))
  end)
end

--- Calls a function so deep that the collector can call no finalizer, or none
-- that calls much; catches its errors.
function hostile.deepest(fn, ...)
  local most = 0
  local function descend()
    most = most + 1
    string.gsub("x", "x", descend)
  end
  pcall(descend)
  pcall(hostile.within, most - random(3), fn, ...)
end

--- Calls a function, and then the collector, as deep as it may be.
function hostile.deep(fn)
  hostile.within(hostile.may_be_deep and random(100, 200) or 0, function()
    fn()
    collectgarbage()
  end)
end

--- One of them.
function hostile.any()
  return (pick(kinds)())
end

return hostile
