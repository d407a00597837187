--- A monitor of worker processes: it keeps their listening sockets, and puts
-- another worker in the place of one that dies.
-- @within libevent

local addresses = require "libevent.supervisor.addresses"
local await = require "libevent.supervisor.await"
local core = require "libevent.core"
local log = require "libevent.log"
local options = require "libevent.options"
local plan = require "libevent.supervisor.plan"
local rounded = require "libevent.supervisor.worker".rounded
local slot = require "libevent.supervisor.slot"
local task = require "libevent.task"

local supervisor = {}

--- Keeps workers running. Made by @{libevent.supervisor}.
---@class libevent.supervisor
local Supervisor = { __name = "libevent.supervisor" }
Supervisor.__index = Supervisor

--- Seconds between two attempts to open an address that is still used.
local pause = 0.01

-- Calls a function of whoever made this, in a task of its own.
function Supervisor:call(name, ...)
  if self.how[name] and not self.base:is_closed() then
    self.base:task(self.how[name], ...)
  end
end

--- Adds a worker.
local function add(self)
  local number = #self.slots + 1
  local ok, message, code = self.sockets:open(number)
  if not ok then
    return nil, message, code
  end
  self.slots[number] = slot.new(self, number)
  return true
end

--- Waits until every worker serves, or has failed to. Only a task can.
---@param timeout? number Seconds.
---@return boolean? ok
---@return string? message Which worker does not, and why.
function Supervisor:wait_ready(timeout)
  options.seconds("wait_ready", 1, timeout)
  local deadline = timeout and self.base:now() + timeout
  local failure
  for _, each in ipairs({ table.unpack(self.slots) }) do
    local left = deadline and math.max(0, deadline - self.base:now())
    local ok, why = each:wait_ready(nil, left)
    if not ok then
      failure = failure or ("worker %d: %s"):format(each.number, why)
    end
  end
  if failure then
    return nil, failure
  end
  return true
end

--- Tells whether not one worker could be started, be it only to end at once.
---@return boolean hopeless
function Supervisor:is_hopeless()
  for _, each in ipairs(self.slots) do
    if not each.cannot_start then
      return false
    end
  end
  return true
end

--- Tells which workers do not serve since the last one did not come to.
---@return integer[] numbers
function Supervisor:failed()
  local list = {}
  for _, each in ipairs(self.slots) do
    if each:has_failed() then
      list[#list + 1] = each.number
    end
  end
  return list
end

--- Tells what the workers do.
---@return table status `name`, `pid`, `state`: "running", "reloading" or
-- "ending"; `age` in seconds, `reloads`, and `workers`: a table for each, with
-- `worker`, which is its number; `state`: "starting", "ready", "draining",
-- "hung", "waiting", "crash-loop" or "stopped"; `addresses`, `deaths`,
-- `leaving`: how many older ones still end; and where there are such `pid`,
-- `age`, `counters`, `counted`: seconds since they were told; `status`,
-- `last_death`, and `next_attempt` in seconds.
function Supervisor:status()
  local workers = {}
  for i, each in ipairs(self.slots) do
    workers[i] = each:status()
  end
  return {
    name = self.how.name, pid = core.posix.getpid(), workers = workers,
    state = self.ending and "ending" or self.reloading and "reloading"
      or "running",
    age = rounded(self.base:now() - self.since), reloads = self.reloads,
  }
end

--- Refuses what makes no sense any more.
local function check_running(self)
  if self.ending then
    return nil, "the service is ending", core.errno.ECANCELED
  elseif self.reloading then
    return nil, "a reload goes on", core.errno.EBUSY
  end
  return true
end

local function reload(self)
  local _ <close> = self.reloaded
  self.reloading = true
  for _, each in ipairs({ table.unpack(self.slots) }) do
    each:wait_replaced() -- it may have the old code
    if self.ending then
      return nil, "the service is ending", core.errno.ECANCELED
    end
    local ok, why = each:replace()
    if not ok and each.wanted then
      return nil, ("worker %d: %s"):format(each.number, why)
    end
  end
  return true
end

--- Replaces all workers, one after the other, by new ones, which have new code:
-- each old one ends in its own time when the new one serves. If one does not
-- come to serve, those that were not replaced stay. Only a task can.
---@return boolean? ok
---@return string? message Which worker does not serve, and why.
---@return integer? code `EBUSY` or `ECANCELED`.
function Supervisor:reload()
  local ok, message, code = check_running(self)
  if not ok then
    return nil, message, code
  end
  ok, message, code = reload(self)
  if ok then
    self.reloads = self.reloads + 1
    log.info("reloaded", { workers = #self.slots })
    return true
  elseif not self.ending then
    log.error("the reload has failed; workers not replaced stay",
      { error = message })
  end
  return nil, message, code
end

--- Replaces one worker, as `reload` does. Only a task can.
---@param number integer
---@return boolean? ok
---@return string? message
---@return integer? code `ENOENT` if there is none of that number.
function Supervisor:restart(number)
  local each = self.slots[number]
  if not each then
    return nil, ("there is no worker %s"):format(tostring(number)),
      core.errno.ENOENT
  end
  local ok, message, code = check_running(self)
  if ok then
    ok, message = each:replace()
  end
  if not ok then
    return nil, message, code
  end
  return true
end

--- Lets those above a number end.
local function shrink(self, n)
  for number = #self.slots, n + 1, -1 do
    local each = table.remove(self.slots)
    self.retired[each] = true
    self.sockets:close_own(number)
    self.base:task(function()
      each:stop(self.how.drain)
      self.retired[each] = nil
    end):name "drain"
  end
end

--- Whether a worker leaves that may use the address of the next one; it is
-- given some time.
local function leaves(self)
  local number = #self.slots + 1
  for each in pairs(self.retired) do
    if each.number == number then
      core.sleep(pause)
      return not self.ending
    end
  end
  return false
end

--- Changes how many workers there are. Only a task can.
---@param n integer From 1 to 1000.
---@return boolean? ok
---@return string? message
---@return integer? code `ERANGE` where there is no address for so many.
function Supervisor:scale(n)
  if math.type(n) ~= "integer" or n < 1 or n > plan.most then
    error(("bad argument #1 to 'scale' (integer from 1 to %d expected, got %s)")
      :format(plan.most, tostring(n)), 2)
  end
  local ok, message, code = check_running(self)
  while ok and #self.slots < n do
    ok, message, code = add(self)
    if not ok and code == core.errno.EADDRINUSE and leaves(self) then
      ok = true
    end
  end
  if not ok then
    return nil, message, code
  end
  shrink(self, n)
  log.info("scaled", { workers = #self.slots })
  return true
end

--- All places, also those that are not wanted any more.
local function places(self)
  local list = { table.unpack(self.slots) }
  for each in pairs(self.retired) do
    list[#list + 1] = each
  end
  return list
end

--- Notes the end, when nobody is left, or wanted.
local function look_for_end(self)
  if self.ending and self.living == 0 and not self.ended
      and not self.base:is_closed() then
    self.ended = true
    self.over:broadcast()
  end
end

-- A worker has ended, and all is told that there is of it.
function Supervisor:left(one)
  self.living = self.living - 1
  core.pcall(self.call, self, "on_end", one.number, one.pid)
  look_for_end(self)
end

--- Returns the processes of all workers that live.
---@return integer[] pids
function Supervisor:pids()
  local list = {}
  for _, each in ipairs(places(self)) do
    for _, one in ipairs(each:living()) do
      list[#list + 1] = one.pid
    end
  end
  return list
end

--- Sends a signal to all workers that serve.
---@param signal string|integer As for @{event_base:signal}.
function Supervisor:kill(signal)
  for _, each in ipairs(self.slots) do
    if each.worker and each.worker.state == "ready" then
      each.worker.program:kill(signal)
    end
  end
end

--- Tells whether some worker has given a sign of life lately.
---@return boolean alive
function Supervisor:is_alive()
  local limit = self.how.heartbeat
  for _, each in ipairs(self.slots) do
    if each.worker and (limit == 0
        or self.base:now() - each.worker.heard < limit) then
      return true
    end
  end
  return false
end

--- Ends the service: the workers accept no more, and end when their connections
-- have, or at the deadline. Only a task can.
---@param seconds? number As the option `drain` by default.
---@return integer killed How many workers had to be killed.
function Supervisor:drain(seconds)
  options.seconds("drain", 1, seconds)
  local tasks, killed = {}, 0
  self.ending = true
  for i, each in ipairs(places(self)) do
    tasks[i] = self.base:task(each.stop, each, seconds or self.how.drain)
  end
  self.sockets:close()
  for _, one in ipairs(tasks) do
    killed = killed + (one:wait() or 0)
  end
  look_for_end(self)
  self:wait()
  return killed
end

--- Kills all workers, whose end `wait` waits for; idempotent.
function Supervisor:close()
  self.ending = true
  for _, each in ipairs(places(self)) do
    each:kill()
  end
  self.sockets:close()
  look_for_end(self)
end

Supervisor.__close = Supervisor.close

--- Waits until the service has ended. Only a task can.
---@param timeout? number Seconds.
---@return boolean? ok
---@return string? message `"timed out"`
---@return integer? code `ETIMEDOUT`
function Supervisor:wait(timeout)
  options.seconds("wait", 1, timeout)
  local ok = await(self.base, self.over, function()
    return self.ended
  end, timeout)
  if not ok then
    return nil, "timed out", core.errno.ETIMEDOUT
  end
  return true
end

function Supervisor:__tostring()
  return ("libevent.supervisor: %s, %d workers"):format(
    self.how.name or self.how.command[1], #self.slots)
end

--- Keeps worker processes running. Each is a program that calls
-- `libevent.service.start`, as `evrun` does; it inherits the sockets that
-- `libevent.service.address` returns there.
---@param given table The program and its arguments as a list, and any of:
-- - `workers`: integer, how many; as many as have an address by default, or 1;
-- - `listen`: string or list of strings: addresses that the workers share; a
--   range of ports such as `"127.0.0.1:9001-9010"`, and a path with `%d`, give
--   each its own; none by default, or what this process has inherited;
-- - `reuseport`: boolean, gives each worker a socket of its own for each
--   address; `backlog` and `mode`: as for @{event_base:listener};
-- - `name`: string, that of the service;
-- - `drain`: seconds that connections get to end, 10 by default;
-- - `heartbeat`: seconds without a sign of life after which a worker is killed,
--   10 by default, 0 for never;
-- - `start`: seconds in which one has to be ready, 60 by default;
-- - `backoff`, `backoff_max`: seconds before the second attempt to start one,
--   0.1 by default, and at most, 30; `settle`: seconds that one has to serve so
--   that the next is started at once, 0.5;
-- - `intensity`, `period`: how many deaths before one is ready, 5, in how many
--   seconds, 30, are a crash loop;
-- - `directory`, `limits`, `setenv`: as for @{event_base:process};
-- - `on_death`: fun(death), with `worker`, `pid`, `cause`, `how`, `what`,
--   `core`, `hung`, `was_ready`, `lived` in seconds, `stderr`: its last lines;
--   `counters`, `status`, `delay`: seconds until the next is started, and
--   `crash_loop`;
-- - `on_end`: fun(worker, pid), when one has ended in whatever way;
-- - `on_ready`: fun(status), with the status of a worker that serves now;
-- - `write`: fun(text), takes what workers write to standard error, in lines;
--   it goes to that of this process by default.
---@return libevent.supervisor? supervisor
---@return string? message
---@return integer? code An errno value, such as `EADDRINUSE`.
function supervisor.supervisor(given)
  local command, rest = options.split("supervisor", given)
  local how, socket_options = options.deal("supervisor", 1, rest, plan.kinds,
    plan.listening)
  local list = plan.complete(how, command)
  local base = task.base()
  local self = setmetatable({
    base = base, how = how, slots = {}, retired = {}, since = base:now(),
    reloads = 0, living = 0, over = base:condition "the end of a service",
  }, Supervisor)
  self.reloaded = setmetatable({}, { __close = function()
    self.reloading = false
  end })
  local message, code
  self.sockets, message, code = addresses.open(base, list, socket_options)
  if not self.sockets then
    return nil, message, code
  end
  for _ = 1, how.workers do
    local ok
    ok, message, code = add(self)
    if not ok then
      self:close()
      return nil, message, code
    end
  end
  return self
end

return supervisor
