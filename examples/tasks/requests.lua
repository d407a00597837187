-- Many requests at once: a server that takes its time, and a client that asks
-- for all at the same time, through a few connections.
--
--   lua5.4 examples/tasks/requests.lua [REQUESTS [CONNECTIONS]]

local libevent = require "libevent"

local requests = tonumber(arg[1]) or 100
local connections = tonumber(arg[2]) or 20

--- Squares numbers, a line each, slowly.
local function serve(stream)
  for line in stream:lines() do
    libevent.sleep(0.05)
    stream:write(("%d\n"):format(line * line))
  end
end

--- Asks one question after the other that nobody has asked yet.
local function ask(address, questions, answers)
  local stream <close> = assert(libevent.connect(address))
  for n in questions:values() do
    stream:write(n, "\n")
    answers[n] = tonumber((assert(stream:read("l", 5))))
  end
end

libevent.run(function()
  local server <close> = assert(libevent.serve("127.0.0.1:0", serve))
  local questions, answers = libevent.queue(), {}
  for n = 1, requests do
    questions:put(n)
  end
  questions:close()

  local start = libevent.base():now()
  libevent.scope(function()
    for _ = 1, connections do
      libevent.spawn(ask, server:getsockname(), questions, answers)
    end
  end)
  local sum = 0
  for n = 1, requests do
    sum = sum + answers[n]
  end
  print(("%d answers, their sum is %d, in %.2f s"):format(#answers, sum,
    libevent.base():now() - start))
end)
