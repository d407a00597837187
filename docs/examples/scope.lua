#!/usr/bin/env evrun
-- What the manual shows of scopes.

local libevent = require "libevent"

--- scope:spawn
do
  local ended = 0
  libevent.scope(function(scope)
    for _ = 1, 3 do
      scope:spawn(function()
        libevent.sleep(0.001)
        ended = ended + 1
      end)
    end
  end)
  print(ended) --> 3
end

--- scope:cancel
do
  local first
  libevent.scope(function(scope)
    for _, seconds in ipairs { 60, 0.001, 30 } do
      scope:spawn(function()
        libevent.sleep(seconds)
        first = seconds
        scope:cancel() -- the others need not go on
      end)
    end
  end)
  print(first) --> 0.001
end
