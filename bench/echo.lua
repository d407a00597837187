-- How many messages a second does an echo server send back, and what does each
-- cost it? A question of bench/run.lua:
--
--   make bench BENCH=echo [ROUNDS=5] [SECS=0.7]
--
-- The rate has a ceiling where the client has as much to do as the server, and
-- drops where other programs take a part of the client's core, which is then
-- said below the table. The server's own processor time has no such limits.

local measure = require "bench.measure"
local servers = require "bench.servers"

local workloads = {
  { "64 connections, 64 B", "-c 64 -m 64" },
  { "64 connections, 1 KiB, 16 in flight", "-c 64 -m 1024 -d 16" },
  { "1 connection, 64 B", "-c 1 -m 64" },
  { "8 connections, 64 KiB, 4 in flight", "-c 8 -m 65536 -d 4" },
  { "1000 connections, 64 B", "-c 1000 -m 64" },
}

local function visit(server, options)
  local program = servers.start(server)
  if not program then
    return nil
  end
  local numbers = servers.drive(program, ("-b -w 0.3 -t %g %s"):format(
    measure.seconds, options), measure.seconds + 20)
  measure.finish(program)
  return numbers
end

--- Says so when the client, which never sleeps, did not have its core.
local function warn(rows)
  local shares = {}
  for i, row in ipairs(rows) do
    shares[i] = row.value.share
  end
  local share = measure.median(shares)
  if share and share < 0.95 then
    print(("\nThe machine was busy: the client had %.0f %% of its core.")
      :format(share * 100))
  end
end

return function()
  for _, workload in ipairs(workloads) do
    local title, options = table.unpack(workload)
    measure.title("Echo: " .. title)
    measure.head("server", "messages/s", "ratio", "CPU µs each", "CPU ratio")
    local rows = measure.compare(servers.available(), function(server)
      return visit(server, options)
    end)
    for _, row in ipairs(rows) do
      measure.row(row.name, measure.cell(row.value.rate, "%.0f"),
        measure.cell(row.ratio.rate), measure.cell(row.value.cpu),
        measure.cell(row.ratio.cpu))
    end
    warn(rows)
  end
end
