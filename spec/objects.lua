--- Objects of each type, and functions that make them.

local libevent = require "libevent"

local objects = {}

--- Each makes one of a base, which is idle, with a callback if it has any.
objects.idle = {
  timer = function(base, fn)
    return base:timer(fn)
  end,
  event = function(base, fn)
    return base:event(-1, "", fn)
  end,
  signal = function(base, fn)
    return base:signal("USR1", fn)
  end,
  evconnlistener = function(base, fn)
    return base:listener("127.0.0.1:0", { disabled = true }, fn)
  end,
  bufferevent = function(base, fn)
    local bev = base:bufferevent((libevent.socketpair()))
    bev:setcb { read = fn, write = fn, event = fn }
    bev:input():add_cb(fn)
    return bev
  end,
  ["end of a pair"] = function(base, fn)
    local bev = base:pair()
    bev:setcb { read = fn, write = fn, event = fn }
    return bev
  end,
  ["view of a bufferevent"] = function(base, fn)
    local bev = base:bufferevent((libevent.socketpair()))
    bev:input():add_cb(fn)
    return bev:input()
  end,
  stream = function(base, fn)
    local stream = base:stream((libevent.socketpair()))
    stream:setcb { write = fn }
    return stream
  end,
  udp = function(base)
    return base:udp "127.0.0.1:0"
  end,
  condition = function(base)
    return base:condition()
  end,
  socket = function()
    return (libevent.socketpair())
  end,
  evbuffer = function(_, fn)
    local buffer = libevent.evbuffer "x"
    buffer:add_cb(fn)
    return buffer
  end,
}

--- Each makes one of a base, which ends by itself or is closed.
objects.pending = {
  task = function(base, fn)
    return base:task(fn)
  end,
  process = function(base)
    return base:process { "sleep", "100" }
  end,
}

return objects
