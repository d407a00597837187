-- Something that is to happen later, once or again and again.

local libevent = require "libevent"

local base <close> = libevent.event_base()

--- timer:add
do
  local left = 3
  local timer <close> = base:timer(function(timer)
    left = left - 1
    if left > 0 then
      timer:add(0.001) -- fires once, so it is added again
    end
  end)
  timer:add(0.001)
  print(base:dispatch(), left) --> empty, 0
end

--- timer:del
do
  local deadline <close> = base:timer(function()
    error "no answer within 30 seconds"
  end)
  deadline:add(30)
  base:defer(function() -- the answer
    deadline:del()
  end)
  print(base:dispatch()) --> empty
end

--- timer:pending
do
  local changes, saved = 0, 0
  local save <close> = base:timer(function()
    saved = saved + 1
  end)
  local function changed() -- however many changes there are, saves once
    changes = changes + 1
    if not save:pending() then
      save:add(0.001)
    end
  end
  for _ = 1, 100 do
    changed()
  end
  base:dispatch()
  print(changes, saved) --> 100, 1
end

--- timer:setcb
do
  local timer <close> = base:timer(function(timer)
    print "red" --> red
    timer:setcb(function()
      print "green" --> green
    end)
    timer:add(0.001)
  end)
  timer:add(0)
  base:dispatch()
end
