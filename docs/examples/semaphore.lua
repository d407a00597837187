#!/usr/bin/env evrun
-- What the manual shows of semaphores.

local libevent = require "libevent"

--- semaphore:acquire
do
  local slots = libevent.semaphore(2)
  local running, most = 0, 0
  libevent.scope(function()
    for _ = 1, 5 do
      libevent.spawn(function()
        local _ <close> = slots:acquire()
        running = running + 1
        most = math.max(most, running)
        libevent.sleep(0.001)
        running = running - 1
      end)
    end
  end)
  print(most) --> 2
end

--- semaphore:release
do
  local jobs = libevent.semaphore(0)
  local worker = libevent.spawn(function()
    for n = 1, 3 do
      jobs:acquire()
      print("job " .. n) --> job 1, job 2, job 3
    end
  end)
  jobs:release(3)
  worker:wait()
end

--- semaphore:count
do
  local slots = libevent.semaphore(8)
  local _ <close> = slots:acquire()
  print(slots:count()) --> 7
end
