-- What memory.c runs with failing allocations: sockets that send and receive
-- datagrams, one by one, in batches and in callbacks, each once.

local libevent, posix = libevent, posix -- luacheck: ignore
local base, reason = libevent.event_base { avoid = { "select" } }
if not base then
  error("memory: no base: " .. reason)
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

local long = ("x"):rep(20000)
local got = {}

-- The last socket that is closed lets the loop end; so does the limit, where a
-- datagram was lost with the memory for it.
local one = check(base:udp("127.0.0.1:0", { multicast_interface = "lo" }))
local third = check(base:udp "127.0.0.1:0")
local fd = posix.datagram()
local owned, socket, why_not = pcall(libevent.socket, fd)
if not owned or not socket then
  posix.close(fd)
  check(nil, owned and why_not or socket)
end
local other = check(base:udp(socket))
local limit = base:timer(function()
  fail "memory: nothing comes any more"
  base:close()
end)
limit:add(5)

local function task(fn)
  base:task(function()
    local ok, message = pcall(fn)
    if not ok then
      fail(message)
      base:loopbreak()
    end
  end)
end

base:on_error(function(err)
  fail(err)
  base:loopbreak()
end)

task(function()
  got.first, got.peer = check(one:recvfrom(10))
  check(one:sendto(got.first .. "!", got.peer))
  got.n = 0
  while got.n < 2 do
    local list, n = check(one:recvbatch(10, 10))
    got.n = got.n + n
    check(one:sendbatch(list))
  end
  check(one:join("239.1.2.3", "127.0.0.1"))
  check(one:leave("239.1.2.3", "127.0.0.1"))
end)

task(function()
  local address = check(one:getsockname())
  check(other:connect(address))
  check(other:send(long))
  got.answer = check(other:recvfrom(10))
  check(other:sendbatch { "a", false, "b", address })
  got.a = check(other:recvfrom(10))
  got.b = check(other:recvfrom(10))
  check(third:setcb {
    read = function(self, data)
      got.called = data
      self:close()
      limit:close()
    end,
    error = function(_, message)
      fail(message)
    end,
  })
  check(third:sendto("to itself", (check(third:getsockname()))))
end)

local ok, why, message = pcall(base.loop, base)
if not ok or not why then
  fail(not ok and why or message)
end
if failed then
  error(failed, 0)
end
local sum = table.concat({ got.n, got.a, got.b, got.called }, ",")
if sum ~= "2,a,b,to itself" or got.answer ~= long .. "!" then
  error("memory: lost what it cost: " .. sum)
end
