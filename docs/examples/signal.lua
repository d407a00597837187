-- What others tell a process by kill(1), Ctrl-C and the like.

local libevent = require "libevent"

local base <close> = libevent.event_base()
local pid = libevent.posix.getpid()

--- Sends a signal to this process, as an operator would. While os.execute
-- waits, INT would be ignored.
local function kill(name)
  io.popen(("kill -%s %d"):format(name, pid)):close()
end

--- signal:add
do
  local reload <close> = base:signal("HUP", function(signal, name)
    print("reading the files again: " .. name) --> reading the files again: HUP
    signal:del()
  end)
  assert(reload:add()) -- from now on it does not end the process
  kill "HUP"
  base:dispatch()
end

--- signal:del
do
  local interrupt <close> = base:signal("INT", function(signal)
    print "finishing; once more to give up" --> finishing; once more to give up
    signal:del() -- the second Ctrl-C ends the process as ever
  end)
  assert(interrupt:add())
  kill "INT"
  print(base:dispatch()) --> empty
end

--- signal:interrupts
do
  local stop <close> = base:signal("USR1", function() end)
  assert(stop:add())
  assert(stop:interrupts())
  base:defer(function()
    while true do -- never comes back, and could not be told
      kill "USR1"
    end
  end)
  local ok, message = pcall(base.dispatch, base)
  print(ok, message:match "interrupted") --> false, interrupted
end

--- signal:pending
do
  local user <close> = base:signal("USR2", print)
  print(user:pending()) --> nil
  assert(user:add())
  print(user:pending()) --> s
end

--- signal:number
do
  local terminate <close> = base:signal("TERM", print)
  -- A shell has this as the exit status of who was ended by it.
  print(128 + terminate:number()) --> 143
end

--- signal:name
do
  local first <close> = base:signal(1, print)
  print("signal 1 is " .. first:name()) --> signal 1 is HUP
end

--- signal:setcb
do
  local count = 0
  local stop <close> = base:signal("TERM", function(signal)
    count = count + 1
    signal:setcb(function() -- asked again, it does not wait any longer
      count = count + 1
      signal:del()
    end)
    kill "TERM"
  end)
  assert(stop:add())
  kill "TERM"
  base:dispatch()
  print(count) --> 2
end
