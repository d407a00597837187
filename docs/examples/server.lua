#!/usr/bin/env evrun
-- What the manual shows of servers.

local libevent = require "libevent"

local function echo(stream)
  for line in stream:lines() do
    stream:write(line, "\n")
  end
end

--- server:getsockname
do
  local server <close> = assert(libevent.serve("127.0.0.1:0", echo))
  print(server:getsockname()) --> 127.0.0.1:…
  local stream <close> = assert(libevent.connect(server:getsockname()))
  stream:write "hello\n"
  print(stream:read "l") --> hello
end

--- server:counters
do
  local server <close> = assert(libevent.serve("127.0.0.1:0", echo))
  local stream <close> = assert(libevent.connect(server:getsockname()))
  stream:write "hello\n"
  stream:read "l"
  local counters = server:counters()
  print(counters.open, counters.accepted, counters.failed) --> 1, 1, 0
end

--- server:is_closed
do
  local server
  server = assert(libevent.serve("127.0.0.1:0", function(stream)
    while not server:is_closed() do
      stream:write(os.date "%X\n")
      libevent.sleep(0.001)
    end
    stream:write "good bye"
  end))
  local stream <close> = assert(libevent.connect(server:getsockname()))
  libevent.spawn(server.drain, server, 10)
  print(stream:read "a") --> …good bye
end

--- server:drain
do
  local server <close> = assert(libevent.serve("127.0.0.1:0", echo))
  local stream <close> = assert(libevent.connect(server:getsockname()))
  stream:write "hello\n"
  print(stream:read "l")     --> hello
  print(server:drain(10, 0)) --> true
  print(stream:read "l")     --> nil
end

--- server:wait
do
  local server <close> = assert(libevent.serve("127.0.0.1:0", echo))
  libevent.after(0.001, server.close, server)
  print(server:wait()) --> true
end

--- server:close
do
  local server = assert(libevent.serve("127.0.0.1:0", echo))
  local address = server:getsockname()
  server:close()
  print(libevent.connect(address)) --> nil, connect: Connection refused, 111
end
