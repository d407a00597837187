#!/usr/bin/env evrun
-- What the manual shows of the log.

local libevent = require "libevent"
local log = libevent.log
log.format "text"

local line -- the last one that was logged
log.output(function(text)
  line = text
end)

--- log.debug
do
  local before = log.level "debug"
  log.debug("asked a cache", { hit = false, seconds = 0.002 })
  print(line) --> … DEBUG asked a cache hit=false seconds=0.002
  log.level(before)
end

--- log.info
do
  log.info("listening", { address = "127.0.0.1:9995" })
  print(line) --> … INFO  listening address=127.0.0.1:9995
end

--- log.warn
do
  log.warn("the disk is nearly full", { path = "/var", free = "2 %" })
  print(line) --> … WARN  the disk is nearly full free="2 %" path=/var
end

--- log.error
do
  local _, message = io.open "/no/such/settings"
  log.error("no settings", { error = message })
  print(line) --> … ERROR no settings error="/no/such/settings: No such…"
end

--- log.with
do
  local request = log.with { peer = "10.0.0.7:4711", request = 12 }
  request.info("answered", { status = 200 })
  print(line) --> … INFO  answered peer=10.0.0.7:4711 request=12 status=200
end

--- log.level
do
  print(log.level "warn") --> info
  log.info "nobody reads this"
  print(log.level "info") --> warn
end

--- log.enabled
do
  if log.enabled "debug" then
    log.debug("tasks", { list = libevent.tasks() }) -- is not made for nothing
  end
end

--- log.output
do
  local errors = {}
  local before = log.output(function(_, record)
    if record.level == "error" then
      table.insert(errors, record.message)
    end
  end)
  log.error "no disk"
  log.output(before)
  print(errors[1]) --> no disk
end

--- log.format
do
  local before = log.format "json"
  log.info("listening", { port = 9995 })
  print(line) --> {"time":"…","level":"info","message":"listening","port":9995}
  log.format(before)
end

--- log.limit
do
  local burst, seconds = log.limit(1, 60) -- one of a kind each minute
  for attempt = 1, 1000 do
    log.warn("the database is gone", { attempt = attempt })
  end
  print(line) --> … WARN  the database is gone attempt=1
  log.limit(burst, seconds)
end

--- log.flush
do
  local burst, seconds = log.limit(1, 60)
  for _ = 1, 5 do
    log.warn "the printer is out of paper"
  end
  log.flush()
  print(line) --> … paper (repeated 4 more times) repeated=4
  log.limit(burst, seconds)
end

--- log.dropped
do
  if log.dropped() > 0 then
    io.stderr:write(log.dropped(), " lines were lost\n")
  end
end

--- log.capture
do
  log.capture()
  local file <close> = io.tmpfile()
  local event <close> = libevent.base():event(file, "r", print)
  event:add() -- files are never waited for
  libevent.sleep(0)
  print(line) --> … WARN  …: Operation not permitted source=libevent
  libevent.set_log_callback()
end
