-- Connections with a buffer on either side.

local libevent = require "libevent"

local base <close> = libevent.event_base { priorities = 3 }

--- Two bufferevents that are connected to each other.
local function connected()
  local one, other = assert(libevent.socketpair())
  return base:bufferevent(one), base:bufferevent(other)
end

--- bufferevent:connect
do
  local listener <close> = assert(base:listener("127.0.0.1:0"))
  local bev <close> = base:bufferevent()
  bev:setcb {
    event = function(_, what, _, message)
      print(what, message) --> connected, nil
      listener:close()
    end,
  }
  assert(bev:connect(listener:getsockname()))
  base:dispatch()
end

--- bufferevent:detach
do
  local client, server = connected()
  server:setcb {
    read = function(bev)
      if bev:input():readln() == "UPGRADE" then
        local socket, rest = bev:detach() -- goes on as something else
        print(rest) --> first data
        socket:close()
      end
    end,
  }
  server:enable "r"
  client:write "UPGRADE\r\nfirst data"
  client:close()
  base:dispatch()
end

--- bufferevent:disable
do
  local source, peer = connected()
  local slow <close> = base:bufferevent() -- has no connection yet
  source:setcb {
    read = function(bev)
      if slow:write(bev:read()) > 0 then
        bev:disable "r" -- until that is sent, nothing more is read
      end
    end,
  }
  source:enable "r"
  peer:write "more and more"
  base:loop "once"
  print(source:enabled(), #slow:output()) --> w, 13
  source:close "now"
  peer:close "now"
end

--- bufferevent:enable
do
  local client, server = connected()
  server:disable "w"
  server:write "the head, " -- is not sent yet,
  server:write "the body"   -- so that both leave together
  server:enable "w"
  client:setcb {
    read = function(bev)
      print(bev:read()) --> the head, the body
      bev:close()
      server:close()
    end,
  }
  client:enable "r"
  base:dispatch()
end

--- bufferevent:enabled
do
  local client, server = connected()
  server:setcb {
    event = function(bev)
      print(bev:enabled()) --> w
      bev:close() -- had it something to say, it still could
    end,
  }
  server:enable "r"
  print(server:enabled()) --> rw
  client:close()
  base:dispatch()
end

--- bufferevent:fd
do
  local one <close>, other = connected()
  local path = "/proc/self/fd/" .. one:fd()
  print(libevent.posix.readlink(path):match "^socket") --> socket
  print(base:pair():fd()) --> nil
  other:close "now"
end

--- bufferevent:flush
do
  local client, server = base:pair() -- tries a protocol out, without a loop
  client:write "HELO localhost\r\n"
  client:flush "w"
  print(server:input():readln()) --> HELO localhost
  client:close()
  server:close()
end

--- bufferevent:getcb
do
  local one, other = base:pair()
  one:setcb {
    read = function(bev)
      print("then " .. bev:read()) --> then the rest
      one:close()
      other:close()
    end,
  }
  local read, write, event = one:getcb()
  one:setwatermark("r", 4)
  one:setcb { -- looks at the first bytes, and puts back what was there
    read = function(bev)
      print("first " .. bev:read(4)) --> first HELO
      bev:setwatermark "r"
      bev:setcb { read = read, write = write, event = event }
      bev:trigger "r"
    end,
  }
  one:enable "r"
  other:write("HELO", "the rest")
  base:dispatch()
end

--- bufferevent:getpeername
do
  local listener <close> = assert(base:listener("127.0.0.1:0", nil,
    function(listener, socket)
      local bev <close> = base:bufferevent(socket)
      print((bev:getpeername():gsub(":%d+$", ""))) --> 127.0.0.1
      listener:close()
    end))
  local client <close> = base:bufferevent()
  client:connect(listener:getsockname())
  base:dispatch()
end

--- bufferevent:getsockname
do
  local listener <close> = assert(base:listener("127.0.0.1:0"))
  local address = listener:getsockname()
  local client <close> = base:bufferevent()
  client:connect(address)
  local here = client:getsockname()
  print(here:match "^(.*):", here ~= address) --> 127.0.0.1, true
end

--- bufferevent:getsockopt
do
  local listener <close> = assert(base:listener("127.0.0.1:0"))
  local client <close> = base:bufferevent()
  client:connect(listener:getsockname())
  print(client:getsockopt "nodelay") --> true
end

--- bufferevent:getwatermark
do
  local bev <close> = base:bufferevent()
  bev:setwatermark("r", 4, 65536)
  local low, high = bev:getwatermark "r"
  bev:setwatermark("r", low, 2 * high) -- grants twice as much
  print(bev:getwatermark "r") --> 4, 131072
end

--- bufferevent:idle
do
  local function close_if_idle(bev, seconds)
    local idle = bev:idle() -- nil while it has something to do
    if idle and idle >= seconds then
      bev:close()
    end
  end
  local client, server = connected()
  close_if_idle(server, 60)
  print(server:is_closed()) --> false
  close_if_idle(server, 0)
  print(server:is_closed()) --> true
  client:close()
end

--- bufferevent:input
do
  local client, server = connected()
  server:setcb {
    read = function(bev)
      for line in bev:input():lines() do -- what is no line yet stays there
        print("a line of " .. #line) --> a line of 10
      end
      print(bev:read()) --> and half
      bev:close()
    end,
  }
  server:enable "r"
  client:write "a request.\r\nand half"
  client:close()
  base:dispatch()
end

--- bufferevent:max_single_read
do
  local bev <close> = base:bufferevent()
  local usual = bev:max_single_read()
  bev:set_max_single_read(512) -- until the peer has logged in
  bev:set_max_single_read(usual)
  print(bev:max_single_read()) --> 16384
end

--- bufferevent:max_single_write
do
  local bev <close> = base:bufferevent()
  bev:set_max_single_write(bev:max_single_write() * 4) -- for big downloads
  print(bev:max_single_write()) --> 65536
end

--- bufferevent:output
do
  local reader, writer = connected()
  local lines = 0
  while #writer:output() < 100000 do -- the reader does not keep up
    writer:write(("a line of the news\n"):rep(1000))
    lines = lines + 1000
  end
  assert(lines > 5000)
  writer:close "now"
  reader:close "now"
end

--- bufferevent:partner
do
  local inside, outside = base:pair()
  print(inside:partner() == outside) --> true
  outside:close()
  print(inside:partner()) --> nil
  inside:close()
end

--- bufferevent:peercred
do
  local one <close>, other = connected()
  local pid, uid = one:peercred()
  assert(uid == libevent.posix.geteuid() and pid >= 0)
  other:close "now"
end

--- bufferevent:priority
do
  local bev <close> = base:bufferevent()
  if bev:priority() > 0 then
    bev:priority_set(bev:priority() - 1) -- this peer is in a hurry
  end
  print(bev:priority()) --> 0
end

--- bufferevent:priority_set
do
  local order = {}
  for priority, name in pairs { [2] = "bulk", [0] = "control" } do
    local peer, bev = connected()
    bev:priority_set(priority)
    bev:setcb {
      read = function()
        table.insert(order, name)
        bev:read()
        bev:close()
      end,
    }
    bev:enable "r"
    peer:write "both have something at the same time"
    peer:close()
  end
  base:dispatch()
  print(table.concat(order, ", ")) --> control, bulk
end

--- bufferevent:read
do
  local one, other = base:pair()
  one:setcb {
    read = function(bev)
      print(bev:read(5)) --> hello
      print(bev:read()) --> , and the rest
      print(bev:read()) --> nil
      one:close()
      other:close()
    end,
  }
  one:enable "r"
  other:write "hello, and the rest"
  base:dispatch()
end

--- bufferevent:read_buffer
do
  local client, server = connected()
  local body = libevent.evbuffer()
  server:setcb {
    read = function(bev)
      bev:read_buffer(body) -- moves it: no string is made
    end,
    event = function(bev)
      bev:close()
    end,
  }
  server:enable "r"
  client:write(("x"):rep(100000))
  client:close()
  base:dispatch()
  print(#body) --> 100000
end

--- bufferevent:set_max_single_read
do
  local client, server = connected()
  local turns = 0
  server:set_max_single_read(1000) -- so that others have their turn
  server:setcb {
    read = function(bev)
      turns = turns + 1
      bev:read()
    end,
    event = function(bev)
      bev:close()
    end,
  }
  server:enable "r"
  client:write(("x"):rep(3000))
  client:close()
  base:dispatch()
  print(turns) --> 3
end

--- bufferevent:set_max_single_write
do
  local bev <close> = base:bufferevent()
  bev:set_max_single_write(4096) -- a big answer makes no other one wait
  print(bev:max_single_write()) --> 4096
  bev:set_max_single_write() -- as at first
end

--- bufferevent:set_timeouts
do
  local silent, server = connected()
  server:set_timeouts(0.001, 60)
  server:setcb {
    event = function(bev, what, direction)
      print(what, direction) --> timeout, r
      bev:close "now"
      silent:close "now"
    end,
  }
  server:enable "r"
  base:dispatch()
end

--- bufferevent:setcb
do
  local client, server = connected()
  server:setcb {
    read = function(bev)
      bev:write(bev:read()) -- echoes
    end,
    event = function(bev) -- the end, an error or a timeout
      bev:close()
    end,
  }
  server:enable "r"
  client:setcb {
    read = function(bev)
      print(bev:read()) --> hello
      bev:close()
    end,
  }
  client:enable "r"
  client:write "hello"
  base:dispatch()
end

--- bufferevent:setfd
do
  local here, there = assert(libevent.socketpair())
  local bev <close> = base:bufferevent() -- has all but a connection
  bev:setcb {
    write = function()
      print "sent" --> sent
    end,
  }
  assert(bev:setfd(here))
  bev:write "hello"
  base:dispatch()
  there:close()
end

--- bufferevent:setsockopt
do
  local listener <close> = assert(base:listener("127.0.0.1:0"))
  local client <close> = base:bufferevent()
  client:connect(listener:getsockname())
  assert(client:setsockopt("keepalive", true)) -- asks a silent peer whether
  assert(client:setsockopt("keepidle", 60))    -- it is there, after a minute
end

--- bufferevent:setwatermark
do
  local client, server = connected()
  server:setwatermark("r", 10) -- a record has ten bytes
  server:setcb {
    read = function(bev)
      repeat -- more than one may have come
        print(bev:read(10)) --> 0123456789, abcdefghij
      until #bev:input() < 10
      bev:close()
    end,
  }
  server:enable "r"
  client:write "0123456789abcdefghij"
  client:close()
  base:dispatch()
end

--- bufferevent:shutdown
do
  local client, server = connected()
  server:setcb {
    event = function(bev, what) -- all has been asked: now it answers
      bev:write(#bev:read(), " bytes before ", what)
      bev:close()
    end,
  }
  server:enable "r"
  client:setcb {
    read = function(bev)
      print(bev:read()) --> 12 bytes before eof
      bev:close()
    end,
  }
  client:enable "r"
  client:write "the question"
  client:shutdown "w"
  base:dispatch()
end

--- bufferevent:trigger
do
  local one, other = base:pair()
  local jobs = { "first", "second" }
  one:setcb {
    write = function(bev) -- wants something to send
      bev:write(table.remove(jobs, 1) or "")
      if #jobs == 0 then
        bev:setcb()
      end
    end,
  }
  one:trigger "w" -- the first one makes the others follow
  other:enable "r"
  base:dispatch()
  print(other:read()) --> firstsecond
  one:close()
  other:close()
end

--- bufferevent:write
do
  local client, server = connected()
  local body = libevent.evbuffer "<p>It works.</p>"
  server:write("HTTP/1.0 200 OK\r\nContent-Length: ", #body, {
    "\r\nConnection: close", "\r\n\r\n" }, body) -- one packet
  server:close()
  client:setcb {
    read = function(bev)
      print(bev:input():readln()) --> HTTP/1.0 200 OK
      bev:close()
    end,
  }
  client:enable "r"
  base:dispatch()
end
