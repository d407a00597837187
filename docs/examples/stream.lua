#!/usr/bin/env evrun
-- What the manual shows of streams.

local libevent = require "libevent"
local base = libevent.base()

local function connection(options) -- a stream, and that of its peer
  local one, other = assert(libevent.socketpair())
  return base:stream(one, options), base:stream(other)
end

--- stream:error
do
  local stream <close>, peer = connection { max_line = 1000 }
  peer:write("short\n", ("long"):rep(1000), "\n")
  for line in stream:lines() do
    print(line) --> short
  end
  print(stream:error()) --> Message too long, 90
  peer:close()
end

--- stream:pending
do
  local stream <close>, peer = connection()
  peer:write "12345678"
  stream:read(3)
  print(stream:pending()) --> 5, 0
  peer:close()
end

--- stream:idle
do
  local stream <close>, peer = connection()
  peer:write "hello"
  print(stream:read()) --> hello
  local seconds = stream:idle()
  if seconds and seconds > 300 then
    stream:close()
  end
  peer:close()
end

--- stream:fd
do
  local stream <close>, peer = connection()
  local program <close> = assert(libevent.process.start { "echo", "from afar",
    stdout = stream:fd() })
  print(program:wait())  --> exit, 0
  print(peer:read "l")   --> from afar
  peer:close()
end

--- stream:getsockname
do
  local acceptor <close> = assert(libevent.listen "127.0.0.1:0")
  local stream <close> = assert(libevent.connect(acceptor:getsockname()))
  print(stream:getsockname()) --> 127.0.0.1:…
end

--- stream:getpeername
do
  local acceptor <close> = assert(libevent.listen "127.0.0.1:0")
  local stream <close> = assert(libevent.connect(acceptor:getsockname()))
  print(stream:getpeername() == acceptor:getsockname()) --> true
end

--- stream:setsockopt
do
  local acceptor <close> = assert(libevent.listen "127.0.0.1:0")
  local stream <close> = assert(libevent.connect(acceptor:getsockname()))
  assert(stream:setsockopt("keepalive", true)) -- asks a silent peer whether
  assert(stream:setsockopt("keepidle", 60))    -- it is there, after a minute
end

--- stream:getsockopt
do
  local acceptor <close> = assert(libevent.listen "127.0.0.1:0")
  local stream <close> = assert(libevent.connect(acceptor:getsockname()))
  print(stream:getsockopt "nodelay") --> true
end

--- stream:peercred
do
  local stream <close>, peer = connection()
  local pid, uid = stream:peercred()
  assert(uid == libevent.posix.geteuid() and pid >= 0)
  peer:close()
end

--- stream:detach
do
  local stream, peer = connection()
  peer:write "STARTTLS\nand more"
  print(stream:read "l") --> STARTTLS
  local socket <close>, input = stream:detach()
  print(input) --> and more
  socket:shutdown "rw"
  peer:close()
end

--- stream:timeouts
do
  local stream <close>, peer = connection()
  stream:timeouts(0.001, 60)
  print(stream:read "l") --> nil, timed out, 110
  stream:timeouts()      -- waits for ever again
  peer:close()
end

--- stream:setcb
do
  local stream <close>, peer = connection()
  local ended = libevent.future()
  stream:setcb {
    read = function(_, data)
      print(data) --> hello
    end,
    event = function(_, what)
      ended:set(what)
    end,
  }
  peer:write "hello"
  peer:close()
  print(ended:wait()) --> eof
end

--- stream:getcb
do
  local stream <close>, peer = connection()
  stream:setcb { read = print }
  print(stream:getcb() == print) --> true
  peer:close()
end

--- stream:enable
do
  local stream <close>, peer = connection()
  local got = libevent.future()
  stream:setcb { read = function(_, data)
    got:set(data)
  end }
  stream:disable()
  peer:write "hello"
  print(got:wait(0.001)) --> nil, timed out, 110
  stream:enable()
  print(got:wait())      --> hello
  peer:close()
end

--- stream:disable
do
  local stream <close>, peer = connection()
  local order = libevent.future()
  stream:setcb { read = function(_, data)
    stream:disable() -- no other one before this is done
    order:set(data)
  end }
  peer:write "a pot of tea"
  print(order:wait())    --> a pot of tea
  print(stream:enable()) --> true
  peer:close()
end

--- stream:read
do
  local stream <close>, peer = connection()
  peer:write "a line\n12345the rest"
  peer:close()
  print(stream:read "l") --> a line
  print(stream:read(5))  --> 12345
  print(stream:read "a") --> the rest
  print(stream:read "l") --> nil
end

--- stream:readsome
do
  local stream <close>, peer = connection()
  peer:write "0123456789"
  print(stream:readsome(4))    --> 0123
  print(stream:readsome(4000)) --> 456789
  peer:close()
end

--- stream:readuntil
do
  local stream <close>, peer = connection()
  peer:write "Host: here\r\nAccept: all\r\n\r\n<html>"
  print(#stream:readuntil "\r\n\r\n") --> 23
  print(stream:read())                --> <html>
  peer:close()
end

--- stream:readframe
do
  local stream <close>, peer = connection()
  peer:write(string.pack(">s2", "a frame"), string.pack(">s2", "another one"))
  print(stream:readframe ">s2")      --> a frame
  print(stream:readframe(">s2", 10)) --> nil, …, 90
  peer:close()
end

--- stream:peek
do
  local stream <close>, peer = connection()
  peer:write "GET / HTTP/1.1\r\n"
  if stream:peek(1) == "\x16" then
    print "TLS"
  else
    print(stream:read "l") --> GET / HTTP/1.1
  end
  peer:close()
end

--- stream:unread
do
  local stream <close>, peer = connection()
  peer:write "from=here to=there "
  local word = stream:readuntil " "
  stream:unread(word .. " ") -- somebody else shall read that
  print(stream:readuntil " ") --> from=here
  peer:close()
end

--- stream:lines
do
  local stream <close>, peer = connection()
  peer:write "one\ntwo\nthree"
  peer:close()
  for line in stream:lines() do
    print(line) --> one, two, three
  end
  assert(not stream:error())
end

--- stream:relay
do
  local near <close>, browser = connection()
  local far <close>, server = connection()
  browser:write "GET /"
  browser:shutdown()
  print(near:relay(far)) --> 5
  far:shutdown() -- the end is passed on, too
  print(server:read "a") --> GET /
  browser:close()
  server:close()
end

--- stream:sendfile
do
  local stream <close>, peer = connection()
  local file <close> = io.tmpfile()
  file:write "head and tail"
  print(stream:sendfile(file, 9)) --> 4
  print(peer:read(4))             --> tail
  peer:close()
end

--- stream:write
do
  local stream <close>, peer = connection()
  local pending, message = stream:write("HTTP/1.1 200 OK", "\r\n\r\n")
  print(pending, message) --> 0, nil
  print(peer:read "l")    --> HTTP/1.1 200 OK
  peer:close()
end

--- stream:flush
do
  local stream <close>, peer = connection()
  libevent.spawn(function()
    print(#peer:read(1000000)) --> 1000000
    peer:close()
  end)
  stream:write(("x"):rep(1000000))
  print(stream:flush(10)) --> 0
end

--- stream:shutdown
do
  local stream <close>, peer = connection()
  libevent.spawn(function()
    peer:write("you said: ", peer:read "a")
    peer:close()
  end)
  stream:write "that is all"
  stream:shutdown()
  print(stream:read "a") --> you said: that is all
end
