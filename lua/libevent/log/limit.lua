--- How often the same line is written: of each message some within a time, and
-- then how many more there were.
--
-- The messages that are watched stand in a list in the order in which their
-- time is over, since it is equally long for all. They are told apart by their
-- beginning, so that memory is bounded.

local limit = {}

-- Well below a power of two: in a table that is nearly full each new key moves
-- all of them.
local most_messages, longest = 192, 1024

local burst, seconds = 10, 1

--- The messages by level, the list of them, and how many there are.
local watched, first, last, count = {}, nil, nil, 0

--- Returns how many lines of a message may come in how many seconds.
function limit.get()
  return burst, seconds
end

--- Changes that, and forgets what was watched.
function limit.set(lines, time)
  burst, seconds = lines, time
  watched, first, last, count = {}, nil, nil, 0
end

local function add(watch)
  if last then
    last.next = watch
  else
    first = watch
  end
  watch.messages[watch.key], last, count = watch, watch, count + 1
end

--- Counts a line; returns whether it may be written.
---@param level integer
---@param message string
---@param now number Seconds on a clock that never goes back.
---@return boolean ok
function limit.pass(level, message, now)
  if burst == 0 then
    return true
  end
  local key = #message <= longest and message or message:sub(1, longest)
  local messages = watched[level]
  if not messages then
    messages = {}
    watched[level] = messages
  end
  local watch = messages[key]
  if not watch then
    add { level = level, message = key == message and key or key .. "…",
      messages = messages, key = key, over = now + seconds, lines = 1,
      more = 0 }
    return true
  elseif watch.lines < burst then
    watch.lines = watch.lines + 1
    return true
  end
  watch.more = watch.more + 1
  return false
end

--- Forgets messages whose time is over, and the oldest where there are too
-- many; returns the first of them that came more often than it was written.
---@param now number
---@return table? watch With `level`, `message` and `more`.
function limit.over(now)
  while first and (now >= first.over or count >= most_messages) do
    local watch = first
    first, count = watch.next, count - 1
    if not first then
      last, count = nil, 0
    end
    if watch.messages[watch.key] == watch then
      watch.messages[watch.key] = nil
    end
    if watch.more > 0 then
      return watch
    end
  end
end

--- Iterates over the messages that came more often than they were written.
function limit.pending()
  local watch = first
  return function()
    while watch do
      local this = watch
      watch = this.next
      if this.more > 0 then
        return this
      end
    end
  end
end

return limit
