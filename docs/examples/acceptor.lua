#!/usr/bin/env evrun
-- What the manual shows of acceptors.

local libevent = require "libevent"

--- acceptor:accept
do
  local acceptor <close> = assert(libevent.listen "127.0.0.1:0")
  local client <close> = assert(libevent.connect(acceptor:getsockname()))
  local stream <close>, peer = acceptor:accept()
  print(peer == client:getsockname()) --> true
  stream:write "welcome\n"
  print(client:read "l")              --> welcome
  print(acceptor:accept(0.001))       --> nil, timed out, 110
end

--- acceptor:accepts
do
  local acceptor <close> = assert(libevent.listen "127.0.0.1:0")
  libevent.spawn(function()
    local client <close> = assert(libevent.connect(acceptor:getsockname()))
    print(client:read "a") --> one at a time
    acceptor:close()
  end)
  for stream in acceptor:accepts() do
    stream:write "one at a time"
    stream:close()
  end
end

--- acceptor:getsockname
do
  local acceptor <close> = assert(libevent.listen "127.0.0.1:0")
  print(acceptor:getsockname()) --> 127.0.0.1:…
end

--- acceptor:fd
do
  local acceptor <close> = assert(libevent.listen "127.0.0.1:0")
  local program <close> = assert(libevent.process.start { "sh", "-c",
    "test -S /dev/fd/3", fds = { [3] = acceptor:fd() } })
  print(program:wait()) --> exit, 0
end

--- acceptor:close
do
  local acceptor = assert(libevent.listen "127.0.0.1:0")
  local waiting = libevent.spawn(acceptor.accept, acceptor)
  libevent.sleep(0)
  acceptor:close()
  print(waiting:wait()) --> nil, closed, 125
end
