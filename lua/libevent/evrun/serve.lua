--- `evrun serve`: a monitor and its workers, each of which runs a script.

local addresses = require "libevent.supervisor.addresses"
local core = require "libevent.core"
local folder = require "libevent.console.folder"
local look = require "libevent.evrun.look"
local most = require "libevent.supervisor.plan".most

local usage = [[
usage: evrun serve [options] script [options] [--] [args]
Keeps workers running, each of which runs the script as evrun does, and puts
another in the place of one that dies or hangs. They get their sockets by
libevent.service.address. Arguments of the script that look like options below
come after --.
  --workers n       how many; as many as have an address by default, or else as
                    there are processors
  --listen address  what they share, such as 127.0.0.1:9000 or unix:/run/a.sock;
                    with a range of ports, 127.0.0.1:9001-9010, or %d in a path,
                    each has its own; may be given again
  --reuseport       a socket for each worker, among which the system chooses
  --mode octal      that of unix sockets, such as 0660
  --name name       what the service is called; as the script by default
  --drain secs      what connections get to end; 10 by default
  --heartbeat secs  silence after which a worker is killed; 10 by default, 0 for
                    never
  --start secs      in which a worker has to be ready; 60 by default
  --limit name=n    a limit of each worker, such as as=512M; may be given again
  -W, --track       as for evrun
  --help            show this list
Signals: HUP replaces all workers, one after the other, by new ones; TERM and
INT let them end, QUIT kills them; TTIN and TTOU: one more, one less. See
evrun ctl --help.
]]

local kinds = {
  ["--workers"] = "count", ["--listen"] = "list", ["--reuseport"] = "flag",
  ["--mode"] = "text", ["--name"] = "text", ["--drain"] = "span",
  ["--heartbeat"] = "span", ["--start"] = "seconds", ["--limit"] = "list",
  ["-W"] = "flag", ["--track"] = "flag", ["--help"] = "flag", ["-h"] = "flag",
}

local units = { [""] = 1, K = 1024, M = 1024 ^ 2, G = 1024 ^ 3 }

--- Reads limits such as as=512M.
local function read_limits(list)
  local limits = {}
  for _, text in ipairs(list or {}) do
    local name, number, unit = text:match "^(%l+)=(%d+)([KMG]?)$"
    if not name then
      return nil, ("'--limit' needs name=number, not '%s'"):format(text)
    end
    limits[name] = math.tointeger(number * units[unit])
    if not limits[name] then
      return nil, ("'--limit': the number of '%s' is too large"):format(text)
    end
  end
  return limits
end

--- What a service is called: as its script, unless something else is said.
local function name_of(got)
  if got.name and not folder.is_name(got.name) then
    return nil, ("'%s' is no name: %s"):format(got.name, folder.naming)
  end
  local name = got.name or got[1]:match "([^/]*)$":gsub("%.lua$", "")
    :gsub("[^%w_-]", "_")
  return name ~= "" and name or "evrun"
end

--- How many workers there are to be.
local function count(got)
  local n = got.workers
  for _, text in ipairs(got.listen or {}) do
    local address, message = addresses.read(text)
    if not address then
      return nil, "'--listen': " .. message
    elseif address.n and n and n > address.n then
      return nil, ("%d workers, but %s has %d addresses"):format(n, text,
        address.n)
    end
    n = n or address.n
  end
  if n and n > most then
    return nil, ("at most %d workers are possible, not %d"):format(most, n)
  end
  return n or core.posix.processors()
end

--- The program that runs now, even if its file has been replaced.
local function interpreter(arg, first)
  local path = core.posix.readlink "/proc/self/exe"
  if not path then
    return arg[first]
  end
  return path:find " %(deleted%)$" and "/proc/self/exe" or path
end

--- The command line of a worker: this one's, as far as it is Lua's, and then
-- the script.
local function command(got, arg)
  local first = 0
  while arg[first - 1] do
    first = first - 1
  end
  local list = table.move(arg, first, 0, 1, {})
  list[1] = interpreter(arg, first)
  for _, flag in ipairs { "W", "track" } do
    if got[flag] then
      list[#list + 1] = #flag == 1 and "-" .. flag or "--" .. flag
    end
  end
  if got.drain then
    table.insert(list, "--drain=" .. got.drain)
  end
  list[#list + 1] = "--"
  return table.move(got, 1, #got, #list + 1, list)
end

--- What the command line wants, as the options of a supervisor.
local function plan(got, arg)
  local name, message = name_of(got)
  local limits, workers
  if name then
    limits, message = read_limits(got.limit)
  end
  if limits then
    workers, message = count(got)
  end
  if not workers then
    return nil, message
  end
  local how = command(got, arg)
  for _, each in ipairs { "listen", "reuseport", "mode", "drain", "heartbeat",
    "start" } do
    how[each] = got[each]
  end
  how.name, how.limits, how.workers = name, limits, workers
  return how
end

return function(args, arg)
  local got, message = look.read(args, kinds, true)
  if not got then
    return look.fail(message, usage)
  elseif got.help or got.h then
    io.write(usage)
    return 0
  elseif not got[1] then
    return look.fail("which script?", usage)
  end
  local chunk, how
  chunk, message = loadfile(got[1])
  if chunk then
    how, message = plan(got, arg)
  end
  if not how then
    return look.fail(message)
  end
  return require "libevent.evrun.monitor"(how, got[1])
end
