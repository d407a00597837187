#!/usr/bin/env evrun
-- What the manual shows of supervisors.

local libevent = require "libevent"

local echo = [[
  local libevent = require "libevent"
  libevent.serve(libevent.service.address(), function(stream)
    stream:relay(stream)
  end)
]]
local plan = { "evrun", "-e", echo, workers = 2, listen = "127.0.0.1:0" }

--- supervisor:wait_ready
do
  local supervisor <close> = assert(libevent.supervisor(plan))
  local ok, message = supervisor:wait_ready(30)
  assert(ok, message)
  local address = supervisor:status().workers[1].addresses[1]
  local stream <close> = assert(libevent.connect(address))
  stream:write "hello\n"
  print(stream:read "l") --> hello
end

--- supervisor:is_hopeless
do
  local supervisor <close> = assert(libevent.supervisor { "/no/such/program",
    write = print })
  while not supervisor:is_hopeless() do
    libevent.sleep(0.001)
  end
end

--- supervisor:failed
do
  local supervisor <close> = assert(libevent.supervisor { "evrun", "-e",
    "error 'no settings'", write = print })
  print(supervisor:wait_ready(30)) --> nil, worker 1: …
  print(table.concat(supervisor:failed(), " ")) --> 1
end

--- supervisor:status
do
  local supervisor <close> = assert(libevent.supervisor(plan))
  supervisor:wait_ready(30)
  local status = supervisor:status()
  for _, worker in ipairs(status.workers) do
    print(worker.worker, worker.state, worker.deaths)
  end
  --> 1, ready, 0
  --> 2, ready, 0
end

--- supervisor:reload
do
  local supervisor <close> = assert(libevent.supervisor(plan))
  supervisor:wait_ready(30)
  local before = supervisor:pids()[1]
  assert(supervisor:reload())
  print(supervisor:pids()[1] ~= before) --> true
  print(supervisor:status().reloads)    --> 1
end

--- supervisor:restart
do
  local supervisor <close> = assert(libevent.supervisor(plan))
  supervisor:wait_ready(30)
  assert(supervisor:restart(2))
  print(supervisor:restart(9)) --> nil, there is no worker 9, 2
end

--- supervisor:scale
do
  local supervisor <close> = assert(libevent.supervisor(plan))
  supervisor:wait_ready(30)
  assert(supervisor:scale(3))
  print(#supervisor:status().workers) --> 3
end

--- supervisor:pids
do
  local supervisor <close> = assert(libevent.supervisor(plan))
  supervisor:wait_ready(30)
  print(#supervisor:pids()) --> 2
end

--- supervisor:kill
do
  local supervisor <close> = assert(libevent.supervisor(plan))
  supervisor:wait_ready(30)
  supervisor:kill "USR1" -- such as: write what you have counted
end

--- supervisor:is_alive
do
  local supervisor <close> = assert(libevent.supervisor(plan))
  supervisor:wait_ready(30)
  if supervisor:is_alive() then
    libevent.notify "WATCHDOG=1" -- systemd need not start it again
  end
end

--- supervisor:drain
do
  local supervisor <close> = assert(libevent.supervisor(plan))
  supervisor:wait_ready(30)
  print(supervisor:drain(10)) --> 0
end

--- supervisor:close
do
  local supervisor = assert(libevent.supervisor(plan))
  supervisor:wait_ready(30)
  supervisor:close()
  print(supervisor:wait(30)) --> true
end

--- supervisor:wait
do
  local supervisor <close> = assert(libevent.supervisor(plan))
  libevent.after(0.001, supervisor.close, supervisor)
  print(supervisor:wait(30)) --> true
end
