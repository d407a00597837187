#!/usr/bin/env evrun
-- What the manual shows of processes.

local libevent = require "libevent"
local process = libevent.process
local base = libevent.base()

--- process.run
do
  local count = process.run({ "wc", "-w" }, "to be or not to be")
  print(count.how, count.what, tonumber(count.stdout)) --> exit, 0, 6

  local sleep = libevent.timeout(0.001, process.run, { "sleep", "60" })
  print(sleep) --> nil
end

--- process.start
do
  local upper <close> = assert(process.start { "tr", "a-z", "A-Z",
    stdin = "stream", stdout = "stream" })
  upper.stdin:write "hello\n"
  upper.stdin:shutdown()
  print(upper.stdout:read "l") --> HELLO
  print(upper:wait())          --> exit, 0
end

--- process:pid
do
  local sleep <close> = assert(base:process { "sleep", "60" })
  local file <close> = io.tmpfile() -- such as /run/sleep.pid
  file:write(sleep:pid(), "\n")
end

--- process:kill
do
  local sleep <close> = assert(base:process { "sleep", "60" })
  print(sleep:kill "INT") --> true
  print(sleep:wait())     --> signal, INT, false
  print(sleep:kill())     --> nil, kill: No such process, 3
end

--- process:status
do
  local shell <close> = assert(base:process { "sh", "-c", "exit 3" })
  while not shell:status() do
    libevent.sleep(0.001) -- and do something else
  end
  print(shell:status()) --> exit, 3
end

--- process:wait
do
  local sleep <close> = assert(base:process { "sleep", "60" })
  local how, message = sleep:wait(0.001)
  print(how, message) --> nil, timed out
  sleep:kill()
  print(sleep:wait()) --> signal, TERM, false
end
