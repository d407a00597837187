#!/usr/bin/env evrun
-- What the manual shows of services: of what starts by itself under evrun.

local libevent = require "libevent"
local service = libevent.service

--- service.address
do
  -- the socket that a monitor has opened, or else a port
  local address = service.address "127.0.0.1:0"
  local server <close> = assert(libevent.serve(address, print))
  print(server:getsockname()) --> 127.0.0.1:…

  print(service.address(nil, "admin")) --> nil, no socket was inherited, 2
end

--- service.sockets
do
  for i = 1, service.sockets() do
    assert(libevent.serve(service.address(nil, i), print))
  end
end

--- service.worker
do
  local number, name = service.worker()
  if number then
    libevent.log.info("a worker", { number = number, service = name })
  else
    print "runs alone" --> runs alone
  end
end

--- service.ready
do
  libevent.sleep(0.001) -- until all caches are warm
  service.ready()       -- now the monitor may end the worker before
end

--- service.status
do
  local jobs = 3
  service.status(jobs .. " jobs to do") -- for evrun ctl, and systemctl status
end

--- service.is_ending
do
  local rounds = 3
  while rounds > 0 and not service.is_ending() do
    libevent.sleep(0.001)
    rounds = rounds - 1
  end
end
