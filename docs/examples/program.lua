#!/usr/bin/env evrun
-- What the manual shows of programs.

local libevent = require "libevent"
local start = libevent.process.start

--- program:wait
do
  local date <close> = assert(start { "date", "-u", stdout = "stream" })
  local today = date.stdout:read "l"
  assert(today:find "UTC")
  print(date:wait()) --> exit, 0
end

--- program:status
do
  local cat <close> = assert(start { "cat", stdin = "stream" })
  print(cat:status()) --> nil
  cat.stdin:close()
  cat:wait()
  print(cat:status()) --> exit, 0
end

--- program:pid
do
  local cat <close> = assert(start { "cat", stdin = "stream" })
  local kill <close> = assert(start { "sh", "-c", "kill -INT " .. cat:pid() })
  print(kill:wait()) --> exit, 0
  print(cat:wait())  --> signal, INT, false
end

--- program:kill
do
  local sleep <close> = assert(start { "sleep", "60" })
  sleep:kill "KILL"
  print(sleep:wait()) --> signal, KILL, false
end

--- program:close
do
  local cat = assert(start { "cat", stdin = "stream", stdout = "stream" })
  cat.stdin:write "one\n"
  print(cat.stdout:read "l") --> one
  cat:close()
  print(cat.stdin:is_closed(), cat.stdout:is_closed()) --> true, true
end
