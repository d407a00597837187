--- What a supervisor is to do: its options.

local addresses = require "libevent.supervisor.addresses"
local backoff = require "libevent.supervisor.backoff"

local plan = {}

--- How many workers there may be.
plan.most = 1000

--- What may be given, and what of that is for the sockets.
plan.kinds = {
  workers = "count", listen = "any", name = "string",
  drain = "seconds", heartbeat = "seconds", start = "seconds",
  backoff = "seconds", backoff_max = "seconds", settle = "seconds",
  intensity = "count", period = "seconds",
  directory = "string", limits = "table", setenv = "table",
  on_death = "function", on_end = "function", on_ready = "function",
  write = "function",
}

plan.listening = { reuseport = "boolean", backlog = "count",
  mode = "string" }

--- What holds where nothing is said, in seconds.
local defaults = { drain = 10, heartbeat = 10, start = 60 }

local function bad(message, ...)
  error(("bad argument #1 to 'supervisor' (%s)"):format(message:format(...)), 4)
end

--- The addresses that the option `listen` names, and how many workers those
-- with an address of their own are for; nil and what is wrong.
local function read_addresses(listen)
  local list, n = {}, math.huge
  for i, text in ipairs(type(listen) == "table" and listen or { listen }) do
    if type(text) ~= "string" then
      return nil, "addresses expected"
    end
    local address, message = addresses.read(text)
    if not address then
      return nil, message
    end
    list[i], n = address, math.min(n, address.n or math.huge)
  end
  return list, n
end

--- Completes the options.
---@param how table Those of `plan.kinds`.
---@param command string[]
---@return table[] addresses
function plan.complete(how, command)
  local list, n = read_addresses(how.listen)
  if not list then
    bad("option 'listen': %s", n)
  end
  how.workers = how.workers or n < math.huge and n or 1
  if how.workers > n then
    bad("%d workers, but addresses for %d", how.workers, n)
  elseif how.workers > plan.most then
    bad("option 'workers': at most %d", plan.most)
  end
  for _, set in ipairs { defaults, backoff.defaults } do
    for name, value in pairs(set) do
      how[name] = how[name] or value
    end
  end
  how.command, how.write = command, how.write or function(text)
    io.stderr:write(text)
  end
  return list
end

return plan
