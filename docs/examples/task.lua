#!/usr/bin/env evrun
-- What the manual shows of tasks.

local libevent = require "libevent"

--- task:wait
do
  local sum = libevent.spawn(function(a, b)
    libevent.sleep(0.001)
    return a + b
  end, 2, 3)
  print(sum:wait()) --> 5

  local broken = libevent.spawn(error, "no disk", 0)
  print(pcall(broken.wait, broken)) --> false, no disk
end

--- task:cancel
do
  local reader = libevent.spawn(function()
    local _ <close> = setmetatable({}, { __close = function()
      print "tidied up" --> tidied up
    end })
    libevent.sleep(60)
  end)
  libevent.sleep(0)
  print(reader:cancel()) --> true
  print(reader:wait())   --> nil, canceled, 125
end

--- task:status
do
  local sleeper = libevent.spawn(libevent.sleep, 0.001)
  print(sleeper:status()) --> new
  libevent.sleep(0)
  print(sleeper:status()) --> waiting
  sleeper:wait()
  print(sleeper:status()) --> done
end

--- task:limit
do
  local stranger = libevent.spawn(function()
    libevent.running():limit(1e5)
    while true do end
  end)
  local ok, message = pcall(stranger.wait, stranger)
  print(ok, message) --> false, …: stopped: too many instructions
end

--- task:is_done
do
  local job = libevent.spawn(libevent.sleep, 0.003)
  while not job:is_done() do
    libevent.sleep(0.001) -- and show a bar that grows
  end
end

--- task:waits
do
  local reader = libevent.spawn(libevent.sleep, 60)
  libevent.sleep(0)
  print(reader:waits()) --> sleep
  reader:cancel()
end

--- task:name
do
  local task = libevent.spawn(function()
    return libevent.running():name()
  end)
  task:name "mail"
  print(task:wait()) --> mail
end

--- task:traceback
do
  local function read_settings()
    error "no such file"
  end
  local task = libevent.spawn(read_settings)
  pcall(task.wait, task)
  print(task:traceback()) --> …in function…
end

--- task:where
do
  local task = libevent.spawn(function()
    libevent.sleep(0.001)
  end)
  libevent.sleep(0)
  print(task:where()) --> …task.lua:…
  task:wait()
  print(task:where()) --> nil
end

--- task:breaks_loop
do
  local base <close> = libevent.event_base()
  local server = base:task(function()
    error("no configuration", 0)
  end)
  server:breaks_loop()
  base:timer(print):add(60)
  print(base:loop(), server:status()) --> break, failed
end
