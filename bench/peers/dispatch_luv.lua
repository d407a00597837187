-- The callbacks of luv, as bench/dispatch.lua has them; an idle handle stands
-- for an event that makes itself active again.

local uv = require "luv"

local mode, n = arg[1], tonumber(arg[2])
local left = n

local function count()
  left = left - 1
  if left <= 0 then
    uv.stop()
  end
end

if mode == "again" then
  uv.new_idle():start(count)
elseif mode == "ready" then
  for _ = 1, 64 do
    uv.new_poll(uv.pipe().write):start("w", count)
  end
else
  os.exit(2)
end
collectgarbage()
collectgarbage "stop"
local start = uv.hrtime()
uv.run()
print(("%.1f"):format((uv.hrtime() - start) / n))
