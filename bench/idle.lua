-- How much memory does a connection cost that has nothing to say? A question of
-- bench/run.lua:
--
--   make bench BENCH=idle
--
-- Resident memory of a server that has 10,000 of them, less that before, by
-- connection: once when they never sent anything, once when each had one
-- message echoed.

local measure = require "bench.measure"
local servers = require "bench.servers"

local CONNECTIONS = 10000

local function resident(program)
  local file <close> = io.open(("/proc/%d/status"):format(program.pid))
  return file and tonumber(file:read "a":match "VmRSS:%s*(%d+)")
end

--- Waits until a server has done all that there was to do.
local function settled(program)
  local last = resident(program)
  for _ = 1, 20 do
    measure.sleep(0.3)
    local now = resident(program)
    if now == last then
      break
    end
    last = now
  end
  return last
end

local function grown(program, size)
  local before = settled(program)
  local client = measure.start(("%s/bench/load idle %d -c %d -m %d"):format(
    measure.build, program.port, CONNECTIONS, size), measure.CLIENT, 50)
  local ready = client.pipe:read "l" == "ready"
  local after = settled(program)
  measure.finish(client)
  return ready and after and (after - before) / CONNECTIONS
end

local function visit(server)
  local result = {}
  for name, size in pairs { silent = 0, echoed = 64 } do
    local program = servers.start(server)
    result[name] = program and grown(program, size) or nil
    if program then
      measure.finish(program)
    end
  end
  return result
end

local function descriptors()
  return tonumber((measure.output("sh -c 'ulimit -n'", measure.SERVER, 10)))
end

return function()
  if descriptors() < CONNECTIONS + 100 then
    measure.leave_out("idle", "no more than " .. descriptors()
      .. " descriptors")
    return
  end
  measure.title(("Memory of %d idle connections"):format(CONNECTIONS))
  measure.head("server", "silent, KiB each", "ratio", "echoed once, KiB each",
    "ratio")
  -- Memory varies little: one round tells it.
  for _, row in ipairs(measure.compare(servers.available(), visit, 1)) do
    measure.row(row.name, measure.cell(row.value.silent),
      measure.cell(row.ratio.silent), measure.cell(row.value.echoed),
      measure.cell(row.ratio.echoed))
  end
end
