--- Programs that specs start and talk to: examples, and commands of the shell.

local assert = require "luassert"
local posix = require "spec.posix"

local program = {}

local lua = require "spec.interpreter".lua

--- The pipes of programs that run, by process. One that is left to the
-- collector would make it wait for the program.
local running = {}

--- Ends what a failed spec has left running.
function program.reap()
  for pid, pipe in pairs(running) do
    if io.type(pipe) == "file" then
      pcall(posix.kill, program.child(pid) or pid, 9)
      pipe:close()
    end
  end
  running = {}
end

--- Starts a Lua program; returns a pipe of its output, and its process.
---@param script string A file, with its arguments.
---@param shell? string Commands before it, such as `ulimit -n 64;`.
---@param seconds? integer After which it is killed; 60 by default.
function program.start(script, shell, seconds)
  local command = "%s echo $$; exec timeout -s KILL %d %s %s 2>&1"
  local pipe = assert(io.popen(command:format(shell or "", seconds or 60, lua,
    script)))
  local pid = pipe:read "n"
  pipe:read "l"
  running[pid] = pipe
  return pipe, pid
end

--- The process of the program itself, a child of timeout.
function program.child(pid)
  local name = ("/proc/%d/task/%d/children"):format(pid, pid)
  local file <close> = io.open(name)
  return file and tonumber(file:read "n")
end

--- Starts a program that says where it listens; returns its pipe, its process
-- and the address.
function program.serve(script, shell, seconds)
  local pipe, pid = program.start(script, shell, seconds)
  local address = assert(pipe:read "l"):match "127%.0%.0%.1:%d+"
  return pipe, program.child(pid), address
end

--- Ends a program by a signal, TERM by default; it must end well. Returns what
-- it still said.
function program.finish(pipe, pid, signal)
  posix.kill(pid, signal or 15)
  local rest = pipe:read "a"
  assert.same({ true, "exit", 0 }, { pipe:close() }, rest)
  return rest
end

--- Runs a command of the shell; returns its output and how it ended.
function program.run(command)
  local pipe = assert(io.popen(command .. " 2>&1"))
  local output = pipe:read "a"
  return output, select(2, pipe:close())
end

--- The number of an address's port.
function program.port(address)
  return tonumber(address:match ":(%d+)$")
end

--- The command of a client that sends its input and then ends its side.
function program.nc(address)
  return "timeout 60 nc -N " .. address:gsub(":", " ")
end

--- The command that runs the example of a client.
function program.client(address)
  return ("timeout 60 %s examples/client.lua %s"):format(lua, address)
end

--- Whether there is a process of that number, be it one that nobody has reaped.
function program.lives(pid)
  local file <close> = io.open(("/proc/%d/stat"):format(pid))
  return file ~= nil
end

local function contents(name)
  local file <close> = assert(io.open(name))
  return file:read "a"
end

--- Whether a signal has not been delivered to a process.
function program.pending(pid)
  return not contents(("/proc/%d/status"):format(pid))
    :find "ShdPnd:%s*0+\n"
end

--- How many descriptors a process has open.
function program.descriptors(pid)
  return #program.run(("ls /proc/%d/fd | tr -dc '\\n'"):format(pid))
end

--- Resident memory of a process in KiB.
function program.rss(pid)
  return tonumber(contents(("/proc/%d/status"):format(pid))
    :match "VmRSS:%s*(%d+)")
end

--- Seconds of processor time that a process has used.
function program.cpu(pid)
  local user, system = contents(("/proc/%d/stat"):format(pid))
    :match "%) %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ %S+ (%d+) (%d+)"
  return (user + system) / 100
end

return program
