--- What attach, ps and top share: their command line, and how they run.

local core = require "libevent.core"
local task = require "libevent.task"

local look = {}

--- Reads a command line of options and words.
---@param args string[]
---@param kinds table<string,string> By option: "flag" or "seconds".
---@return table? got Options by their names without dashes, and words.
---@return string? message What is wrong.
function look.read(args, kinds)
  local got, i = {}, 1
  while args[i] do
    local name, value = args[i]:match "^(%-%-?%w+)=(.*)$"
    name = name or args[i]
    local kind = kinds[name]
    if kind == "flag" then
      got[name:match "%w+"] = true
    elseif kind == "seconds" then
      if not value then
        i = i + 1
        value = args[i]
      end
      local seconds = tonumber(value)
      if not seconds or not (seconds > 0 and seconds <= 1e6) then
        return nil, ("'%s' needs seconds, not '%s'"):format(name, value or "")
      end
      got[name:match "%w+"] = seconds
    elseif name:find "^%-." then
      return nil, ("unrecognized option '%s'"):format(name)
    else
      got[#got + 1] = args[i]
    end
    i = i + 1
  end
  return got
end

--- Says what is wrong; returns the exit status of that.
function look.fail(message)
  io.stderr:write("evrun: ", message, "\n")
  return 1
end

--- Runs a command as the main task of a loop; returns its exit status.
---@param fn function Returns true; or nil and what is wrong, which may be
-- nothing to tell.
---@param ... any Its arguments.
---@return integer status
function look.run(fn, ...)
  local base <close> = assert(core.event_base())
  local ok, done, message = pcall(task.run, base, fn, ...)
  if not ok then
    return look.fail(tostring(done))
  elseif not done then
    return look.fail(message)
  end
  return 0
end

--- A text of others without what drives a terminal.
function look.plain(text)
  return (tostring(text):gsub("%c", "?"))
end

--- Seconds as one reads them.
function look.age(seconds)
  local s = math.floor(seconds)
  if s < 60 then
    return s .. "s"
  elseif s < 3600 then
    return ("%dm%02ds"):format(s // 60, s % 60)
  elseif s < 86400 then
    return ("%dh%02dm"):format(s // 3600, s % 3600 // 60)
  end
  return ("%dd%02dh"):format(s // 86400, s % 86400 // 3600)
end

--- Rows as lines with columns; those named in `right` end at the same place.
---@param rows string[][]
---@param right table<integer,boolean>
---@return string text
function look.columns(rows, right)
  local widths, lines = {}, {}
  for _, row in ipairs(rows) do
    for i, text in ipairs(row) do
      widths[i] = math.max(widths[i] or 0, utf8.len(text) or #text)
    end
  end
  for n, row in ipairs(rows) do
    local cells = {}
    for i, text in ipairs(row) do
      local fill = (" "):rep(widths[i] - (utf8.len(text) or #text))
      cells[i] = right[i] and fill .. text or text .. fill
    end
    lines[n] = table.concat(cells, "  "):gsub("%s+$", "") .. "\n"
  end
  return table.concat(lines)
end

return look
