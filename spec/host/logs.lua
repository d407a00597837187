-- What memory.c runs with failing allocations: log lines in both formats, with
-- fields of all kinds, loggers, and lines that repeat. A line that there is no
-- memory for is counted; logging never raises for that.

local libevent = libevent -- luacheck: ignore
local log = libevent.log

local before = { log.output(), log.format(), log.level(), log.limit() }

local _ <close> = setmetatable({}, { __close = function()
  log.output(before[1])
  log.format(before[2])
  log.level(before[3])
  log.limit(before[4], before[5])
end })

local file <close> = assert(io.tmpfile() or nil, "memory: no file")
local lines, dropped = 0, log.dropped()

log.output(function()
  lines = lines + 1
end)
log.limit(2, 1e9)
log.level "debug"

local fields = { text = "a\nb\xff", number = 1.5, list = { 1, { 2 } },
  object = libevent.evbuffer "x", wrong = setmetatable({}, {
    __tostring = function() error "wrong" end,
  }) }
log.format "json"
log.debug("a line", fields)
log.format "text"
log.info("a line", fields)
log.error("a line", { traceback = "stack traceback:\n\tx" })
local logger = log.with { bound = true }
logger.with { more = 1 }.warn("of a logger", { own = 2 })
for _ = 1, 4 do
  logger.info "again and again"
end
log.flush()
log.capture()
libevent.set_log_callback()
log.output(file)
log.info("to a file", fields)

local lost = log.dropped() - dropped
if lines + lost < 7 or lost == 0 and lines ~= 7 then
  error(("%d lines came, %d were lost"):format(lines, lost))
elseif lost > 0 then
  error(("no memory for %d lines"):format(lost))
end
