--- `evrun top`: what a process is doing.

local core = require "libevent.core"
local find = require "libevent.console.find"
local layout = require "libevent.repl.layout"
local look = require "libevent.evrun.look"
local top_service = require "libevent.evrun.top_service"
local units = require "libevent.evrun.units"

local bytes, duration, short = units.bytes, units.duration, units.short

local usage = [[
usage: evrun top [options] name|pid|path
Shows what a process does that runs with --console, or has called
libevent.console: its tasks, by where they wait, and how busy the loop is, which
is measured for as long as this runs. Of the monitor of a service it shows what
its workers do.
  --once          one screen, then end
  --interval secs time between two screens; 1 by default
  --timeout secs  how long to wait for an answer; 5 by default
  --help          show this list
]]

local patience, interval = 5, 1

--- Places, or workers, that fit on a terminal.
local fitting = 15

--- How late deadlines came between two samples: what half of them kept to, and
-- the latest.
local function lag(now, before)
  local counts, all = {}, now.lag.count - before.lag.count
  if all <= 0 then
    return "-"
  end
  local seen, half, last = 0, nil, nil
  for i, pair in ipairs(now.lag) do
    counts[i] = pair[2] - before.lag[i][2]
    seen = seen + counts[i]
    if not half and seen * 2 >= all then
      half = pair[1]
    end
    if counts[i] > 0 then
      last = pair[1]
    end
  end
  local function most(bound)
    return bound < math.huge and "≤ " .. duration(bound) or "more than 8 s"
  end
  return ("half %s, all %s"):format(most(half), most(last))
end

--- What is known only while the process measures, which its script may end.
local function measured(now, before, seconds)
  if not now.since or now.since ~= before.since then
    return "busy -  lag -\n"
  end
  local text = ("busy %.1f %%  lag %s\n"):format(
    (now.busy - before.busy) / seconds * 100, lag(now, before))
  local longest = now.longest
  if longest then
    text = text .. ("longest %s at %s (%s)\n"):format(
      duration(longest.seconds), layout.plain(longest.place),
      layout.plain(longest.what))
  end
  return text
end

--- The first places, as many as may be; the process has counted the others.
local function places(sample, most)
  local rows = { { "TASKS", "NAME", "WHERE", "WAITS FOR" } }
  for i = 1, math.min(#sample.places, most) do
    local place = sample.places[i]
    rows[i + 1] = { tostring(place.n), layout.plain(place.name or "-"),
      layout.plain(place.where), layout.plain(place.waits) }
  end
  local text = layout.columns(rows, { true })
  local more = sample.places_in_all - #rows + 1
  return more > 0 and ("%s… and %d places more\n"):format(text, more) or text
end

--- A screen of what has changed between two samples.
local function screen(now, before, most)
  local seconds = math.max(now.time - before.time, 1e-3)
  local function rate(name)
    return (now[name] - before[name]) / seconds
  end
  return table.concat {
    ("%s (process %d)  up %s  %s\n"):format(layout.plain(now.name), now.pid,
      units.age(now.age), layout.plain(now.script)),
    ("tasks %d  connections %d  objects %d  errors %d\n"):format(now.tasks,
      now.connections, now.objects, now.errors),
    ("memory %s Lua, %s resident\n"):format(bytes(now.lua),
      now.resident and bytes(now.resident) or "-"),
    ("callbacks %s/s  accepts %s/s  read %s/s  written %s/s\n"):format(
      short(rate "callbacks"), short(rate "accepts"), bytes(rate "bytes_read"),
      bytes(rate "bytes_written")),
    measured(now, before, seconds), "\n", places(now, most),
  }
end

--- Makes a screen of each sample but the first, which is noted.
local function screens(most)
  local before, service = nil, top_service.new()
  return function(now)
    local text = before and not now.service and screen(now, before, most)
    if now.service then
      service:note(now)
      text = before and service:screen(most)
    end
    before = now
    return text
  end
end

local function top(word, once, every, timeout)
  local remote <close>, message = find.connect(word, timeout)
  if not remote then
    return nil, message
  end
  local clears = core.isatty(io.stdout) and not once
  local show = screens(clears and fitting or math.huge)
  local sample
  sample, message = remote:request "T"
  while sample do
    local text = show(sample)
    if text then
      text = clears and "\27[H\27[J" .. text or once and text or text .. "\n"
      if not io.write(text) or not io.flush() or once then
        return true
      end
    end
    core.sleep(every)
    sample, message = remote:request "T"
  end
  return nil, message
end

return function(args)
  local got, message = look.read(args, { ["--once"] = "flag",
    ["--interval"] = "seconds", ["--timeout"] = "seconds", ["--help"] = "flag",
    ["-h"] = "flag" })
  if not got then
    return look.fail(message, usage)
  elseif got.help or got.h then
    io.write(usage)
    return 0
  elseif #got ~= 1 then
    return look.fail("of whom? (see evrun ps)", usage)
  end
  return look.run(top, got[1], got.once, got.interval or interval,
    got.timeout or patience)
end
