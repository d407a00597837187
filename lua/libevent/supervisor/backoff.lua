--- How long to wait before a worker is started again.
--
-- One that has served for some time is replaced at once. Of those that have
-- not, the first is, too, and each further one after twice the time, so that
-- what cannot work costs little. Those that died before they were ready at all
-- are unstable: too many of them within some time are a crash loop.

local backoff = {}

--- Made by `backoff.new`.
---@class libevent.supervisor.backoff
local Backoff = {}
Backoff.__index = Backoff

--- How much of a delay is left to chance, so that workers which die together
-- are not all started together again.
local jitter = 0.2

--- What holds where nothing is said: seconds, and how many are too many.
backoff.defaults = {
  backoff = 0.1, backoff_max = 30, settle = 0.5, intensity = 5, period = 30,
}

--- Makes one for a worker.
---@param how table With the fields of `backoff.defaults`.
---@param random? fun(): number From 0 to 1.
---@return libevent.supervisor.backoff
function backoff.new(how, random)
  return setmetatable({ how = how, random = random or math.random, short = 0,
    unstable = {}, is_looping = false }, Backoff)
end

--- Whether too many have died unready within the period.
local function is_crash_loop(self, now)
  local recent = {}
  for _, moment in ipairs(self.unstable) do
    if now - moment < self.how.period then
      recent[#recent + 1] = moment
    end
  end
  self.unstable = table.move(recent, math.max(1, #recent - self.how.intensity),
    #recent, 1, {})
  return #recent >= self.how.intensity
end

--- Takes note of a death.
---@param now number Seconds on a clock that never goes back.
---@param served? number Seconds since it was ready; nil if it never was.
---@return number delay Seconds until it is started again.
---@return boolean is_looping Whether it is in a crash loop.
function Backoff:died(now, served)
  local how = self.how
  if served and served >= how.settle then
    self.short = 0
  end
  if not served then
    table.insert(self.unstable, now)
  end
  self.short = self.short + 1
  self.is_looping = not served
    and (is_crash_loop(self, now) or self.is_looping)
  local delay = 0
  if self.is_looping then
    delay = how.backoff_max
  elseif self.short > 1 then
    delay = math.min(how.backoff_max, how.backoff * 2.0 ^ (self.short - 2))
  end
  return delay * (1 + jitter * self.random()), self.is_looping
end

--- Forgets what was: from here on it is as with a new one.
function Backoff:reset()
  self.short, self.unstable, self.is_looping = 0, {}, false
end

return backoff
