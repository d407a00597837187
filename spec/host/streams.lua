-- What memory.c runs with failing allocations: tasks that read, write, relay
-- and wait for one another over a listener and a pair, each way once.

local libevent, posix = libevent, posix -- luacheck: ignore
local base, why_not = libevent.event_base { avoid = { "select" } }
if not base then
  error("memory: no base: " .. why_not)
end

local guard <close> = setmetatable({}, { -- luacheck: ignore
  __close = function()
    base:close()
  end,
})

-- What has failed; lack of memory explains the rest.
local failed

local function fail(message)
  message = tostring(message)
  if not failed or message:find "[Mm]emory" and not failed:find "[Mm]emory" then
    failed = message
  end
end

local function check(value, message, code, ...)
  if not value then
    message = (message or "ended") .. (code == 12 and " (memory)" or "")
    fail(message)
    error(message, 0)
  end
  return value, message, code, ...
end

-- A relay that cannot begin leaves nothing pinned: what nobody holds then is
-- collected. So many, that each thing which a pin needs is missing once.
local function relays()
  local closing <close> = setmetatable({}, { __close = function(streams)
    for _, stream in ipairs(streams) do
      stream:close "now"
    end
  end })
  for _ = 1, 25 do
    local one, other = check(libevent.socketpair())
    local source, sink = base:stream(one), base:stream(other)
    sink:timeouts(nil, 10)
    check(sink:disable()) -- else a callback would pin it
    check(sink:setcb { event = print })
    local left = setmetatable({ source, sink }, { __mode = "v" })
    local ok, message = pcall(source.relay, source, sink)
    if ok then
      table.move(left, 1, 2, #closing + 1, closing)
    else -- there may be no memory for more than this
      source, sink = nil, nil -- luacheck: ignore
      collectgarbage()
      error(next(left) and "a stream stays" or message, 0)
    end
  end
end
relays()

-- What a failure leaves half done is dropped with the base.
local expired
local limit = base:timer(function()
  expired = true
  base:loopbreak()
end)
limit:add(0.2)

check(libevent.posix.readdir "/proc/self/task")
check(libevent.posix.lstat "/")
check(base:num_objects())

local long = ("long "):rep(8000)
local options = { linger = 0.01, max_line = 100, max_all = 1000000 }
local got, closing = {}, {}
local left = 0

--- Starts a task; the last one that ends lets the loop end.
local function start(fn)
  left = left + 1
  return base:task(function()
    local ok, result = pcall(fn)
    if not ok then
      fail(result)
    end
    left = left - 1
    if left == 0 then
      limit:close()
      for _, object in ipairs(closing) do
        object:close()
      end
    end
    return ok and result
  end)
end

local function closed_later(object)
  closing[#closing + 1] = object
  return object
end

-- The server answers with what a relay over a pair brings back.
local one, other = check(libevent.socketpair())
local front = closed_later(base:stream(one, options))
local back = closed_later(base:stream(other, options))

local listener = check(base:listener("127.0.0.1:0", {}, function(_, socket)
  local stream = closed_later(base:stream(socket, options))
  start(function()
    got.line = check(stream:read "l")
    got.more = check(stream:read "L")
    got.frame = check(stream:readframe ">s4")
    got.field = check(stream:readuntil "--")
    stream:unread "put back"
    got.back = check(stream:peek(8))
    check(stream:read(8))
    check(stream:relay(front))
    check(front:shutdown())
  end)
  start(function()
    check(front:relay(stream))
    check(stream:shutdown())
  end)
end))
closed_later(listener)

start(function() -- sends back what comes over the pair
  check(back:relay(back))
  check(back:shutdown())
end)

--- A stream to the listener.
local function connect()
  local address = check(listener:getsockname())
  local fd = posix.connect(tonumber(address:match ":(%d+)$"))
  local ok, socket, message = pcall(libevent.socket, fd)
  if not ok or not socket then
    posix.close(fd)
    check(nil, ok and message or socket)
  end
  return base:stream(socket, options)
end

local ready = base:condition "ready"
local lock = check(libevent.condition())

start(function()
  local stream = closed_later(connect())
  local reader = start(function()
    check(ready:wait())
    got.all = check(stream:read "a")
    return true
  end)
  libevent.sleep(0) -- until the reader waits
  check(stream:write("line\r\n", 1, { " more", "\n" },
    libevent.evbuffer(string.pack(">s4", "frame"))))
  check(stream:write "field--put back")
  for _ = 1, 10 do
    check(stream:write(long))
  end
  check(stream:sendfile("spec/host/echo.lua", 0, 100))
  ready:signal()
  check(stream:flush())
  check(stream:shutdown())
  check(reader:wait())
end)

start(function()
  local waiter = start(function()
    return check(lock:wait())
  end)
  libevent.sleep(0) -- until it waits
  check(lock:hold(waiter))
  check(lock:hold(libevent.running())) -- signals when this task has ended
end)

start(function()
  got.value = check(libevent.scope(function(scope)
    local sleeper = scope:spawn(libevent.sleep, 5)
    local child = scope:spawn(function(...)
      libevent.sleep(0)
      return ...
    end, 1, 2)
    got.first, got.second = check(child:wait())
    sleeper:cancel()
    local slept, why = sleeper:wait()
    if slept or why ~= "canceled" then
      fail "memory: not canceled"
    end
    return "value"
  end))
  local ok, why = libevent.timeout(0.001, libevent.sleep, 5)
  if ok or why ~= "timed out" then
    fail "memory: not timed out"
  end
end)

-- After an error the loop still turns; what would end it may have failed.
local function loop(mode)
  local ok, result, message = pcall(base.loop, base, mode)
  if not ok or not result then
    fail(not ok and result or message)
  end
end

loop()
for _ = 1, failed and 100 or 0 do
  loop "nowait"
end
if failed then
  error(failed, 0)
elseif expired then
  error "memory: nobody says what failed"
end
local sum = table.concat({ got.line, got.more, got.frame, got.field, got.back,
  got.value, got.first, got.second }, ",")
if sum ~= "line,1 more\n,frame,field,put back,value,1,2"
    or got.all:sub(1, -101) ~= "put back" .. long:rep(10) then
  error("memory: lost what it cost: " .. sum)
end
