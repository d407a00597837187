--- What the fuzzer calls with: values of every kind, and arguments that make
-- sense for a method.

local libevent = require "libevent"

local random = math.random

--- Who uses it fills in `pool`, the objects there are, `threads`, coroutines of
-- tasks, `callback`, and `body`, what tasks do.
local values = {}

--- A file of the io library, which no call may keep.
values.file = io.tmpfile()

local long = ("long "):rep(10000) -- goes into buffers by reference

local function pick(list)
  return list[random(#list)]
end

values.pick = pick

local function is(object, kind)
  return tostring(object):find("libevent." .. kind .. ":", 1, true) ~= nil
end

--- An object of that kind, if one is found.
local function some(kind)
  for _ = 1, 20 do
    local object = pick(values.pool)
    if is(object, kind) then
      return object
    end
  end
end

local kinds = {
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
  function() return values.callback end,
  function() return values.callback end,
  function() return values.body end,
  function() return {} end,
  function() return { priorities = random(0, 4), avoid = { "epoll" } } end,
  function() return pick(values.pool) end,
  function() return random(2) == 1 end,
  function() return values.file end,
  function() return coroutine.create(values.callback) end,
  function() return pick(values.threads) end,
  function() return setmetatable({}, { __gc = values.callback }) end,
}

function values.any()
  return pick(kinds)()
end

function values.arguments()
  local n = random(0, 4)
  local list = { n = n }
  for i = 1, n do
    list[i] = values.any()
  end
  return table.unpack(list, 1, n)
end

local function callbacks()
  return { read = random(2) == 1 and values.callback or nil,
    write = random(2) == 1 and values.callback or nil,
    event = random(2) == 1 and values.callback or nil }
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

--- Makes what tasks wait on; `shared` lists functions that use it.
function values.share()
  local queue = libevent.queue(pick { 1, 2, nil })
  local semaphore, mutex = libevent.semaphore(1), libevent.mutex()
  local future = libevent.future()
  values.shared = {
    function() return queue:put(values.any(), seconds()) end,
    function() return queue:get(seconds()) end,
    function() return #queue, tostring(queue) end,
    function() return random(9) == 1 and queue:close() end,
    function()
      local permit <close> = semaphore:acquire(seconds())
      return values.callback(permit)
    end,
    function() return semaphore:release(random(0, 1)) end,
    function()
      local held <close> = mutex:lock(seconds())
      return values.callback(held)
    end,
    function() return pick { mutex.lock, mutex.unlock, tostring }(mutex) end,
    function() return future:wait(seconds()) end,
    function() return random(9) == 1 and future:set(values.any()) end,
  }
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
    return pick { "239.1.2.3", "ff02::1" }, pick { "lo", nil }
  end,
  leave = function() return "239.1.2.3", pick { "lo", nil } end,
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

local sensible = {
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
  name = function() return pick { "name", nil } end,
  signal = function(object)
    if is(object, "condition") then
      return random(2)
    end
    return pick { "USR1", "USR2", 34 }, values.callback
  end,
  on_error = function() return pick { values.callback, nil } end,
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
    if tostring(object):find "evbuffer" then
      return pick { "x", long, pick(values.pool) }
    end
    return random() * 0.01
  end,
  listener = function()
    return "127.0.0.1:0", { disabled = random(3) == 1 }, values.callback
  end,
  bufferevent = function()
    return pick { false, pick(values.pool), (libevent.socketpair()) } or nil,
      { defer = random(3) == 1, linger = random(0, 1) }
  end,
  connect = function()
    local ok, address = pcall(function(target)
      return target:getsockname()
    end, pick(values.pool))
    return ok and address or "unix:/nowhere"
  end,
  setcb = function(object)
    return tostring(object):find "bufferevent" and callbacks()
      or values.callback
  end,
  add_cb = function() return values.callback end,
  enable = function() return "rw" end,
  write = function(object)
    if tostring(object):find "evbuffer" then
      return values.pool.w
    end
    return pick { "x", long, pick(values.pool) }, "y"
  end,
  read = function(object)
    return tostring(object):find "evbuffer" and values.pool.r or random(100)
  end,
  read_buffer = function()
    return some "evbuffer" or libevent.evbuffer(), size()
  end,
  setwatermark = function() return "rw", random(0, 4), random(4, 20) end,
  set_timeouts = function() return 0.001, 0.001 end,
  shutdown = function() return pick { "r", "w", "rw" } end,
  close = function() return pick { "now", nil } end,
}

function values.guided(object, name)
  local make = is(object, "stream") and of_streams[name]
    or is(object, "udp") and of_udp[name] or sensible[name]
  if make then
    return object, make(object)
  end
  return object, values.arguments()
end

values.some, values.seconds = some, seconds
values.bytes, values.options = bytes, options

return values
