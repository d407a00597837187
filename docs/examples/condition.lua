#!/usr/bin/env evrun
-- What the manual shows of conditions.

local libevent = require "libevent"

--- condition:wait
do
  local ready, changed = false, libevent.condition "ready"
  libevent.after(0.001, function()
    ready = true
    changed:broadcast()
  end)
  while not ready do -- somebody else may have run before
    changed:wait()
  end
  print(changed:wait(0.001)) --> nil, timed out, 110
end

--- condition:signal
do
  local jobs, came = {}, libevent.condition "a job"
  local worker = libevent.spawn(function()
    while #jobs == 0 do
      came:wait()
    end
    return table.remove(jobs, 1)
  end)
  libevent.sleep(0)
  table.insert(jobs, "sweep the floor")
  print(came:signal())  --> 1
  print(worker:wait())  --> sweep the floor
end

--- condition:broadcast
do
  local start = libevent.condition "the start"
  for _ = 1, 3 do
    libevent.spawn(start.wait, start)
  end
  libevent.sleep(0)
  print(start:broadcast()) --> 3
end

--- condition:waiting
do
  local quiet = libevent.condition "quiet"
  libevent.spawn(quiet.wait, quiet)
  libevent.sleep(0)
  print(quiet:waiting()) --> 1
  quiet:broadcast()
  print(quiet:waiting()) --> 0
end

--- condition:served
do
  local turn = libevent.condition "a turn"
  libevent.spawn(turn.wait, turn)
  libevent.sleep(0)
  turn:signal()
  print(turn:waiting(), turn:served()) --> 0, 1
  libevent.sleep(0)                    -- now the task runs
  print(turn:waiting(), turn:served()) --> 0, 0
end

--- condition:hold
do
  local door = libevent.condition "the door"
  libevent.spawn(function()
    door:hold(libevent.running())
    libevent.sleep(0.001)
  end) -- ends, and has not let it go
  print(door:wait()) --> true
end

--- condition:unhold
do
  local door = libevent.condition "the door"
  print(door:unhold()) --> false
  door:hold(libevent.running())
  print(door:unhold()) --> true
  print(door:waiting()) --> 0
end
