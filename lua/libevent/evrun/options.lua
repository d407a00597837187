--- The command line of `evrun`, as `lua` has it.

local folder = require "libevent.console.folder"

local options = {}

options.usage = [==[
usage: evrun [options] [script [args]]
       evrun serve|attach|ps|top|ctl ...
Runs a script whose top level is a task: it may wait, and ends when nothing is
left to do. Without a script it reads what you type.
  -e stat        execute string 'stat'
  -i             read what you type after executing 'script'
  -l mod         require library 'mod' into global 'mod'
  -l g=mod       require library 'mod' into global 'g'
  -v             show version information
  -W             turn warnings on
  --console name let others look inside: evrun attach name
  --drain secs   what connections get to end on INT and TERM; 10 by default
  --track        remember where objects are made, and tell which were not closed
  --help         show this list
  --             stop handling options
  -              stop handling options and execute stdin
See evrun(1), and `evrun serve --help` for services.
]==]

--- Options that have an argument, by what is written, and the field it becomes.
local long = { ["--console"] = "console", ["--drain"] = "drain" }

local function fail(...)
  return nil, string.format(...)
end

--- Takes one option apart. Returns how many arguments it was, or nil and what
-- is wrong.
local function take(got, text, following)
  local letter, rest = text:match "^%-([el])(.*)$"
  local name, value = text:match "^(%-%-%w+)=(.*)$"
  name = name or text
  if letter then
    local inline = rest ~= ""
    if not inline and following == nil then
      return fail("'%s' needs an argument", text)
    end
    table.insert(got.before, { letter, inline and rest or following })
    got[letter] = true
    return inline and 1 or 2
  elseif text == "-i" or text == "-v" or text == "-W" then
    got[text:sub(2)] = true
    return 1
  elseif text == "--help" or text == "--track" then
    got[text:sub(3)] = true
    return 1
  elseif long[name] then
    if value == nil and following == nil then
      return fail("'%s' needs an argument", name)
    end
    got[long[name]] = value or following
    return value and 1 or 2
  elseif text == "-E" then -- lua has looked at the environment already
    return fail("'-E' is an option of lua: lua5.4 -E %s", arg[0])
  end
  return fail("unrecognized option '%s'", text)
end

--- Reads the command line.
---@param arg string[]
---@return table? got `before`: what -e and -l say, in order; `script`: the
-- number of the argument that is the script, or nil; and the options by name.
---@return string? message What is wrong.
function options.read(arg)
  local got, i = { before = {} }, 1
  while arg[i] and arg[i]:find "^%-." and arg[i] ~= "--" do
    local n, message = take(got, arg[i], arg[i + 1])
    if not n then
      return nil, message
    end
    i = i + n
  end
  if arg[i] == "--" then
    i = i + 1
  end
  got.script = arg[i] and i
  if got.drain then
    local seconds = tonumber(got.drain)
    if not seconds or not (seconds >= 0 and seconds <= 1e9) then
      return fail("'--drain' needs seconds, not '%s'", got.drain)
    end
    got.drain = seconds
  end
  if got.console and not folder.is_name(got.console) then
    return fail("'%s' is no name for a console: %s", got.console,
      folder.naming)
  end
  return got
end

return options
