#!/usr/bin/env evrun
-- What the manual shows of datagrams.

local libevent = require "libevent"

local function here() -- a socket, at a port that the system chooses
  return assert(libevent.udp "127.0.0.1:0")
end

--- udp:fd
do
  local udp <close> = here()
  print(libevent.wait(udp:fd(), "r", 0.001)) --> nil, timed out, 110
end

--- udp:getsockname
do
  local udp <close> = here()
  print(udp:getsockname()) --> 127.0.0.1:…
end

--- udp:getpeername
do
  local one <close> = here()
  local other <close> = here()
  print(one:getpeername()) --> nil, …, 107
  one:connect(other:getsockname())
  print(one:getpeername() == other:getsockname()) --> true
end

--- udp:setsockopt
do
  local udp <close> = here()
  assert(udp:setsockopt("rcvbuf", 1 << 20)) -- for many that come at once
  assert(udp:setsockopt("broadcast", true))
end

--- udp:getsockopt
do
  local udp <close> = here()
  print(udp:getsockopt "broadcast") --> false
end

--- udp:setcb
do
  local one <close> = here()
  local other <close> = here()
  local came = libevent.future()
  one:setcb { read = function(_, data, peer)
    came:set(data, peer)
  end }
  other:sendto("hello", one:getsockname())
  print(came:wait()) --> hello, 127.0.0.1:…
end

--- udp:enable
do
  local one <close> = here()
  local other <close> = here()
  local came = libevent.future()
  one:setcb { read = function(_, data)
    came:set(data)
  end }
  one:disable()
  other:sendto("hello", one:getsockname())
  print(came:wait(0.001)) --> nil, timed out, 110
  one:enable()
  print(came:wait())      --> hello
end

--- udp:disable
do
  local one <close> = here()
  local other <close> = here()
  local count = 0
  one:setcb { read = function()
    count = count + 1
    one:disable() -- one is enough
  end }
  for _ = 1, 3 do
    other:sendto("hello", one:getsockname())
  end
  libevent.sleep(0.001)
  print(count) --> 1
end

--- udp:connect
do
  local nobody = here()
  local address = nobody:getsockname()
  nobody:close()
  local udp <close> = assert(libevent.udp())
  udp:connect(address)
  udp:send "is there anybody?"
  print(udp:recvfrom(10)) --> nil, recvfrom: Connection refused, 111
end

--- udp:join
do
  local udp <close> = assert(libevent.udp "0.0.0.0:0")
  assert(udp:join("239.255.77.7", "127.0.0.1"))
end

--- udp:leave
do
  local udp <close> = assert(libevent.udp "0.0.0.0:0")
  assert(udp:join("239.255.77.7", "127.0.0.1"))
  libevent.sleep(0.001) -- as long as it is of interest
  assert(udp:leave("239.255.77.7", "127.0.0.1"))
end

--- udp:recvfrom
do
  local one <close> = here()
  local other <close> = here()
  other:sendto("hello", one:getsockname())
  local data, peer = one:recvfrom(10)
  print(data, peer == other:getsockname()) --> hello, true
  print(one:recvfrom(0.001))               --> nil, timed out, 110
end

--- udp:recvbatch
do
  local one <close> = here()
  local other <close> = here()
  other:sendto("first", one:getsockname())
  other:sendto("second", one:getsockname())
  local list, n = one:recvbatch(64, 10)
  for i = 1, 2 * n, 2 do
    local data, peer = list[i], list[i + 1]
    print(data, peer)
  end
  --> first, 127.0.0.1:…
  --> second, 127.0.0.1:…
end

--- udp:sendto
do
  local one <close> = here()
  local other <close> = here()
  print(other:sendto("hello", one:getsockname())) --> 5
  print((one:recvfrom(10)))                       --> hello
end

--- udp:send
do
  local one <close> = here()
  local other <close> = here()
  other:connect(one:getsockname())
  print(other:send "hello") --> 5
  print((one:recvfrom(10))) --> hello
end

--- udp:sendbatch
do
  local one <close> = here()
  local other <close> = here()
  local address = one:getsockname()
  print(other:sendbatch { "first", address, "second", address }) --> 2
  local list = one:recvbatch(64, 10)
  print(list[1], list[3]) --> first, second
end
