#!/usr/bin/env evrun
-- What the manual shows of futures.

local libevent = require "libevent"

--- future:set
do
  local answer = libevent.future()
  libevent.after(0.001, function()
    answer:set("forty-two", 42)
  end)
  print(answer:wait()) --> forty-two, 42
end

--- future:fail
do
  local answer = libevent.future()
  answer:fail "the line is dead"
  print(pcall(answer.wait, answer)) --> false, the line is dead
end

--- future:wait
do
  local answer <close> = libevent.future()
  print(answer:wait(0.001)) --> nil, timed out, 110
  answer:set "late"
  print(answer:wait())      --> late
  print(answer:wait(0))     --> late
end

--- future:close
do
  local answer = libevent.future()
  local reader = libevent.spawn(answer.wait, answer)
  answer:close()
  print(reader:wait())     --> nil, closed, 125
  print(answer:set "late") --> nil, closed, 125
end

--- future:is_done
do
  local answer = libevent.future()
  print(answer:is_done()) --> false
  answer:set(true)
  print(answer:is_done()) --> true
end
