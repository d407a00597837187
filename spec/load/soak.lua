-- Lets thousands of workers die, and reloads again and again, while clients go
-- on; tells how long that took and what was lost.
--
--   lua5.4 spec/load/soak.lua 10000 100

local libevent = require "libevent"
local services = require "spec.services"
local storm = require "spec.load.storm"

local deaths, reloads = tonumber(arg[1]) or 10000, tonumber(arg[2]) or 100

local function report(format, ...)
  print(format:format(...))
  io.stdout:flush()
end

local function die()
  local service <close> = services.start(services.app, "--listen "
    .. services.range(10))
  local result = storm.deaths(service, deaths)
  local half, worst = storm.spread(result.times)
  report("%d deaths: the next answer after %.1f ms (half), %.1f ms (all); %d "
    .. "unanswered; the spared worker %s; the monitor has grown by %d KiB",
    result.deaths, half * 1000, worst * 1000, result.unanswered,
    result.untouched and "went on" or "was disturbed", result.grown)
  service:stop()
  return result.unanswered == 0 and result.untouched
end

local function reload(what, listen)
  local service <close> = services.start(services.app, "--listen " .. listen)
  local result = storm.reloads(service, reloads)
  report("%d reloads on %s: %d served, %d refused, %d failed, %d bytes lost",
    reloads, what, result.served, result.refused, result.failed, result.lost)
  service:stop()
  return result.refused + result.failed + result.lost == 0
end

local ok = libevent.run(function()
  local died = die()
  local shared = reload("one port", "127.0.0.1:0 --workers 10")
  return reload("ten ports", services.range(10)) and shared and died
end)
os.exit(ok, true)
