--- What the specs of the log share: an output that keeps lines.

local libevent = require "libevent"

local logging = { lines = {}, records = {} }

local log = libevent.log

--- Takes the time at the beginning of a line away.
function logging.timeless(line)
  return (line:gsub("^%d%d%d%d%-%d%d%-%d%d %d%d:%d%d:%d%d%.%d%d%d ", "", 1)
    :gsub('^{"time":"%d%d%d%d%-%d%d%-%d%dT%d%d:%d%d:%d%d%.%d%d%dZ",', "{", 1))
end

--- Returns the lines and records that were kept, and forgets them.
function logging.take()
  local lines, records = logging.lines, logging.records
  logging.lines, logging.records = {}, {}
  for i, line in ipairs(lines) do
    lines[i] = logging.timeless(line)
  end
  return lines, records
end

--- Returns the last line.
function logging.last()
  local line = logging.lines[#logging.lines]
  return line and logging.timeless(line)
end

--- Lines of all levels are kept, as text, however often they repeat.
function logging.start()
  logging.take()
  log.output(function(line, record)
    table.insert(logging.lines, line)
    table.insert(logging.records, record)
  end)
  log.level "debug"
  log.format "text"
  log.limit(0)
end

--- The log is again what it was at first.
function logging.stop()
  logging.take()
  log.output(io.stderr)
  log.level "info"
  log.format "auto"
  log.limit(10, 1)
end

--- Returns the list of the records of a level that come, and a value for a
-- <close> variable that ends this.
function logging.keep(level)
  logging.start()
  log.level(level)
  return logging.records, setmetatable({}, { __close = logging.stop })
end

return logging
