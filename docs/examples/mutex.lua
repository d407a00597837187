#!/usr/bin/env evrun
-- What the manual shows of mutexes.

local libevent = require "libevent"

--- mutex:lock
do
  local mutex, file <close> = libevent.mutex(), io.tmpfile()
  local function append(...)
    local _ <close> = mutex:lock()
    for _, line in ipairs { ... } do
      file:write(line, "\n")
      libevent.sleep(0) -- the others run, but do not get in between
    end
  end
  local other = libevent.spawn(append, "three", "four")
  append("one", "two")
  other:wait()
  file:seek "set"
  print(file:read("l", "l", "l", "l")) --> one, two, three, four
end

--- mutex:unlock
do
  local mutex = libevent.mutex()
  if mutex:lock(0) then -- that is, unless another task has it
    print(mutex:owner() == libevent.running()) --> true
    mutex:unlock()
  end
  print(mutex:owner()) --> nil
end

--- mutex:owner
do
  local mutex = libevent.mutex()
  local writer = libevent.spawn(function()
    local _ <close> = mutex:lock()
    libevent.sleep(60)
  end)
  writer:name "writer"
  libevent.sleep(0)
  local held <close> = mutex:lock(0)
  if not held then
    print("locked by " .. mutex:owner():name()) --> locked by writer
  end
  writer:cancel()
end
