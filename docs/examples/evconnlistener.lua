-- Whoever connects, and when they are let in.

local libevent = require "libevent"

local base <close> = libevent.event_base()

--- A client that connects.
local function connect(listener)
  return (assert(libevent.socket_connect(listener:getsockname())))
end

--- evconnlistener:accept
do
  libevent.run(base, function()
    local listener <close> = assert(base:listener("127.0.0.1:0"))
    local client <close> = connect(listener)
    local socket, peer = assert(listener:accept(5))
    print(peer == client:getsockname()) --> true
    socket:close()
  end)
end

--- evconnlistener:disable
do
  local free = 2
  local listener <close> = assert(base:listener("127.0.0.1:0", nil,
    function(listener, socket)
      free = free - 1
      if free == 0 then
        listener:disable() -- who comes now waits in the system
      end
      socket:close()
    end))
  local _ <close> = connect(listener)
  local _ <close> = connect(listener)
  base:dispatch()
  print(free) --> 0
end

--- evconnlistener:enable
do
  local options = { disabled = true }
  local listener <close> = assert(base:listener("127.0.0.1:0", options,
    function(listener, socket)
      print "the first one is served" --> the first one is served
      socket:close()
      listener:close()
    end))
  local _ <close> = connect(listener) -- may wait a little
  base:timer(function() -- everything is loaded
    assert(listener:enable())
  end):add(0.001)
  base:dispatch()
end

--- evconnlistener:fd
do
  libevent.run(base, function()
    local listener <close> = assert(base:listener("127.0.0.1:0"))
    local _ <close> = connect(listener)
    print(libevent.wait(listener:fd(), "r", 5)) --> r
    -- Somebody is there: time to start the program that inherits it.
  end)
end

--- evconnlistener:getsockname
do
  local listener <close> = assert(base:listener("127.0.0.1:0"))
  local host, port = listener:getsockname():match "^(.*):(%d+)$"
  print(host) --> 127.0.0.1
  assert(tonumber(port) > 0) -- clients have to be told
end

--- evconnlistener:set_error_cb
do
  local full = 0
  local listener <close> = assert(base:listener("127.0.0.1:0"))
  listener:set_error_cb(function(_, message, code)
    if code == libevent.errno.EMFILE then
      full = full + 1 -- no descriptors are left; it tries again by itself
    else
      io.stderr:write(message, "\n")
    end
  end)
  print(full) --> 0
end

--- evconnlistener:setcb
do
  local listener <close> = assert(base:listener("127.0.0.1:0", nil, error))
  listener:setcb(function(_, socket)
    libevent.evbuffer "closed for today\n":write(socket)
    socket:close()
    listener:close()
  end)
  local input, client <close> = libevent.evbuffer(), connect(listener)
  base:dispatch()
  input:read(client)
  print(input:readln()) --> closed for today
end

--- evconnlistener:waiting
do
  local served = 0
  local listener = assert(base:listener("127.0.0.1:0", nil,
    function(_, socket)
      served = served + 1
      socket:close()
    end))
  local client <close> = connect(listener)
  while listener:waiting() do -- who has come already is not turned away
    base:loop "once"
  end
  listener:close()
  print(served, client:connected()) --> 1, true
end
