-- How many system calls does an echoed message take? A question of
-- bench/run.lua, by `strace -c`:
--
--   make bench BENCH=syscalls

local measure = require "bench.measure"
local servers = require "bench.servers"

local workloads = {
  { "64 x 64 B", "-c 64 -m 64" },
  { "1 x 64 B", "-c 1 -m 64" },
  { "64 x 1 KiB, 16 in flight", "-c 64 -m 1024 -d 16" },
  { "8 x 64 KiB, 4 in flight", "-c 8 -m 65536 -d 4" },
}

--- The calls by name in the summary of strace.
local function counted(name)
  local calls = {}
  for line in io.lines(name) do
    local count, call = line:match "^%s*[%d.]+%s+[%d.]+%s+%d+%s+(%d+).-(%S+)$"
    if count and call ~= "total" then
      calls[call] = tonumber(count)
    end
  end
  return calls
end

local function traced(program, options)
  local name = os.tmpname()
  local strace = measure.start(("strace -c -f -o %s -p %d"):format(name,
    program.pid), measure.CLIENT, 30)
  strace.pipe:read "l"                   -- "Process attached", or why not
  local numbers = servers.drive(program, "-w 0 -t 0.5 " .. options)
  measure.finish(strace, 2)
  local calls = counted(name)
  os.remove(name)
  return calls, numbers and numbers.messages
end

--- The calls for a message, and the most frequent of them in words.
local function visit(server, options)
  local program = servers.start(server)
  if not program then
    return nil
  end
  local calls, messages = traced(program, options)
  measure.finish(program)
  local total, names = 0, {}
  for name, count in pairs(calls) do
    total = total + count
    table.insert(names, name)
  end
  if total == 0 or not messages then
    return nil
  end
  table.sort(names, function(a, b)
    return calls[a] > calls[b]
  end)
  for i, name in ipairs(names) do
    local each = calls[name] / messages
    names[i] = each >= 0.02 and ("%s %.2f"):format(name, each) or nil
  end
  return total / messages, table.concat(names, ", ")
end

return function()
  if not measure.installed "strace" then
    measure.leave_out("syscalls", "strace is not installed")
    return
  end
  measure.title "System calls for an echoed message"
  local head = { "server" }
  for i, workload in ipairs(workloads) do
    head[i + 1] = workload[1]
  end
  table.insert(head, "of them, " .. workloads[1][1])
  measure.head(table.unpack(head))
  for _, server in ipairs(servers.available()) do
    local row, detail = { server.name }, nil
    for i, workload in ipairs(workloads) do
      local calls, names = visit(server, workload[2])
      row[i + 1] = measure.cell(calls)
      detail = detail or names
    end
    table.insert(row, detail or "-")
    measure.row(table.unpack(row))
  end
end
