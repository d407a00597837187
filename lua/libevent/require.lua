--- A `require` that may wait: a module may use what only tasks can, and a second
-- task that requires it meanwhile waits for the first.
-- @within libevent

local core = require "libevent.core"

--- What is being loaded, by name: who loads it, and a condition for the end.
local loading = {}

--- What a task waits for, by task.
local waiting = {}

--- Whether a task can only go on after the one that runs.
local function needs(running, job)
  while job do
    if job.task == running then
      return true
    end
    job = waiting[job.task]
  end
  return false
end

local function wait_for(running, job, name)
  if needs(running, job) then
    error(("loop in the modules that '%s' requires"):format(name), 3)
  end
  waiting[running] = job
  local _ <close> = setmetatable({}, {
    __close = function()
      waiting[running] = nil
    end,
  })
  job.done:wait()
end

--- Finds a module as `require` does; returns its loader and what that is told.
local function find(name)
  local messages = {}
  for _, searcher in ipairs(package.searchers) do
    local loader, extra = searcher(name)
    if type(loader) == "function" then
      return loader, extra
    elseif type(loader) == "string" then
      messages[#messages + 1] = loader
    end
  end
  error(("module '%s' not found:%s"):format(name, table.concat(messages)), 3)
end

local function load(running, name)
  local job <close> = setmetatable({
    task = running,
    done = running:base():condition(),
  }, {
    __close = function(self)
      loading[name] = nil
      self.done:close()
    end,
  })
  loading[name] = job
  local loader, extra = find(name)
  local value = loader(name, extra)
  if value ~= nil then
    package.loaded[name] = value
  elseif package.loaded[name] == nil then
    package.loaded[name] = true
  end
  return package.loaded[name], extra
end

--- Returns a function that does in tasks what the given one does elsewhere.
---@param original fun(name: string): any, any
---@return fun(name: string): any, any
return function(original)
  return function(name)
    local running = core.running()
    while running and package.loaded[name] == nil do
      local job = loading[name]
      if not job then
        return load(running, name)
      end
      wait_for(running, job, name)
    end
    return original(name)
  end
end
