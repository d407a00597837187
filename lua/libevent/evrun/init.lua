--- The command `evrun`.

local core = require "libevent.core"
local look = require "libevent.evrun.look"
local options = require "libevent.evrun.options"

--- What a first word may be; a script of that name is `./serve`.
local commands = {
  attach = "libevent.evrun.attach",
  ctl = "libevent.evrun.ctl",
  ps = "libevent.evrun.ps",
  serve = "libevent.evrun.serve",
  top = "libevent.evrun.top",
}

local function version()
  return ("evrun %s, libevent %s, %s"):format(require "libevent.version",
    core.get_version(), _VERSION)
end

--- The arguments of a script as `lua` has them: itself at 0, what is before it
-- below.
local function shift(arg, script)
  local shifted = {}
  local first = 0
  while arg[first - 1] do
    first = first - 1
  end
  for i = first, #arg do
    shifted[i - script] = arg[i]
  end
  return shifted
end

--- Does what the command line says; returns the exit status.
---@param arg table As `lua` gives it to a script.
---@return integer|boolean status
return function(arg)
  core.posix.fill() -- what is printed must not go elsewhere
  if commands[arg[1]] then
    return require(commands[arg[1]])(table.move(arg, 2, #arg, 1, {}), arg)
  end
  local got, message = options.read(arg)
  if not got then
    return look.fail(message, options.usage)
  elseif got.help then
    io.write(options.usage)
    return 0
  end
  if got.W then
    warn "@on"
  end
  if got.v then
    print(version())
  end
  if got.track then
    core.track(true)
  end
  _G.arg = shift(arg, got.script or 0)
  local interactive = got.i or not (got.script or got.e or got.v)
  got.arguments = { table.unpack(_G.arg) }
  got.file = got.script and arg[got.script]
  return require "libevent.evrun.script"(got, interactive, version())
end
