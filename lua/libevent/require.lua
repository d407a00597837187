--- A `require` that may wait: a module may use what only tasks can, and a
-- second task that requires it meanwhile waits for the first.
-- @within libevent

local core = require "libevent.core"

--- The tasks that load a module, by its name.
local loading = {}

--- The one that a task waits for.
local waiting = setmetatable({}, { __mode = "k" })

--- Whether a task can only go on after the one that runs.
local function needs(running, loader)
  while loader and loader ~= running do
    loader = waiting[loader]
  end
  return loader ~= nil
end

--- Finds a module as `require` does; returns its loader and what that is told.
local function find(name)
  local messages = {}
  for _, searcher in ipairs(package.searchers) do
    local loader, extra = searcher(name)
    if type(loader) == "function" then
      return loader, extra
    elseif type(loader) == "string" then
      messages[#messages + 1] = "\n\t" .. loader
    end
  end
  error(("module '%s' not found:%s"):format(name, table.concat(messages)), 0)
end

local function load(name)
  local loader, extra = find(name)
  local value = loader(name, extra)
  if value ~= nil then
    package.loaded[name] = value
  elseif package.loaded[name] == nil then
    package.loaded[name] = true
  end
  return package.loaded[name], extra
end

--- Returns what has become of a loader: what `pcall` gave, or nothing if it was
-- canceled.
local function outcome(running, name, loader)
  if needs(running, loader) then
    return false, ("loop in the modules that '%s' requires"):format(name)
  end
  waiting[running] = loader
  local result = table.pack(loader:wait())
  waiting[running] = nil
  if result[1] ~= nil then
    return table.unpack(result, 1, result.n)
  end
end

--- Loads a module in a task of its own, so that who requires it first may be
-- canceled and the others still get it.
local function load_once(running, name)
  local loader = loading[name]
  if not loader or loader:is_closed() or loader:base():is_closed() then
    loader = running:base():task(pcall, load, name)
    loader:name("require " .. name)
    loading[name] = loader
  end
  local ok, value, extra = outcome(running, name, loader)
  if loading[name] == loader then
    loading[name] = nil
  end
  if ok == false then
    error(value, 0)
  end
  return ok, value, extra
end

--- Whether a module is of this package: none of them waits while it is loaded,
-- and to use one for the first time must not make a task wait.
local function is_ours(name)
  return type(name) == "string" and name:find "^libevent%.[%w_.]+$" ~= nil
end

--- Returns a function that does in tasks what the given one does elsewhere.
---@param original fun(name: string): any, any
---@return fun(name: string): any, any
return function(original)
  return function(name)
    local running = core.running()
    while running and package.loaded[name] == nil and not is_ours(name) do
      local ok, value, extra = load_once(running, name)
      if ok then
        return value, extra
      end
    end
    return original(name)
  end
end
