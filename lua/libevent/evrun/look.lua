--- What the commands of evrun share: their command line, and how they run.

local core = require "libevent.core"
local format = require "libevent.log.format"
local task = require "libevent.task"

local look = {}

local function as_seconds(text, least)
  local seconds = tonumber(text)
  return seconds and seconds >= least and seconds <= 1e6 and seconds or nil
end

--- How the text behind an option is understood, and what it should be.
local values = {
  seconds = { "seconds", function(text)
    return as_seconds(text, 1e-9)
  end },
  span = { "seconds, or 0", function(text)
    return as_seconds(text, 0)
  end },
  count = { "a number from 1 on", function(text)
    local n = math.tointeger(tonumber(text))
    return n and n >= 1 and n or nil
  end },
  text = { "an argument", function(text)
    return text
  end },
}
values.list = values.text

--- Takes the argument of an option; returns how many arguments it was with it,
-- or nil and what is wrong.
local function take(got, kind, name, text, following)
  local key, n = name:match "%w+", text and 1 or 2
  text = text or following or ""
  local what, read = table.unpack(values[kind])
  local value = text ~= "" and read(text) or nil
  if value == nil then
    return nil, ("'%s' needs %s"):format(name, what)
      .. (text ~= "" and (", not '%s'"):format(text) or "")
  elseif kind == "list" then
    got[key] = got[key] or {}
    table.insert(got[key], value)
  else
    got[key] = value
  end
  return n
end

--- Reads a command line of options and words.
---@param args string[]
---@param kinds table<string,string> By option: "flag", "seconds" above 0,
-- "span" from 0 on, "count", "text", or "list" of what is given several times.
---@param of_script? boolean Whether the first word is a script: what is no
-- option after that, and everything after `--`, is for it.
---@return table? got Options by their names without dashes, and words.
---@return string? message What is wrong.
function look.read(args, kinds, of_script)
  local got, i = {}, 1
  while args[i] do
    local name, text = args[i]:match "^(%-%-?%w+)=(.*)$"
    name = name or args[i]
    local n, message = 1, nil
    if of_script and name == "--" then
      return table.move(args, i + 1, #args, #got + 1, got)
    elseif kinds[name] == "flag" then
      got[name:match "%w+"] = true
    elseif kinds[name] then
      n, message = take(got, kinds[name], name, text, args[i + 1])
    elseif name:find "^%-." and not (of_script and got[1]) then
      n, message = nil, ("unrecognized option '%s'"):format(name)
    else
      got[#got + 1] = args[i]
    end
    if not n then
      return nil, message
    end
    i = i + n
  end
  return got
end

--- Says what is wrong, which others may have said; returns the exit status of
-- that.
---@param message string
---@param usage? string How it is right, for a wrong command line.
---@return integer status
function look.fail(message, usage)
  io.stderr:write("evrun: ", format.lines(message), "\n", usage or "")
  return 1
end

--- Runs a command as the main task of a loop; returns its exit status.
---@param fn function Returns true; or nil and what is wrong.
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

return look
