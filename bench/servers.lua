-- The echo servers, C's first: each is started as COMMAND PORT, and takes part
-- if it starts and echoes every byte.

local measure = require "bench.measure"
local posix = require "spec.posix"

local servers = {}

local function listed()
  local C, lua = measure.build .. "/bench/", measure.lua .. " bench/"
  return {
    { name = "C libevent", command = C .. "echo_libevent" },
    { name = "C epoll", command = C .. "echo_epoll" },
    { name = "lua-libevent bufferevent",
      command = lua .. "echo_bufferevent.lua" },
    { name = "lua-libevent stream", command = lua .. "echo_stream.lua" },
    { name = "lua-libevent task", command = lua .. "echo_task.lua" },
    { name = "lua-libevent relay", command = lua .. "echo_relay.lua" },
    { name = "luv", command = lua .. "peers/echo_luv.lua write" },
    { name = "luv try_write", command = lua .. "peers/echo_luv.lua try_write" },
    { name = "luaevent", command = lua .. "peers/echo_luaevent.lua" },
    { name = "cqueues", command = lua .. "peers/echo_cqueues.lua" },
    { name = "Node.js", command = "node bench/peers/echo_node.js",
      compiles = true },
    { name = "uvloop", command = servers.python()
      .. " bench/peers/echo_uvloop.py", compiles = true },
  }
end

--- A Python that has uvloop: the first in the path need not be the system's.
function servers.python()
  for _, python in ipairs { "python3", "/usr/bin/python3" } do
    if measure.succeeds(python .. " -c 'import uvloop'") then
      return python
    end
  end
  return "python3"
end

local function listens(server)
  local ok, fd = pcall(posix.connect, server.port)
  if ok then
    posix.close(fd)
  end
  return ok
end

--- Starts a server on a port that the kernel chose.
---@param prefix? string A program that runs the server.
---@return table? program With its `port`.
---@return string? output What a server said that did not start.
function servers.start(server, prefix, seconds)
  local port = measure.output(measure.build .. "/bench/load port",
    measure.CLIENT, 10):match "%d+"
  local program = measure.start(("%s %s %s"):format(prefix or "",
    server.command, port), measure.SERVER, seconds or 60)
  program.port = tonumber(port)
  for _ = 1, 200 do
    if listens(program) then
      return program
    elseif not measure.alive(program) then
      break
    end
    measure.sleep(0.05)
  end
  return nil, measure.finish(program)
end

--- Lets the load generator talk to a server; returns the numbers it printed.
function servers.drive(program, options, seconds)
  local text, ok = measure.output(("%s/bench/load echo %d -s %d %s"):format(
    measure.build, program.port, program.pid, options), measure.CLIENT,
    seconds or 30)
  if not ok then
    return nil, text
  end
  local numbers = {}
  for name, number in text:gmatch "(%a+) (%S+)" do
    numbers[name] = tonumber(number)
  end
  return numbers
end

local function reason(text)
  text = text or "does not start"
  return (text:find "not found" or text:find "No module") and "not installed"
    or text:match "[^\n]+" or "does not start"
end

--- Why a server cannot take part, or nil.
local function defect(server)
  local program, output = servers.start(server)
  if not program then
    return reason(output)
  end
  local numbers, message = servers.drive(program,
    "-V -c 8 -m 65536 -d 4 -t 0.2", 10)
  measure.finish(program)
  return not numbers and (message:match "[^\n]+" or "does not echo") or nil
end

local available

--- The servers that take part; the others are left out. Without the first
-- there is nothing to compare with.
function servers.available()
  if not available then
    available = {}
    for _, server in ipairs(listed()) do
      local why = defect(server)
      if why then
        measure.leave_out(server.name, why)
      else
        table.insert(available, server)
      end
    end
    assert(available[1].name == "C libevent")
  end
  return available
end

return servers
