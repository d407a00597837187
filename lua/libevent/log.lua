--- Log lines of a service: a level, a message, and fields for what varies.
--
-- Lines go to standard error, as text where that is a terminal and as JSON
-- elsewhere, one object a line; times are UTC. What is logged never raises, is
-- never more than one line, and can neither pretend to be another line nor
-- drive a terminal. Lines that repeat are counted instead of written. The
-- functions are called with a dot.
-- @module libevent.log

local core = require "libevent.core"
local format = require "libevent.log.format"
local limit = require "libevent.log.limit"
local options = require "libevent.options"

local isatty, evutil = core.isatty, core.evutil
local monotonic, time_of_day = evutil.gettime_monotonic, evutil.gettimeofday

local log = {}

local levels = { debug = 1, info = 2, warn = 3, error = 4, off = 5 }
local names = { "debug", "info", "warn", "error", "off" }
local formats = { auto = "auto", json = "json", text = "text" }

local DEBUG <const>, INFO <const>, WARN <const>, ERROR <const> = 1, 2, 3, 4

--- The least level that is written, and the format that is set.
local least, chosen = INFO, "auto"

--- How many lines have not reached the output.
local dropped = 0

--- Coroutines that are in a function that lines go to.
local inside = setmetatable({}, { __mode = "k" })

--- An output: a file or function, and what the file is.
local function output_of(sink)
  local color = os.getenv "NO_COLOR"
  local is_terminal = type(sink) ~= "function" and isatty(sink)
  return { sink = sink, is_function = type(sink) == "function",
    is_terminal = is_terminal, has_failed = false,
    is_colored = is_terminal and (color == nil or color == "")
      and os.getenv "TERM" ~= "dumb" }
end

local stderr = output_of(io.stderr)
local output = stderr

local function line_of(out, record)
  if chosen == "json" or chosen == "auto" and not out.is_terminal then
    return format.json(record)
  end
  return format.text(record, out.is_terminal, out.is_colored)
end

local function put(out, record)
  local file = out.sink
  local ok, why = file:write(line_of(out, record) .. "\n")
  if ok then
    ok, why = file:flush()
  end
  return ok, why
end

local function call(out, record, thread)
  local fields = {}
  for key, value in next, record.fields do
    fields[key] = value
  end
  local line = line_of(out, record)
  inside[thread] = true
  out.sink(line, { time = record.time, level = record.level,
    message = record.message, fields = fields })
end

--- Writes a line; returns whether that went well, and if not why.
local function write(out, record)
  if not out.is_function then
    local ok, written, why = pcall(put, out, record)
    return ok and written, not ok and written or why
  end
  local thread = coroutine.running()
  if inside[thread] then
    return false, "logged by the function that lines go to"
  end
  local ok, why = pcall(call, out, record, thread)
  inside[thread] = nil
  return ok, why
end

--- Writes a line where lines go, or to standard error if that fails.
local function deliver(level, message, fields)
  local out = output
  local record = { time = time_of_day(), level = names[level],
    message = message, fields = fields }
  local ok, why = write(out, record)
  if ok then
    return
  end
  dropped = dropped + 1
  if out.sink ~= stderr.sink then
    if not out.has_failed then
      out.has_failed = true
      write(stderr, { time = record.time, level = "warn",
        message = "the log goes to standard error", fields = { error = why } })
    end
    write(stderr, record)
  end
end

--- Tells how often a line came that was not written.
local function deliver_repeated(watch)
  local n = watch.more
  watch.more = 0
  if n > 0 and watch.level >= least then
    deliver(watch.level, ("%s (repeated %d more times)"):format(watch.message,
      n), { repeated = n })
  end
end

local none = {}

local function submit(level, message, fields)
  if type(message) ~= "string" then
    message = format.tostring(message)
  end
  if fields == nil then
    fields = none
  elseif type(fields) ~= "table" then
    fields = { fields = fields }
  end
  local now = monotonic()
  local watch = limit.over(now)
  while watch do
    deliver_repeated(watch)
    watch = limit.over(now)
  end
  if limit.pass(level, message, now) then
    deliver(level, message, fields)
  end
end

local function guarded(level, message, fields)
  if not pcall(submit, level, message, fields) then
    dropped = dropped + 1
  end
end

--- Raises that an argument of a function of this module is wrong.
local function bad_argument(position, name, what)
  error(("bad argument #%d to '%s' (%s)"):format(position, name, what), 3)
end

local function bad_type(position, name, expected, got)
  error(("bad argument #%d to '%s' (%s expected, got %s)"):format(position,
    name, expected, type(got)), 3)
end

--- Logs what helps to find a mistake; not written by default.
---@param message string Says what happened, always with the same words, so that
-- lines can be counted and found; another value is made a string.
---@param fields? table What varies, by names: strings, numbers, booleans; of
-- tables one level is shown, and of other values what `tostring` gives. Up to
-- 64 are written. Names that the line has already get a `_` behind them.
function log.debug(message, fields)
  if least <= DEBUG then
    guarded(DEBUG, message, fields)
  end
end

--- Logs what happens in the ordinary course.
---@param message string
---@param fields? table As in @{log.debug}.
function log.info(message, fields)
  if least <= INFO then
    guarded(INFO, message, fields)
  end
end

--- Logs what somebody should look at, though the service goes on.
---@param message string
---@param fields? table As in @{log.debug}.
function log.warn(message, fields)
  if least <= WARN then
    guarded(WARN, message, fields)
  end
end

--- Logs what has failed. A field `traceback` stands in lines of its own where
-- text goes to a terminal.
---@param message string
---@param fields? table As in @{log.debug}.
function log.error(message, fields)
  if least <= ERROR then
    guarded(ERROR, message, fields)
  end
end

local function merged(bound, fields)
  local all = {}
  for key, value in next, bound do
    all[key] = value
  end
  if type(fields) == "table" then
    for key, value in next, fields do
      all[key] = value
    end
  elseif fields ~= nil then
    all.fields = fields
  end
  return all
end

--- A logger that has the functions of the module and fields of its own.
local function logger_of(bound)
  local logger = {}
  for level = DEBUG, ERROR do
    logger[names[level]] = function(message, fields)
      if least <= level then
        guarded(level, message, fields == nil and bound
          or merged(bound, fields))
      end
    end
  end

  logger.with = function(fields)
    if type(fields) ~= "table" then
      bad_type(1, "with", "table", fields)
    end
    return logger_of(merged(bound, fields))
  end
  return setmetatable(logger, { __index = log })
end

--- Returns a logger with the functions of this module, which adds fields to
-- each of its lines. A field of a line replaces one of its logger.
---@param fields table It is copied.
---@return libevent.log logger
function log.with(fields)
  if type(fields) ~= "table" then
    bad_type(1, "with", "table", fields)
  end
  return logger_of(merged(none, fields))
end

--- Sets the least level that is written. In the beginning it is that of the
-- environment variable `LIBEVENT_LOG_LEVEL`, or `"info"`.
---@param level? string `"debug"`, `"info"`, `"warn"`, `"error"`, or `"off"` for
-- silence; none: only asks.
---@return string level What it was.
function log.level(level)
  local before = names[least]
  if level ~= nil then
    if type(level) ~= "string" then
      bad_type(1, "level", "string", level)
    end
    least = levels[level]
      or bad_argument(1, "level", ("unknown level '%s'"):format(level))
  end
  return before
end

--- Tells whether lines of a level are written, where it is costly to find out
-- what to log.
---@param level string `"debug"`, `"info"`, `"warn"` or `"error"`.
---@return boolean enabled
function log.enabled(level)
  if type(level) ~= "string" then
    bad_type(1, "enabled", "string", level)
  end
  local number = levels[level]
  if not number or number > ERROR then
    bad_argument(1, "enabled", ("unknown level '%s'"):format(level))
  end
  return number >= least
end

--- Sets where lines go: a file, which is flushed after each line, or a function
-- that gets each line without its end, and what it was made of. If that fails,
-- they go to standard error; so do lines that such a function logs itself.
---@param sink? file*|fun(line: string, record: table) The record has `time`, in
-- seconds since 1970, `level`, `message` and `fields`. None: only asks.
---@return file*|fun(line: string, record: table) before
function log.output(sink)
  local before = output.sink
  if sink ~= nil then
    if io.type(sink) == "closed file" then
      bad_argument(1, "output", "attempt to use a closed file")
    elseif io.type(sink) ~= "file" and type(sink) ~= "function" then
      bad_type(1, "output", "file or function", sink)
    end
    output = output_of(sink)
  end
  return before
end

-- A line as it would be written to standard error.
function log.render(record)
  return line_of(stderr, record)
end

--- Sets how lines look. In the beginning it is what the environment variable
-- `LIBEVENT_LOG_FORMAT` says, or `"auto"`: `"text"` on a terminal and `"json"`
-- elsewhere. Text is colored on terminals, unless the environment variable
-- `NO_COLOR` is set.
---@param name? string None: only asks.
---@return string before
function log.format(name)
  local before = chosen
  if name ~= nil then
    if type(name) ~= "string" then
      bad_type(1, "format", "string", name)
    elseif not formats[name] then
      bad_argument(1, "format", ("unknown format '%s'"):format(name))
    end
    chosen = name
  end
  return before
end

--- Sets how often a line may repeat: of lines with the same level and message
-- so many are written in so many seconds. When those are over and another line
-- comes, one line tells how many more there were, which is its field
-- `repeated`. Messages are told apart by their first 1024 bytes.
---@param burst? integer Up to 1e9; 0 for no limit; 10 in the beginning.
---@param seconds? number From 0 to 1e9; 1 in the beginning.
---@return integer burst What it was.
---@return number seconds What it was.
function log.limit(burst, seconds)
  local lines, time = limit.get()
  if burst ~= nil and math.type(burst) ~= "integer" then
    bad_type(1, "limit", "integer", burst)
  elseif burst and (burst < 0 or burst > 1e9) then
    bad_argument(1, "limit", "integer from 0 to 1000000000 expected")
  elseif seconds ~= nil and type(seconds) ~= "number" then
    bad_type(2, "limit", "number", seconds)
  elseif seconds and not options.is_seconds(seconds) then
    bad_argument(2, "limit", "seconds from 0 to 1e9 expected")
  elseif burst or seconds then
    log.flush()
    limit.set(burst or lines, seconds or time)
  end
  return lines, time
end

local function flush()
  for watch in limit.pending() do
    deliver_repeated(watch)
  end
end

--- Writes at once how often lines came that were not written. The end of the
-- Lua state does so, too.
function log.flush()
  pcall(flush)
end

--- Returns how many lines have not reached the output since the start.
---@return integer dropped
function log.dropped()
  return dropped
end

local severities = { debug = "debug", msg = "info", warn = "warn",
  err = "error" }

local function capture(severity, message)
  log[severities[severity] or "warn"](message, { source = "libevent" })
end

--- Logs what libevent complains of, with a field `source` that is
-- `"libevent"`, while a loop runs. Does the work of
-- @{libevent.set_log_callback}.
function log.capture()
  core.set_log_callback(capture)
end

--- What an environment variable says; a wrong word is told.
local function from_environment(name, words, before)
  local wanted = os.getenv(name)
  if wanted and wanted ~= "" and not words[wanted] then
    log.warn(name .. " is not understood", { value = wanted })
  end
  return words[wanted] or before
end

chosen = from_environment("LIBEVENT_LOG_FORMAT", formats, chosen)
least = from_environment("LIBEVENT_LOG_LEVEL", levels, least)

return setmetatable(log, { __gc = log.flush })
