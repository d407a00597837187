--- `evrun ctl`: tells the monitor of a service what to do.

local encode = require "libevent.evrun.json".encode
local find = require "libevent.console.find"
local layout = require "libevent.repl.layout"
local look = require "libevent.evrun.look"
local protocol = require "libevent.console.protocol"
local units = require "libevent.evrun.units"
local workers = require "libevent.evrun.workers"

local known = units.known

local usage = [[
usage: evrun ctl [options] name|pid|path command
Controls a service that evrun serve runs.
  status         what its workers do
  reload         replaces all workers by new ones, which have new code
  restart n      replaces one worker
  scale n        changes how many there are
  stop           ends the service when its connections have ended
  --json         for status: as a JSON object
  --now          for stop: at once
  --timeout secs how long to wait for an answer of status; 5 by default
  --help         show this list
]]

local patience = 5

--- What a command takes besides.
local numbered = { status = false, reload = false, stop = false,
  restart = true, scale = true }

--- Returns the state of a service as lines.
---@param status table As @{supervisor:status} returns it.
---@return string text
local function show(status)
  local rows = { { "WORKER", "STATE", "PID", "AGE", "DEATHS", "CONNECTIONS",
    "LUA", "ADDRESSES", "LAST DEATH" } }
  for i, each in ipairs(status.workers) do
    local counters = each.counters or {}
    rows[i + 1] = {
      tostring(each.worker), workers.state(each), known(each.pid),
      known(each.age, units.age), tostring(each.deaths),
      known(counters.connections, units.whole),
      known(counters.lua, units.bytes),
      table.concat(each.addresses, " "), known(each.last_death, layout.plain),
    }
  end
  return ("%s\n%s"):format(workers.head(status), layout.columns(rows,
    { true, false, true, true, true, true, true }))
end

local function ask(word, request, as_json, timeout)
  local remote <close>, message = find.connect(word, timeout)
  if not remote then
    return nil, message
  end
  remote.timeout = request.verb == "status" and timeout or nil
  local answer
  answer, message = remote:request("M", protocol.pack(request))
  if type(answer) ~= "table"
      or not answer.ok and type(answer.message) ~= "string" then
    return nil, message or remote.title .. ": the answer is not understood"
  elseif not answer.ok then
    return nil, answer.message
  elseif request.verb == "status" then
    io.write(as_json and encode(answer.ok, ",\n ") .. "\n" or show(answer.ok))
  end
  return true
end

--- What the words of the command line ask for; nil and what is wrong.
local function read(got)
  local name, verb, n = table.unpack(got)
  if not name then
    return nil, "which service? (see evrun ps)"
  elseif numbered[verb] == nil then
    return nil, verb and ("there is no command '%s'"):format(verb)
      or "what is it to do?"
  elseif #got > (numbered[verb] and 3 or 2) then
    return nil, ("unexpected argument '%s'"):format(got[#got])
  end
  local number = math.tointeger(tonumber(n))
  if numbered[verb] and not (number and number > 0) then
    return nil, ("'%s' needs a number from 1 on"):format(verb)
  end
  return { verb = verb, n = number, now = got.now }
end

local ctl = { show = show }

return setmetatable(ctl, { __call = function(_, args)
  local got, message = look.read(args, { ["--json"] = "flag",
    ["--now"] = "flag", ["--timeout"] = "seconds", ["--help"] = "flag",
    ["-h"] = "flag" })
  if got and (got.help or got.h) then
    io.write(usage)
    return 0
  end
  local request
  if got then
    request, message = read(got)
  end
  if not request then
    return look.fail(message, usage)
  end
  return look.run(ask, got[1], request, got.json, got.timeout or patience)
end })
