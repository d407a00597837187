-- Stages that run at once and pass lines on through queues: read, count the
-- words in several workers, add up. A queue that is full holds up who fills
-- it, so that a file of any size takes little memory.
--
--   lua5.4 examples/tasks/pipeline.lua [FILE]

local libevent = require "libevent"

local file = arg[1] and assert(io.open(arg[1])) or io.stdin
local workers = 4

--- Reads the file into a queue.
local function read(lines)
  local _ <close> = lines
  for line in file:lines() do
    lines:put(line)
  end
end

--- Counts the words of each line.
local function count(lines, counts)
  for line in lines:values() do
    local _, words = line:gsub("%S+", "")
    libevent.sleep(0) -- a real worker would ask a database
    counts:put { bytes = #line + 1, words = words }
  end
end

libevent.run(function()
  local lines, counts = libevent.queue(16), libevent.queue(16)
  local total = { lines = 0, words = 0, bytes = 0 }

  local adder = libevent.spawn(function()
    for one in counts:values() do
      total.lines = total.lines + 1
      total.words = total.words + one.words
      total.bytes = total.bytes + one.bytes
    end
  end)

  libevent.scope(function(scope)
    scope:spawn(read, lines)
    for _ = 1, workers do
      scope:spawn(count, lines, counts)
    end
  end)
  counts:close() -- all who put have ended
  adder:wait()
  print(total.lines, total.words, total.bytes)
end)
