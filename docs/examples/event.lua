-- A descriptor that is watched, a timeout, or both.

local libevent = require "libevent"

local base <close> = libevent.event_base { priorities = 2 }

-- Two sockets that are connected.
local here <close>, other = libevent.socketpair()
local there <close> = other

--- event:add
do
  local program <close> = io.popen "echo done"
  local event <close> = base:event(program, "r", function(_, what)
    print(what == "t" and "nothing came" or program:read "l") --> done
  end)
  event:add(5) -- seconds that it may take
  base:dispatch()
end

--- event:del
do
  local ticks = 0
  local event <close> = base:event(-1, "p", function(event)
    ticks = ticks + 1
    if ticks == 3 then
      event:del() -- nothing is pending any more, so the loop ends
    end
  end)
  event:add(0.001)
  print(base:dispatch(), ticks) --> empty, 3
end

--- event:remove_timer
do
  local event <close> = base:event(here, "r", print)
  event:add(10)        -- a login may take ten seconds,
  event:remove_timer() -- and who is logged in may take any time
  print(event:pending()) --> r
end

--- event:pending
do
  local event <close> = base:event(here, "r", print)
  print(event:pending()) --> nil
  event:add(600)
  local what, seconds = event:pending()
  print(what, ("%.0f minutes"):format(seconds / 60)) --> rt, 10 minutes
end

--- event:active
do
  local refresh <close> = base:event(-1, "p", function(_, what)
    print(what == "t" and "an hour is over" or "asked for") --> asked for
  end)
  refresh:add(3600)
  refresh:active "r" -- for once, do not wait
  base:loop "once"
end

--- event:priority_set
do
  local order = {}
  local function note(event)
    table.insert(order, event:priority())
  end
  local usual <close> = base:event(-1, "", note)
  local urgent <close> = base:event(-1, "", note)
  urgent:priority_set(0)
  usual:active()
  urgent:active()
  base:dispatch()
  print(table.concat(order, " before ")) --> 0 before 1
end

--- event:priority
do
  local event <close> = base:event(-1, "", print)
  print(event:priority() .. " of " .. base:priorities()) --> 1 of 2
end

--- event:fd
do
  local buffer <close> = libevent.evbuffer()
  local function collect(event) -- serves any number of events
    buffer:read(event:fd())
  end
  local event <close> = base:event(here, "r", collect)
  event:add()
  libevent.evbuffer "good morning":write(there)
  base:dispatch()
  print(buffer:remove()) --> good morning
end

--- event:events
do
  local left = 3
  local event <close> = base:event(there, "w", function(event)
    left = left - 1
    if left > 0 and not event:events():find "p" then
      event:add() -- one that does not persist is idle by now
    end
  end)
  event:add()
  base:dispatch()
  print(left) --> 0
end

--- event:setcb
do
  local function goodbye()
    print "goodbye" --> goodbye
  end
  local event <close> = base:event(-1, "", function(event)
    print "hello" --> hello
    event:setcb(goodbye) -- what comes next is for another function
    event:add(0.001)
  end)
  event:add(0.001)
  base:dispatch()
end

--- event:callback
do
  local event <close> = base:event(there, "w", function(_, what)
    print("works at " .. what) --> works at w
  end)
  local callback = event:callback()
  event:setcb(function(...) -- wraps it, and knows nothing about it
    local began = base:now()
    callback(...)
    assert(base:now() >= began)
  end)
  event:add()
  base:dispatch()
end

--- event:wait
do
  libevent.run(base, function()
    local event <close> = base:event(here, "r")
    local what, message = event:wait(0.001)
    print(what, message) --> nil, timed out
    libevent.evbuffer "a byte":write(there)
    print(event:wait(5)) --> r
  end)
  libevent.evbuffer():read(here)
end
