-- A descriptor that something is going to take over.

local libevent = require "libevent"

local base <close> = libevent.event_base()
local listener <close> = assert(base:listener("127.0.0.1:0"))
local address = listener:getsockname()

--- socket:connected
do
  libevent.run(base, function()
    local socket <close> = assert(libevent.socket_connect(address))
    print(libevent.wait(socket, "w", 5)) --> w
    print(socket:connected()) --> true
  end)
end

--- socket:detach
do
  local socket = assert(libevent.socket_connect(address))
  local fd = socket:detach() -- for a library that is not ours, and closes it
  print(math.type(fd), socket:is_closed()) --> integer, true
  local back <close> = assert(libevent.socket(fd)) -- or for us, once more
  print(back:getpeername() == address) --> true
end

--- socket:fd
do
  local socket <close> = assert(libevent.socket_connect(address))
  local names = { [socket:fd()] = "metrics" }
  local event <close> = base:event(socket, "w", function(event)
    print(names[event:fd()] .. " can be sent") --> metrics can be sent
  end)
  event:add()
  base:dispatch()
end

--- socket:getpeername
do
  local socket <close> = assert(libevent.socket_connect(address))
  local host = socket:getpeername():match "^(.*):%d+$"
  local is_trusted = { ["127.0.0.1"] = true, ["[::1]"] = true }
  print(is_trusted[host] and "trusted" or host) --> trusted
end

--- socket:getsockname
do
  local socket <close> = assert(libevent.socket_connect(address))
  local port = tonumber(socket:getsockname():match ":(%d+)$")
  assert(port >= 1024) -- the system has chosen it
end

--- socket:getsockopt
do
  local socket <close> = assert(libevent.socket_connect(address))
  print(socket:getsockopt "error") --> 0
  print(socket:getsockopt "nodelay") --> true
  assert(socket:getsockopt "sndbuf" > 4096)
end

--- socket:peercred
do
  local here <close>, there = assert(libevent.socketpair())
  local pid, uid = here:peercred()
  print(pid == libevent.posix.getpid()) --> true
  print(uid == libevent.posix.geteuid() and "welcome" or "denied") --> welcome
  there:close()
end

--- socket:setsockopt
do
  local socket <close> = assert(libevent.socket_connect(address))
  assert(socket:setsockopt("keepalive", true)) -- finds out that a peer is gone
  assert(socket:setsockopt("keepidle", 60))    -- a minute after its last word
  assert(socket:setsockopt("keepcnt", 3))
  print(socket:getsockopt "keepidle") --> 60
end

--- socket:shutdown
do
  local here <close>, there = assert(libevent.socketpair())
  libevent.evbuffer "that is all":write(here)
  assert(here:shutdown "w")
  local input = libevent.evbuffer()
  print(input:read(there)) --> 11
  print(input:read(there)) --> nil
  there:close()
end
