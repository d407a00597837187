-- What the manual shows of the module, for what no task can do.

local libevent = require "libevent"

--- libevent.run
do
  local sum = libevent.run(function(a, b) -- until nothing is left to do
    libevent.spawn(function()
      libevent.sleep(0.002)
      print "the other task ends last" --> the other task ends last
    end)
    libevent.sleep(0.001)
    return a + b
  end, 2, 3)
  print(sum) --> 5
end

--- libevent.traceback
do
  local ok, err = pcall(libevent.run, function()
    error { reason = "no paper" } -- the very same value is raised
  end)
  if not ok then
    print(err.reason) --> no paper
    assert(libevent.traceback():find "stack traceback:")
  end
end
