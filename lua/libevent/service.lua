--- What a program is to the one that started it: a worker of `evrun serve`, a
-- service of systemd, or neither. The functions do what they can in each case,
-- so that the same program runs under all of them. They are called with a dot.
--
-- `evrun` calls `service.start` by itself.
-- @module libevent.service

local core = require "libevent.core"
local ending = require "libevent.service.ending"
local inherited = require "libevent.service.inherited"
local log = require "libevent.log"
local options = require "libevent.options"
local task = require "libevent.task"
local watcher = require "libevent.service.watcher"

local service = {}

--- Seconds that connections get to end, by default, and between two looks
-- whether the inherited sockets are used.
local patience, pause = 10, 0.01

--- Bytes of a status that are told: who reads lines reads none without an end.
local most_status = 4096

local kinds = { drain = "seconds", on_ready = "function" }

--- The `base` of the service, and by base `watched`: who watches it, and
-- `on_ready`. Neither keeps a base that has ended, nor what depends on it.
local started = setmetatable({}, { __mode = "v" })
local states = setmetatable({}, { __mode = "k" })

--- Whether those who watch know that this program is ready, and that it ends.
local is_ready, is_ending = false, false

--- The inherited sockets that were asked for.
local asked = {}

--- The base of the service, if there is one, and what belongs to it.
local function running()
  local base = started.base
  if base and not base:is_closed() then
    return base, states[base]
  end
end

--- Tells something; returns whom.
local function tell(text, is_due)
  local _, state = running()
  local watched = state and state.watched
  if watched then
    watched:tell(text, is_due)
  end
  return watched
end

--- Tells that the program is not starting any more; who does not hear that
-- would end it.
local function tell_started(text)
  local watched = tell(text, true)
  if watched then
    watched:guard()
  end
end

--- Returns what to listen to: a socket that was inherited from whoever started
-- this program, or else an address.
--
-- Once it is served, this program counts as ready.
---@param default? string An address, for a program that runs alone.
---@param which? integer|string The number of the socket, 1 by default, or its
-- name.
---@return libevent.socket|string? address nil if none was inherited and there
-- is no default.
---@return string? message
---@return integer? code `ENOENT`, or `EBUSY` if it is used already.
function service.address(default, which)
  which = which or 1
  if default ~= nil then
    options.check("address", 1, "string", default)
  end
  if math.type(which) ~= "integer" and type(which) ~= "string" then
    error(("bad argument #2 to 'address' (integer or string expected, got %s)")
      :format(type(which)), 2)
  end
  local entry = inherited.find(which)
  if not entry then
    if default then
      return default
    end
    return nil, "no socket was inherited", core.errno.ENOENT
  elseif not entry.socket or entry.socket:is_closed() then
    return nil, ("inherited socket %s: %s"):format(which,
      entry.message or "is used already"), core.errno.EBUSY
  end
  asked[entry.socket] = true
  return entry.socket
end

--- Returns how many sockets were inherited.
---@return integer n
function service.sockets()
  return #inherited.list()
end

--- Returns which worker this program is.
---@return integer? number From 1 on; nil if no monitor has started it.
---@return string? name That of the service.
function service.worker()
  local number = inherited.number "EVRUN_WORKER"
  return number, number and os.getenv "EVRUN_NAME" or nil
end

--- Tells whoever started this program that it does its work from now on; no
-- effect if that is known already.
function service.ready()
  if not is_ready and not is_ending then
    is_ready = true
    tell_started "READY=1"
    local base, state = running()
    if state and state.on_ready then
      base:task(state.on_ready)
    end
  end
end

--- Tells whoever started this program what it is doing, in one line; what is
-- more than 4 KiB is left out.
---@param text string
function service.status(text)
  options.check("status", 1, "string", text)
  tell("STATUS=" .. text:sub(1, most_status):gsub("%c", " "))
end

--- Tells whether the program is ending, so that it should begin nothing new.
---@return boolean ending
function service.is_ending()
  return is_ending
end

--- Counts as ready when what was asked for is served.
local function await_use(base)
  local look = base:timer(function(timer)
    local used = next(asked) ~= nil
    for socket in pairs(asked) do
      used = used and socket:is_closed()
    end
    if used then
      service.ready()
    elseif not is_ready then
      timer:add(pause)
    end
  end)
  look:background()
  look:add(0)
end

--- Lets signals end the program well, and tells whoever started it that it
-- lives: a hung one can be found then. TERM and INT drain it, see
-- @{libevent.drain}, and so does the end of the monitor; a second signal ends
-- it at once.
---@param given? table Any of:
-- - `drain`: seconds that connections get to end, 10 by default;
-- - `on_ready`: function, called once in a task of its own, when the program
--   counts as ready.
---@return libevent.signal interrupt The signal object that watches INT.
function service.start(given)
  local own = options.deal("start", 1, given, kinds)
  if running() then
    error("the service has started already", 2)
  end
  local base = task.base()
  if service.worker() then -- signals for the monitor may get here, too
    for _, name in ipairs { "HUP", "USR1", "USR2" } do
      core.posix.ignore(name)
    end
  end
  inherited.list()
  local stop, interrupt = ending.on_signals(base, own.drain or patience,
    function()
      is_ending = true
      tell_started "STOPPING=1"
    end)
  local state = { on_ready = own.on_ready }
  started.base, states[base] = base, state -- it has not raised
  is_ready, is_ending = false, false
  local message
  state.watched, message = watcher.find(base, function()
    stop { reason = "the monitor has ended" }
  end)
  if state.watched then
    core.traceback_on "ABRT"
    await_use(base)
  elseif message then
    log.warn("nobody can be told that this program lives", { error = message })
  end
  return interrupt
end

return service
