--- What the fuzzer calls methods with: arguments that make sense, by method.

local functions = require "spec.fuzz.functions"
local libevent = require "libevent"
local values = require "spec.fuzz.values"

local random = math.random
local pick, perhaps = values.pick, values.perhaps
local some, is = values.some, values.is
local seconds, size, bytes = values.seconds, values.size, values.bytes
local options, callbacks, long = values.options, values.callbacks, values.long

local methods = {}

--- Those of streams.
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
      libevent.evbuffer(long), pick(values.pool) }
  end,
  flush = seconds,
  sendfile = function()
    return pick { "spec/fuzz/api.lua", values.file, "/", long },
      random(2) == 1 and size() or nil, random(2) == 1 and size() or nil,
      seconds()
  end,
  relay = function(stream)
    return random(5) == 1 and stream or some "stream",
      libevent.running() and seconds()
  end,
  setcb = function() return random(3) > 1 and callbacks() or nil end,
  timeouts = function() return seconds(), seconds() end,
  shutdown = function() return pick { nil, "r", "w", "rw" } end,
}

--- Where a socket of the pool receives datagrams.
local function receiver()
  local udp = some "udp"
  local ok, address = pcall(function()
    return udp:getsockname()
  end)
  return ok and address or "127.0.0.1:9"
end

--- Those of sockets for datagrams.
local of_udp = {
  recvfrom = seconds,
  recvbatch = function() return random(70), seconds() end,
  sendto = function() return bytes(), receiver(), seconds() end,
  send = function() return bytes(), seconds() end,
  sendbatch = function()
    local list = {}
    for i = 1, 2 * random(0, 70), 2 do
      list[i], list[i + 1] = tostring(i), pick { receiver(), receiver(), false }
    end
    return list, seconds()
  end,
  connect = function() return random(2) == 1 and receiver() or nil end,
  join = function()
    return pick { "239.1.2.3", "ff02::1" }, perhaps { "lo" }
  end,
  leave = function() return "239.1.2.3", perhaps { "lo" } end,
  setcb = function()
    return random(2) == 1 and { read = values.callback,
      error = random(2) == 1 and values.callback or nil } or nil
  end,
  enable = function() return "r" end,
  disable = function() return "r" end,
  setsockopt = function()
    return pick { "ttl", "multicast_ttl", "rcvbuf" }, random(300)
  end,
  getsockopt = function() return pick { "ttl", "multicast_interface" } end,
}

local function timeout()
  return random(5) > 1 and random() * 0.001 or perhaps { 0 }
end

local function moment()
  return random() * 0.001
end

local function kill()
  return perhaps { "TERM", "KILL", "CONT", 0 }
end

--- Those of classes in Lua, and of programs.
local of_classes = {
  acceptor = { accept = timeout },
  future = { wait = timeout, set = values.arguments, fail = values.any },
  mutex = { lock = timeout },
  process = { wait = seconds, kill = kill },
  program = { wait = timeout, kill = kill },
  queue = {
    put = function() return values.any() or 1, timeout() end,
    get = timeout,
  },
  semaphore = {
    acquire = timeout,
    release = function() return random(0, 2) end,
  },
  server = {
    drain = function() return moment(), moment() end,
    wait = timeout,
  },
  supervisor = {
    drain = moment,
    kill = function() return pick { "TERM", "USR1", 0 } end,
    restart = function() return random(0, 2) end,
    wait = timeout,
    wait_ready = timeout,
  },
}

--- An option of sockets, and what it may be.
local function option()
  return pick { "nodelay", "keepalive", "rcvbuf", "linger", "x" },
    pick { true, random(300) }
end

--- Those of the rest.
local sensible = {
  setsockopt = option,
  getsockopt = option,
  priority_set = function() return random(0, 1) end,
  flush = function()
    return pick { "r", "w", "rw" }, pick { "normal", "flush", "finished" }
  end,
  getwatermark = function() return pick { "r", "w" } end,
  trigger = function() return pick { "r", "w", "rw" } end,
  setfd = function() return (libevent.socketpair()) end,
  add_buffer_reference = function() return some "evbuffer" end,
  expand = size,
  search = bytes,
  remove_buffer = function() return some "evbuffer", size() end,
  process = function()
    return functions.program {}, pick { nil, {}, { group = true },
      { env = { A = "b" } }, { limits = { nofile = 100 } },
      { fds = { [0] = values.file } }, { session = true, directory = "/" } }
  end,
  udp = function()
    return pick { "127.0.0.1:0", "[::1]:0", false } or nil,
      { ttl = random(10), broadcast = random(2) == 1 }
  end,
  stream = function()
    return (libevent.socketpair()), options()
  end,
  task = function() return values.body, "argument" end,
  spawn = function() return values.body end,
  wait = function() return seconds() end,
  name = function() return perhaps { "name" } end,
  signal = function(object)
    if is(object, "condition") then
      return random(2)
    end
    return pick { "USR1", "USR2", 34 }, values.callback
  end,
  on_error = function() return perhaps { values.callback } end,
  timer = function() return values.callback end,
  measure = function()
    return pick { false, {}, { slow = pick { 0, 1e-5, 0.1 },
      on_slow = random(2) == 1 and values.callback or nil } }
  end,
  defer = function() return values.callback end,
  event = function()
    return pick { -1, values.pool.r, values.pool.w },
      pick { "", "r", "wp", "rp" }, values.callback
  end,
  add = function(object)
    if is(object, "evbuffer") then
      return pick { "x", long, pick(values.pool) }
    end
    return random() * 0.01
  end,
  listener = function()
    return "127.0.0.1:0", { disabled = random(3) == 1 }, values.callback
  end,
  bufferevent = function()
    return pick { false, false, (libevent.socketpair()) } or nil,
      { linger = random(0, 1) * 0.01 }
  end,
  connect = functions.address,
  setcb = function(object)
    return is(object, "bufferevent") and callbacks()
      or values.callback
  end,
  add_cb = function() return values.callback end,
  enable = function() return "rw" end,
  disable = function() return pick { "r", "w" } end,
  write = function(object)
    if is(object, "evbuffer") then
      return values.pool.w
    end
    return pick { "x", long, pick(values.pool) }, "y"
  end,
  read = function(object)
    return is(object, "evbuffer") and values.pool.r or random(100)
  end,
  read_buffer = function()
    return some "evbuffer" or libevent.evbuffer(), size()
  end,
  setwatermark = function() return "rw", random(0, 4), random(4, 20) end,
  set_timeouts = function() return 0.001, 0.001 end,
  shutdown = function() return pick { "r", "w", "rw" } end,
  close = function() return perhaps { "now" } end,
}

of_classes.stream, of_classes.udp = of_streams, of_udp

--- Arguments for a method, the object first.
function methods.guided(object, name)
  local own = of_classes[values.kind_of(object)]
  local make = own and own[name] or sensible[name]
  if make then
    return object, make(object)
  end
  return object, values.arguments()
end

--- Lets a loop end after some time.
local function limit(base, time)
  pcall(function()
    base:timer(function() base:loopbreak() end):add(time)
  end)
end

methods.limit = limit

--- A call that is never made with arguments at random, and why.
local only = {
  -- A loop that waits may have nothing else to wake it.
  ["event_base:loop"] = function(base)
    local mode = pick { "nowait", "nowait", "once", "forever", "bad" }
    if mode == "once" or mode == "forever" then
      limit(base, 0.001)
    end
    return mode
  end,
  ["event_base:dispatch"] = function(base)
    limit(base, 0.001)
  end,
  -- A number at random may be a descriptor of somebody else.
  ["evbuffer:read"] = sensible.read,
  ["evbuffer:write"] = sensible.write,
  -- Some numbers are many processes.
  ["supervisor:scale"] = function()
    return pick { 1, 2, 0, math.maxinteger, 1.5, "x" }
  end,
}

--- Arguments for a method that are good or bad, the object first.
function methods.arguments(object, name)
  local make = only[values.kind_of(object) .. ":" .. name]
  if make then
    return object, make(object)
  elseif random(3) > 1 then
    return methods.guided(object, name)
  end
  return random(20) == 1 and values.any() or object, values.arguments()
end

return methods
