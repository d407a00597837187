--- `evrun attach`: types into another process.

local find = require "libevent.console.find"
local look = require "libevent.evrun.look"
local repl = require "libevent.repl"
local task = require "libevent.task"

local usage = [[
usage: evrun attach [options] name|pid|path
Types into a process that runs with --console, or has called libevent.console.
What you type runs there, as a task, and what it prints comes here. :help lists
commands, Ctrl-C stops an input, Ctrl-D ends it. Standard input may be a pipe.
  --timeout secs how long to wait for an answer; 5 by default
  --help         show this list
]]

local patience = 5

local function write(text)
  io.stdout:write(text)
  io.stdout:flush()
end

local function attach(word, timeout)
  local remote <close>, message = find.connect(word, timeout)
  if not remote then
    return nil, message
  end
  local typing = task.spawn(repl.run, "attached to " .. remote.title, remote)
  remote:start(write, function()
    typing:cancel()
  end)
  typing:wait()
  if remote.ended and remote.ended ~= "" then
    return nil, remote.ended
  end
  return true
end

return function(args)
  local got, message = look.read(args, { ["--timeout"] = "seconds",
    ["--help"] = "flag", ["-h"] = "flag" })
  if not got then
    return look.fail(message, usage)
  elseif got.help or got.h then
    io.write(usage)
    return 0
  elseif #got ~= 1 then
    return look.fail("whom? (see evrun ps)", usage)
  end
  return look.run(attach, got[1], got.timeout or patience)
end
