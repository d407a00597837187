--- Tasks: straight-line code on the loop.
--
-- What waits and what makes it wait is in C; here is what runs a loop for them.
-- @within libevent

local core = require "libevent.core"
local options = require "libevent.options"
local yieldable_require = require "libevent.require"

local task = {}

--- The base of the innermost `run`, and the traceback of the last error that
-- one has raised.
local current, last_traceback

--- Tasks of those who look inside: when nothing is left to do but what they
-- wait for, that is no error.
local apart = setmetatable({}, { __mode = "k" })

--- Seconds that tasks have to end when the loop is over.
local patience = 2

--- Returns the base of the `run` that goes on.
---@return libevent.event_base base Raises where none does.
function task.base()
  return current or error("no loop runs (see libevent.run)", 2)
end

--- Starts a task: it begins once the callback or task that runs now has
-- returned or waits, and before a sleep ends that begins later. Called by a
-- task, the new one belongs to its scope and inherits its deadline.
---@param fn function Its results are those of `task:wait`.
---@param ... any Its arguments.
---@return libevent.task task
function task.spawn(fn, ...)
  return (current or error("no loop runs (see libevent.run)", 2)):task(fn, ...)
end

--- Calls a function when the callback or task that runs now has returned or
-- waits. Wraps `event_base:defer`.
---@param fn fun()
function task.defer(fn)
  return task.base():defer(fn)
end

--- Waits until a descriptor is ready. Only a task can.
---@param fd integer|file*|libevent.object
---@param what string Letters: `r` readable, `w` writable, `c` closed by the
-- peer.
---@param timeout? number Seconds.
---@return string? what Letters; nil if the time is over.
---@return string? message
---@return integer? code An errno value, `ETIMEDOUT` for the time.
function task.wait(fd, what, timeout)
  local event <close>, message, code = task.base():event(fd, what)
  if not event then
    return nil, message, code
  end
  return event:wait(timeout)
end

--- Returns the tasks of a base that have not ended.
---@param base? libevent.event_base The one of the `run` that goes on.
---@return table[] tasks The newest first, each with `task`, `name`, `status`,
-- `where` as `"file:line"`, `waits`: what it waits for, and `traceback`.
function task.tasks(base)
  local list = {}
  if base ~= nil then
    options.base("tasks", 1, base)
  end
  for _, one in ipairs((base or task.base()):tasks()) do
    local waits, object = one:waits()
    list[#list + 1] = {
      task = one,
      name = one:name() or one:where(),
      status = one:status(),
      where = one:where(),
      waits = object and waits .. " " .. object or waits,
      traceback = one:traceback(),
    }
  end
  return list
end

-- Sets a task apart from those of the program.
function task.set_apart(one)
  apart[one] = true
end

-- The tasks of a program alone, without more about them.
function task.list(base)
  local list = {}
  for _, one in ipairs(base:tasks()) do
    if not apart[one] then
      list[#list + 1] = one
    end
  end
  return list
end

--- Says of each task that is left where it waits.
local function listing(base)
  local lines = {}
  for _, one in ipairs(task.tasks(base)) do
    if not apart[one.task] then
      lines[#lines + 1] = ("\n  %s at %s: %s"):format(one.name, one.where,
        one.waits or one.status)
    end
  end
  return #lines, table.concat(lines)
end

--- Cancels what is left and lets it end; returns false and the error of what
-- fails then.
local function clear(base)
  if base:is_closed() then
    return true
  end
  local ok, err = true, nil
  local alarm <close> = base:timer(function() end)
  local deadline = base:now() + patience
  while #base:tasks() > 0 and base:now() < deadline do
    for _, one in ipairs(base:tasks()) do
      one:cancel()
    end
    alarm:add(0.05)
    local looped, why, message = pcall(base.loop, base, "once")
    if ok and not (looped and why) then
      ok, err = false, why or message
    end
    if base:is_closed() or looped and not why then
      break
    end
  end
  return ok, err
end

--- The state that a run changes, put back at its end.
local function installed(base)
  local outer_require = require
  current = base
  rawset(_G, "require", yieldable_require(outer_require))
  return setmetatable({}, {
    __close = function()
      current = nil
      rawset(_G, "require", outer_require)
    end,
  })
end

--- Runs the loop for a main task; returns whether all went well, and if not
-- the error.
local function drive(base, main)
  local looped, why, message = pcall(base.loop, base)
  if not looped then
    last_traceback = not base:is_closed() and base:traceback() or nil
    return false, why
  elseif not why then
    last_traceback = nil
    return false, message
  elseif base:is_closed() or main:is_closed() then
    return true
  elseif main:status() == "failed" then
    last_traceback = main:traceback()
    return pcall(main.wait, main)
  end
  local n, lines = listing(base)
  if why == "empty" and n > 0 then
    last_traceback = nil
    return false, "tasks wait for what cannot happen:" .. lines
  end
  return true
end

--- Runs a function as the main task, and the loop until nothing is left to do.
--
-- An error of the main task ends it, and is raised here, the very same value;
-- so does an error in a callback, or in a task that nobody waits for, unless
-- `event_base:on_error` is set. Tasks that still wait when nothing can wake
-- them are an error that lists them. What is left then is canceled. While it
-- runs, `require` may wait.
---@param base libevent.event_base It may be left out: then it is a new one,
-- which is closed at the end.
---@param fn function
---@param ... any Its arguments.
---@return any ... What the function returned.
function task.run(base, fn, ...)
  if core.in_loop() then
    error("run inside a loop", 2)
  elseif type(base) == "function" then
    local own <close> = assert(core.event_base())
    return task.run(own, base, fn, ...)
  end
  options.base("run", 1, base, "function or event_base")
  options.check("run", 2, "function", fn)
  local main = base:task(fn, ...)
  main:name "main"
  main:breaks_loop()
  local _ <close> = installed(base)
  local ok, err = drive(base, main)
  local cleared, late = clear(base)
  if not ok then
    error(err, 0)
  elseif not cleared then
    error(late, 0)
  elseif not main:is_closed() then
    return main:wait()
  end
end

--- Returns the traceback of the last error that `run` has raised.
---@return string? traceback
function task.traceback()
  return last_traceback
end

return task
