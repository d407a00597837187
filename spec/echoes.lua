--- Servers that send lines back, and those who talk to them.

local assert = require "luassert"
local libevent = require "libevent"
local posix = require "spec.posix"

local echoes = {}

--- Serves a connection.
function echoes.echo(stream)
  for line in stream:lines() do
    stream:write(line, "\n")
  end
end

--- Says a line, and returns the answer.
function echoes.ask(stream, line)
  stream:write(line, "\n")
  return (stream:read("l", 10))
end

--- Connects to what listens.
function echoes.client(listener, options)
  return assert(libevent.connect(listener:getsockname(), options))
end

--- Connects without waiting.
function echoes.arrive(listener)
  return assert(posix.connect(tonumber(listener:getsockname():match "%d+$")))
end

--- Waits until a function says so.
function echoes.wait_until(fn)
  while not fn() do
    libevent.sleep(0.001)
  end
end

return echoes
