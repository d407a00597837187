--- Arguments of the functions in Lua: tables of options, in which each function
-- says what may stand, and addresses.

local core = require "libevent.core"

local options = {}

--- Tells whether a value is seconds.
---@param value any
---@return boolean ok
function options.is_seconds(value)
  return type(value) == "number" and value >= 0 and value <= 1e9
end

--- What a program's input and output may be by name.
local stdio = { inherit = true, null = true, stream = true }

local kinds = {
  any = function()
    return true
  end,
  ["function"] = function(value)
    return type(value) == "function"
  end,
  table = function(value)
    return type(value) == "table"
  end,
  boolean = function(value)
    return type(value) == "boolean"
  end,
  string = function(value)
    return type(value) == "string"
  end,
  stdio = function(value)
    return type(value) ~= "string" or stdio[value]
  end,
  seconds = options.is_seconds,
  count = function(value)
    return math.type(value) == "integer" and value >= 1
  end,
}

local expectations = {
  ["function"] = "function expected",
  table = "table expected",
  boolean = "boolean expected",
  string = "string expected",
  stdio = '"inherit", "null", "stream" or what has a descriptor expected',
  seconds = "seconds from 0 to 1e9 expected",
  count = "integer from 1 on expected",
}

--- Raises an error that names an argument of the function that called the
-- caller.
local function bad(arg, name, message)
  error(("bad argument #%d to '%s' (%s)"):format(arg, name, message), 4)
end

--- Checks options and deals them out.
--
-- A field belongs to those sets that have its name.
---@param name string Of the function, for errors.
---@param arg integer The number of the argument.
---@param given table|nil
---@param ... table<string, string> Sets: kinds by name.
---@return table ... What belongs to each set.
function options.deal(name, arg, given, ...)
  local hands, sets = {}, { ... }
  for i in ipairs(sets) do
    hands[i] = {}
  end
  if given ~= nil and type(given) ~= "table" then
    bad(arg, name, "table expected, got " .. type(given))
  end
  for key, value in pairs(given or {}) do
    local kind
    for i, set in ipairs(sets) do
      if set[key] then
        kind, hands[i][key] = set[key], value
      end
    end
    if not kind then
      bad(arg, name, ("unknown option '%s'"):format(tostring(key)))
    elseif not kinds[kind](value) then
      bad(arg, name, ("option '%s': %s"):format(key, expectations[kind]))
    end
  end
  return table.unpack(hands)
end

--- Takes a table apart that is a program with its arguments, a list, and has
-- options by name.
---@param name string Of the function, for errors.
---@param given any
---@return string[] list
---@return table rest
function options.split(name, given)
  local list, rest = {}, {}
  for key, value in pairs(type(given) == "table" and given or {}) do
    if math.type(key) == "integer" then
      list[key] = value
    else
      rest[key] = value
    end
  end
  if #list == 0 then
    bad(1, name, "a program and its arguments expected")
  end
  return list, rest
end

--- Checks the type of an argument.
---@param name string Of the function, for errors.
---@param arg integer The number of the argument.
---@param expected string
---@param value any
function options.check(name, arg, expected, value)
  if type(value) ~= expected then
    bad(arg, name, ("%s expected, got %s"):format(expected, type(value)))
  end
end

--- The name of a type, as Lua's own errors have it.
local function type_of(value)
  local metatable = debug.getmetatable(value) -- others may not look at it
  local name = type(metatable) == "table" and rawget(metatable, "__name")
  return type(name) == "string" and name or type(value)
end

--- Checks an argument that must be a base.
---@param name string Of the function, for errors.
---@param arg integer The number of the argument.
---@param value any
---@param expected? string What may stand there, if not a base alone.
function options.base(name, arg, value, expected)
  local got = type_of(value)
  if type(value) ~= "userdata" or got ~= "libevent.event_base" then
    bad(arg, name, ("%s expected, got %s"):format(expected or "event_base",
      got))
  end
end

--- Checks an address, which must be numeric or a path.
---@param name string Of the function, for errors.
---@param address any
function options.address(name, address)
  if type(address) ~= "string" then
    bad(1, name, "address expected, got " .. type(address))
  end
  local ok, message = core.evutil.parse_sockaddr_port(address)
  if not ok then
    bad(1, name, message)
  end
end

--- Checks an argument that may be seconds; returns it.
---@param name string Of the function, for errors.
---@param arg integer The number of the argument.
---@param value number|nil
---@return number|nil value
function options.seconds(name, arg, value)
  if value ~= nil and not kinds.seconds(value) then
    bad(arg, name, expectations.seconds)
  end
  return value
end

--- What `event_base:stream` takes.
options.stream = { linger = "seconds", max_line = "count", max_all = "count" }

--- What `event_base:listener` takes, but what these modules decide.
options.listener = {
  backlog = "count",
  deferred = "boolean",
  mode = "string",
  nodelay = "boolean",
  reuseable = "boolean",
  reuseport = "boolean",
  v6only = "boolean",
}

return options
