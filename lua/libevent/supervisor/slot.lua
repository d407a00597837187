--- The place of one worker: there is always one in it, whatever happens to the
-- one before.

local await = require "libevent.supervisor.await"
local backoff = require "libevent.supervisor.backoff"
local core = require "libevent.core"
local describe = require "libevent.log.format".tostring
local log = require "libevent.log"
local persist = require "libevent.supervisor.persist"
local worker = require "libevent.supervisor.worker"

local slot = {}

local unwanted = "it is not wanted any more"

--- Seconds after which a failure of the monitor itself is tried again.
local pause = 1

--- Made by `slot.new`.
---
--- `worker` is the one that serves, `starting` one that does not yet, and
--- `leaving` those that end in their own time.
---@class libevent.supervisor.slot
local Slot = {}
Slot.__index = Slot

local function tell(self)
  if not self.changed:is_closed() then
    self.changed:broadcast()
  end
end

--- Fields of a log line that tells of a death: what is out of the ordinary.
local function fields_of(death)
  local fields = {}
  for _, part in ipairs { death.counters or {}, death } do
    for name, value in pairs(part) do
      fields[name] = value or nil
    end
  end
  fields.counters, fields.how, fields.what = nil, nil, nil
  fields.stderr = death.stderr ~= "" and death.stderr or nil
  fields.delay = death.delay > 0 and death.delay or nil
  return fields
end

--- A worker serves no more, though it should: the next one may have to wait.
local function give_up(self, one)
  local now = one.ended_at or self.base:now()
  local delay = self.resume_at - now
  self.deaths = self.deaths + 1
  if not one.replaces or one.ready_at then
    delay, self.is_looping = self.backoff:died(now, one:served())
    self.resume_at = now + delay
  end
  one.delay = worker.rounded(math.max(0, delay))
end

--- Frees the place of one that serves no more.
local function changed(self, one)
  if one.state == "ended" then
    self.leaving[one] = nil
  elseif one.state == "draining" and not one.dismissed then -- by itself
    self.leaving[one] = true
    self.base:task(one.expire, one, self.supervisor.how.drain):name "drain"
  else
    return tell(self)
  end
  if self.worker == one then
    self.worker = nil
  end
  if not one.dismissed and not one.delay then
    give_up(self, one)
  end
  tell(self)
end

--- Tells of a death, when the last words are known.
local function bury(self, one)
  if one.dismissed then
    if one:has_failed() then
      log.warn("a worker died while it ended", { worker = self.number,
        pid = one.pid, cause = one:cause(), stderr = one.tail:text() })
    end
    return
  end
  local was_looping, death = self.told_loop, one:death()
  death.delay, death.crash_loop = one.delay, self.is_looping
  self.last_death, self.told_loop = death, self.is_looping
  log.error("a worker died", fields_of(death))
  if self.is_looping and not was_looping then
    log.error("a worker is in a crash loop", { worker = self.number,
      next_attempt = one.delay })
  end
  self.supervisor:call("on_death", death)
end

--- Notes that a worker cannot even be started; returns nil and why.
local function put_off(self, replaces, message)
  if not replaces then
    self.resume_at = self.base:now() + self.backoff:died(self.base:now())
  end
  self.cannot_start = true
  log.error("a worker cannot be started", { worker = self.number,
    error = message, next_attempt = not replaces and worker.rounded(
      math.max(0, self.resume_at - self.base:now())) or nil })
  return nil, message
end

--- Starts a worker and waits until it serves; one that does not is ended.
---@return libevent.supervisor.worker? worker
---@return string? why
local function launch(self, replaces)
  local supervisor = self.supervisor
  local list, names = supervisor.sockets:of(self.number)
  local ok, one, message = core.pcall(worker.start, self.base, self.number,
    supervisor.how, list, names, self.told)
  if not ok or not one then
    return put_off(self, replaces, ok and message or describe(one))
  end
  supervisor.living, self.cannot_start = supervisor.living + 1, false
  self.starting, one.replaces = one, replaces
  local _ <close> = self.started
  tell(self)
  if not one:wait_ready(supervisor.how.start) then
    if one.state ~= "draining" then -- else it is ended in time
      one:finish()
    end
    one:wait_told()
  end
  if one.state == "ready" then
    self.is_looping, self.told_loop = false, false
    return one
  end
  return nil, one:why()
end

--- Lets a worker end in its own time.
local function retire(self, one)
  self.leaving[one] = true
  self.base:task(one.drain, one, self.supervisor.how.drain):name "drain"
end

--- Waits for what is to be done, or does it.
local function step(self)
  local left = self.resume_at - self.base:now()
  if self.worker or self.replacing then
    self.changed:wait()
  elseif left > 0 then
    self.changed:wait(left)
  else
    self.worker, self.why = launch(self, false)
    self.attempts = self.attempts + 1
    if self.worker then
      self.has_served = true
      self.supervisor:call("on_ready", self:status())
    end
    tell(self)
  end
end

local function complain(self, err)
  log.error("a worker cannot be looked after", { worker = self.number,
    error = describe(err) })
end

--- Sees to it that there is a worker, until none is wanted, whatever happens,
-- unless there is no memory for good.
local function keep(self)
  while self.wanted do
    local ok, err = core.pcall(step, self)
    if not ok then
      core.pcall(complain, self, err) -- for that there may be no memory either
      if not persist.pause(pause) then
        error(err, 0)
      end
    end
  end
end

--- Something that calls a function when a block ends, with the error if one is
-- why.
local function at_end(fn)
  return setmetatable({}, { __close = function(_, err)
    fn(err)
  end })
end

--- Makes a place; nobody is in it yet.
---@param supervisor libevent.supervisor
---@param number integer
---@return libevent.supervisor.slot
function slot.new(supervisor, number)
  local self = setmetatable({
    supervisor = supervisor, base = supervisor.base, number = number,
    backoff = backoff.new(supervisor.how), leaving = {}, wanted = true,
    changed = supervisor.base:condition "change of a worker",
    deaths = 0, attempts = 0, resume_at = 0, is_looping = false,
    replacing = false,
  }, Slot)
  self.told = {
    on_change = function(one)
      changed(self, one)
    end,
    on_end = function(one)
      core.pcall(bury, self, one)
      supervisor:left(one)
    end,
  }
  -- Made before they are needed: there may be no memory then.
  self.started = at_end(function(err)
    if err then
      self.starting:kill()
    end
    self.starting = nil
  end)
  self.replaced = at_end(function()
    self.replacing = false
    tell(self)
  end)
  self.base:task(keep, self):name(("keeper of worker %d"):format(number))
  return self
end

--- Waits until somebody serves or has failed to. Only a task can.
---@param attempts? integer Attempts that do not count: those until somebody has
-- served, by default.
---@param seconds? number
---@return boolean? ok
---@return string? why
function Slot:wait_ready(attempts, seconds)
  attempts = attempts or self.has_served and self.attempts or 0
  local in_time = await(self.base, self.changed, function()
    return self.worker or not self.wanted or self.attempts > attempts
  end, seconds)
  if self.worker then
    return true
  end
  return nil, not in_time and "timed out" or self.why or unwanted
end

--- Starts it again at once where nobody serves.
local function hurry(self)
  local attempts = self.attempts
  self.backoff:reset()
  self.resume_at = 0
  if self.starting then
    attempts = attempts + 1
    self.starting:kill()
  end
  tell(self)
  return self:wait_ready(attempts)
end

--- Waits until it is not being replaced any more. Only a task can.
function Slot:wait_replaced()
  await(self.base, self.changed, function()
    return not self.replacing
  end)
end

--- Puts a new worker in the place of the one that serves, which ends in its own
-- time when the new one serves. If that does not come to serve, the old one
-- stays. Only a task can.
---@return boolean? ok
---@return string? why
function Slot:replace()
  if not self.wanted then
    return nil, unwanted
  elseif self.replacing then
    return nil, "it is being replaced already"
  elseif not self.worker then
    return hurry(self)
  end
  local _ <close> = self.replaced
  self.replacing = true
  local one, why = launch(self, true)
  if one then
    local old = self.worker
    self.worker = one
    if old then
      retire(self, old)
    end
    self.supervisor:call("on_ready", self:status())
  end
  return one ~= nil or nil, why
end

-- All that live.
function Slot:living()
  local list = { self.worker }
  list[#list + 1] = self.starting
  for one in pairs(self.leaving) do
    if one ~= self.starting then
      list[#list + 1] = one
    end
  end
  return list
end

--- Lets all end in their own time, and starts no more. Only a task can.
---@param seconds number
---@return integer killed How many were killed since they did not.
function Slot:stop(seconds)
  local tasks, killed = {}, 0
  self.wanted = false
  for i, one in ipairs(self:living()) do
    tasks[i] = self.base:task(one.drain, one, seconds)
  end
  tell(self)
  for _, task in ipairs(tasks) do
    killed = killed + (task:wait() and 0 or 1)
  end
  return killed
end

--- Kills all, and starts no more.
function Slot:kill()
  self.wanted = false
  for _, one in ipairs(self:living()) do
    one:kill()
  end
  tell(self)
end

--- Tells whether nobody serves since the last one did not come to.
---@return boolean failed
function Slot:has_failed()
  return not self.worker and self.last_death ~= nil
    and not self.last_death.was_ready
end

local function state_of(self)
  if self.worker then
    return self.worker.state
  elseif self.is_looping then
    return "crash-loop"
  elseif self.starting then
    return "starting"
  end
  return self.wanted and "waiting" or "stopped"
end

--- Returns what there is to know.
---@return table status
function Slot:status()
  local one, leaving = self.worker or self.starting, 0
  for _ in pairs(self.leaving) do
    leaving = leaving + 1
  end
  local status = {
    worker = self.number, state = state_of(self), deaths = self.deaths,
    leaving = leaving, addresses = self.supervisor.sockets:names(self.number),
    last_death = self.last_death and self.last_death.cause or nil,
  }
  if one then
    status.pid = one.pid
    status.age = worker.rounded(self.base:now() - one.started)
    status.counters, status.status = one.counters, one.status
    status.counted = one.counted
      and worker.rounded(self.base:now() - one.counted)
  end
  if not one and self.wanted then
    status.next_attempt = worker.rounded(math.max(0,
      self.resume_at - self.base:now()))
  end
  return status
end

return slot
