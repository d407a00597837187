--- Waits until something holds, which may be so whenever a condition is told.

--- Waits. Only a task can.
---@param base libevent.event_base
---@param condition libevent.condition
---@param holds fun(): boolean
---@param seconds? number
---@return boolean? ok nil if the time is over, or the condition was closed.
return function(base, condition, holds, seconds)
  local deadline = seconds and base:now() + seconds
  while not holds() do
    local left = deadline and math.max(0, deadline - base:now())
    if left == 0 or condition:is_closed() then
      return nil
    end
    condition:wait(left)
  end
  return true
end
