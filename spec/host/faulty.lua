-- Runs a script once while system calls fail: what spec/faults.lua starts. It
-- ends with status 0, or with 1 and the error, or with 3 where something is
-- left over.

local libevent, posix = require "libevent", require "spec.posix"
_G.libevent, _G.posix = libevent, posix

local function warn_of(what, values)
  io.stderr:write("left over: ", what, " ", table.concat(values, " "), "\n")
  os.exit(3)
end

local before = posix.descriptors()
libevent.set_log_callback(function(severity, message)
  io.stderr:write(severity, ": ", message, "\n")
end)
local ok, message = xpcall(dofile, debug.traceback, arg[1])
if not ok then
  io.stderr:write(message, "\n")
end
collectgarbage()
collectgarbage()

local left = {}
for fd in pairs(posix.descriptors()) do
  left[#left + 1] = not before[fd] and fd or nil
end
if #left > 0 then
  warn_of("descriptors", left)
end
local children <close> = assert(io.open "/proc/thread-self/children")
left = {}
for pid in children:lines "n" do
  left[#left + 1] = pid
end
if #left > 0 then
  warn_of("children", left)
end
os.exit(ok and 0 or 1, true)
