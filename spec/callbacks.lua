--- Each kind of function that libevent can come to call: how to have it called
-- soon, once at least.

local libevent = require "libevent"
local posix = require "spec.posix"

local long = ("x"):rep(1000000)

--- Each arms a function with a base, and returns sockets that it needs.
local callbacks = {}

function callbacks.timer(base, fn)
  base:timer(fn):add(0)
end

function callbacks.descriptor(base, fn)
  local one, other = libevent.socketpair()
  base:event(one, "wp", fn):add()
  return one, other
end

callbacks["event that times out"] = function(base, fn)
  base:event(-1, "p", fn):add(0.001)
end

callbacks["event made active"] = function(base, fn)
  base:event(-1, "", fn):active()
end

function callbacks.signal(base, fn)
  base:signal("USR1", fn):add()
  for _ = 1, 3 do
    posix.raise(10)
  end
end

function callbacks.defer(base, fn)
  base:defer(fn)
end

--- An error for it, so it can only be armed where none is set.
function callbacks.on_error(base, fn)
  base:on_error(fn)
  base:timer(error):add(0)
end

--- A bufferevent with a callback that can still send and receive; the socket of
-- its peer.
local function bufferevent(base, which, fn)
  local one, other = libevent.socketpair()
  local bev = base:bufferevent(one)
  bev:setcb { [which] = fn }
  bev:enable "r"
  return bev, other
end

callbacks["bufferevent read"] = function(base, fn)
  local bev, peer = bufferevent(base, "read", fn)
  bev:write(long)
  posix.write(peer:fd(), "x")
  return peer
end

callbacks["bufferevent write"] = function(base, fn)
  local bev, peer = bufferevent(base, "write", fn)
  bev:write "x"
  return peer
end

callbacks["bufferevent end"] = function(base, fn)
  local _, peer = bufferevent(base, "event", fn)
  peer:close()
end

callbacks["bufferevent error"] = function(base, fn)
  local bev, peer = bufferevent(base, "event", fn)
  bev:disable "r"
  peer:close()
  bev:write "x"
end

callbacks["bufferevent timeout"] = function(base, fn)
  local bev, peer = bufferevent(base, "event", fn)
  bev:set_timeouts(0.001)
  return peer
end

callbacks["bufferevent connected"] = function(base, fn)
  local at = "unix:@lua-libevent-callbacks-" .. posix.getpid()
  local listener = assert(base:listener(at, { disabled = true }))
  local bev = base:bufferevent()
  bev:setcb { event = fn }
  assert(bev:connect(listener:getsockname()))
end

callbacks["bufferevent not connected"] = function(base, fn)
  local bev = base:bufferevent()
  bev:setcb { event = fn }
  assert(bev:connect "unix:/no/such/path")
end

callbacks["bufferevent change"] = function(base, fn)
  local bev, peer = bufferevent(base, "write")
  bev:input():add_cb(fn)
  posix.write(peer:fd(), "x")
  return peer
end

callbacks["pair read"] = function(base, fn)
  local one, two = base:pair()
  two:setcb { read = fn }
  two:enable "r"
  one:write(long)
end

callbacks["pair end"] = function(base, fn)
  local one, two = base:pair()
  two:setcb { event = fn }
  two:enable "r"
  one:close()
end

function callbacks.listener(base, fn)
  local listener = assert(base:listener("127.0.0.1:0", nil, fn))
  return (assert(libevent.socket_connect(listener:getsockname())))
end

--- A stream with a callback; the socket of its peer.
local function stream(base, which, fn)
  local one, other = libevent.socketpair()
  local self = base:stream(one)
  self:setcb { [which] = fn }
  return self, other
end

callbacks["stream read"] = function(base, fn)
  local self, peer = stream(base, "read", fn)
  self:write(long)
  posix.write(peer:fd(), "x")
  return peer
end

callbacks["stream write"] = function(base, fn)
  local self, peer = stream(base, "write", fn)
  self:write "x"
  return peer
end

callbacks["stream end"] = function(base, fn)
  local _, peer = stream(base, "event", fn)
  peer:close()
end

callbacks["stream timeout"] = function(base, fn)
  local self, peer = stream(base, "event", fn)
  self:timeouts(0.001)
  return peer
end

function callbacks.udp(base, fn)
  local udp = assert(base:udp "127.0.0.1:0")
  udp:setcb { read = fn }
  udp:sendto("x", udp:getsockname())
end

function callbacks.task(base, fn)
  base:task(fn)
end

callbacks["task that has waited"] = function(base, fn)
  local condition = base:condition()
  base:task(function()
    condition:wait()
    return fn(condition)
  end)
  base:timer(function()
    condition:signal()
  end):add(0)
end

callbacks["task that reads"] = function(base, fn)
  local one, other = libevent.socketpair()
  local self = base:stream(one)
  base:task(function()
    self:read()
    return fn(self)
  end)
  posix.write(other:fd(), "x")
  return other
end

return callbacks
