-- What all objects have in common.

local libevent = require "libevent"

local base <close> = libevent.event_base()

--- object:background
do
  local hangup <close> = base:signal("HUP", print)
  assert(hangup:add())
  hangup:background() -- alone it is no reason to go on
  print(base:dispatch()) --> empty
end

--- object:base
do
  --- Closes anything after some time, whatever base it belongs to.
  local function close_after(seconds, object)
    object:base():timer(function()
      object:close()
    end):add(seconds)
  end
  local hour = base:timer(error)
  hour:add(3600)
  close_after(0.001, hour)
  print(base:dispatch()) --> empty
end

--- object:close
do
  local one, other = base:pair()
  other:setcb {
    read = function(bev)
      print(bev:read()) --> goodbye
    end,
    event = function(bev)
      bev:close()
    end,
  }
  other:enable "r"
  one:write "goodbye"
  one:close() -- loses nothing; close "now" would
  base:dispatch()
end

--- object:is_closed
do
  local one, other = base:pair()
  local answer = base:timer(function()
    if one:is_closed() then
      print "too late" --> too late
    else
      one:write "the answer"
    end
  end)
  answer:add(0.001)
  one:close()
  other:close()
  base:dispatch()
end
