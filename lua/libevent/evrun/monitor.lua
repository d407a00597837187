--- What `evrun serve` does when its command line is read: it runs a supervisor,
-- which signals, `evrun ctl` and systemd talk to.

local console = require "libevent.console"
local folder = require "libevent.console.folder"
local core = require "libevent.core"
local describe = require "libevent.log.format".tostring
local log = require "libevent.log"
local look = require "libevent.evrun.look"
local most = require "libevent.supervisor.plan".most
local output = require "libevent.supervisor.output"
local supervisor = require "libevent.supervisor"
local task = require "libevent.task"

--- Seconds between two looks at orphans that could not be reaped.
local pause = 0.1

--- Tells systemd, if that has started this process.
local function tell(text)
  local ok, message = core.notify(text)
  if not ok and message then
    log.warn("systemd cannot be told", { error = message })
  end
end

--- Tells how many workers serve, and that the service is ready when the first
-- time all are.
local function tell_state(self)
  local status, ready, looping = self.service:status(), 0, 0
  for _, each in ipairs(status.workers) do
    ready = ready + (each.state == "ready" and 1 or 0)
    looping = looping + (each.state == "crash-loop" and 1 or 0)
  end
  if ready == #status.workers and not self.was_ready then
    self.was_ready = true
    tell "READY=1"
    log.info("all workers serve", { workers = ready,
      seconds = status.age })
  end
  local text = ("STATUS=%d of %d workers serve%s"):format(ready,
    #status.workers, looping > 0 and (", %d in a crash loop"):format(looping)
      or "")
  if text ~= self.told then
    self.told = text
    tell(text)
  end
end

--- Starts new workers with new code, and once more if that is wanted meanwhile:
-- there may be newer code.
local function reload(self)
  local service = self.service
  if service.reloading or service.ending then
    return service:reload() -- which refuses that
  elseif self.was_ready then
    tell(("RELOADING=1\nMONOTONIC_USEC=%d"):format(
      core.evutil.gettime_monotonic() * 1e6 // 1))
  end
  local ok, message
  repeat
    self.again = false
    ok, message = service:reload()
  until not self.again or service.ending
  if self.was_ready and not service.ending then
    tell "READY=1"
  end
  return ok, message
end

--- Ends the service, when its connections have ended.
local function drain(self)
  if not self.service.ending then
    self.failed = #self.service:failed() > 0
    tell "STOPPING=1"
    log.info("the service ends", { workers = #self.service.slots })
  end
  local killed = self.service:drain()
  if killed > 0 then
    log.warn("workers were killed", { n = killed })
  end
  return true
end

--- Ends it at once.
local function kill(self)
  self.failed = self.failed or #self.service:failed() > 0
  self.service:close()
  return true
end

--- Changes the number of workers to what somebody has asked for.
local function resize(self, n)
  if math.type(n) ~= "integer" or n < 1 or n > most then
    return nil, ("from 1 to %d workers are possible"):format(most)
  end
  return self.service:scale(n)
end

local function scale(self, by)
  local n = #self.service.slots + by
  if n < 1 then
    return nil, "one worker is the least"
  end
  local ok, message = resize(self, n)
  if not ok then
    log.warn("the number of workers stays", { error = message })
  end
  return ok, message
end

--- Ends it; the second time at once.
local function finish(self)
  if self.ending then
    log.warn "ends at once"
    return kill(self)
  end
  self.ending = true
  drain(self)
end

--- What signals do, in tasks.
local on_signal = {
  HUP = function(self)
    self.again = true
    reload(self)
  end,
  INT = finish,
  QUIT = kill,
  TERM = finish,
  TTIN = function(self)
    scale(self, 1)
  end,
  TTOU = function(self)
    scale(self, -1)
  end,
}

--- Signals that are for the workers.
for _, name in ipairs { "USR1", "USR2" } do
  on_signal[name] = function(self)
    self.service:kill(name)
  end
end

--- Reaps the orphans that are left to this process when it is the first one.
local function reap(self)
  local known = {}
  for _, pid in ipairs(self.service:pids()) do
    known[pid] = true
  end
  local _, again = core.posix.reap(known)
  if again then
    self.reaper:add(pause)
  end
end

local function watch_signals(self)
  for name, fn in pairs(on_signal) do
    local signal = self.base:signal(name, function()
      self.base:task(fn, self):name(name)
    end)
    signal:background()
    assert(signal:add())
  end
  if core.posix.getpid() == 1 then
    self.reaper = self.base:timer(function()
      reap(self)
    end)
    self.reaper:background()
    local child = self.base:signal("CHLD", function()
      reap(self)
    end)
    child:background()
    assert(child:add())
  end
end

--- What `evrun ctl` may want.
local verbs = {
  status = function(self)
    return self.service:status()
  end,
  reload = reload,
  stop = function(self, request)
    self.ending = true
    return (request.now and kill or drain)(self)
  end,
  restart = function(self, request)
    return self.service:restart(request.n)
  end,
  scale = function(self, request)
    return resize(self, request.n)
  end,
}

--- Lets others look inside and control the service.
local function open_console(self, name)
  local own, message = console.listen(name)
  if not own then
    log.warn("the service cannot be controlled", { error = message })
    return
  end
  own.controls = function(request)
    local verb = type(request) == "table" and verbs[request.verb]
    if not verb then
      return nil, "the monitor does not know how to do that"
    end
    return verb(self, request)
  end
end

--- Feeds the watchdog of systemd while workers give signs of life.
local function feed(self)
  local pid = os.getenv "WATCHDOG_PID"
  local usec = tonumber(os.getenv "WATCHDOG_USEC")
  if not usec or usec <= 0
      or pid and tonumber(pid) ~= core.posix.getpid() then
    return
  end
  local timer = self.base:timer(function(timer)
    if self.service:is_alive() then
      tell "WATCHDOG=1"
    end
    timer:add(usec / 2e6)
  end)
  timer:background()
  timer:add(0)
end

local function complain(err, traceback, object)
  log.error("an error in the monitor", { error = describe(err),
    traceback = traceback, object = tostring(object) })
end

--- The same though there may be no memory for it: the loop goes on.
local function complain_at_least(...)
  if not pcall(complain, ...) then
    io.stderr:write "an error in the monitor, and no memory to tell of it\n"
  end
end

--- Ends a service of which no process can be started at all.
local function give_up(self)
  local ok, message = self.service:wait_ready()
  if not ok and self.service:is_hopeless() then
    self.hopeless = message
    self.service:close()
  end
end

--- What the supervisor tells, and how its workers write.
local function add_hooks(self, how, out)
  how.write = function(text)
    out:write(text)
  end
  how.on_ready = function()
    tell_state(self)
  end
  how.on_death = how.on_ready
  how.on_end = function(number, pid)
    -- the worker may not have had the time
    os.remove(folder.socket(("%s-%d"):format(how.name, number), pid))
    tell_state(self)
  end
  if core.isatty(io.stderr) then
    how.setenv = { LIBEVENT_LOG_FORMAT = os.getenv "LIBEVENT_LOG_FORMAT"
      or "text" }
  end
end

local function serve(self, how, script)
  local out = output.new(self.base, io.stderr)
  local _ <close> = out:capture_log()
  add_hooks(self, how, out)
  local message
  self.service, message = supervisor.supervisor(how)
  if not self.service then
    out:flush()
    return nil, message
  end
  log.info("serving", { script = script, workers = how.workers,
    listen = table.concat(how.listen or {}, " "), name = how.name,
    pid = core.posix.getpid() })
  watch_signals(self)
  open_console(self, how.name)
  feed(self)
  self.base:task(give_up, self)
  self.service:wait()
  log.info("the service has ended", { failed = self.failed or nil })
  out:flush()
  return not self.hopeless, self.hopeless
end

--- Runs a service; returns the exit status: 1 if it could not be started, or
-- has ended while a worker was in a crash loop.
---@param how table For @{libevent.supervisor}.
---@param script string
---@return integer status
return function(how, script)
  local base <close> = assert(core.event_base())
  base:on_error(complain_at_least)
  local self = { base = base, failed = false }
  local ok, served, message = pcall(task.run, base, function()
    local served, message = serve(self, how, script)
    base:loopbreak()
    return served, message
  end)
  if not ok or not served then
    return look.fail(ok and message or describe(served))
  end
  return self.failed and 1 or 0
end
