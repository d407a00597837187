-- The timers of luv, as bench/timers.lua has them.

local uv = require "luv"

local mode, n = arg[1], tonumber(arg[2])
local random = math.random
local fired = 0

local function tick()
  fired = fired + 1
end

for i = 1, n do
  local timer = uv.new_timer()
  if mode == "oneshot" then
    timer:start(random(0, 999), 0, function()
      fired = fired + 1
      timer:close()
    end)
  elseif mode == "periodic" then
    timer:start(1, 1, tick)
  else
    timer:start(random(0, 999) * 1000, 0, tick)
    timer:close()
    if i % 1000 == 0 then
      uv.run "nowait"                    -- lets closed handles go
    end
  end
end
if mode == "periodic" then
  uv.new_timer():start(3000, 0, function()
    uv.stop()
  end)
end
if mode ~= "cancel" then
  uv.run()
end
print(fired)
