#!/usr/bin/env evrun
-- What the manual shows of queues.

local libevent = require "libevent"

--- queue:put
do
  local queue <close> = libevent.queue(2)
  print(queue:put "first")     --> true
  print(queue:put "second")    --> true
  print(queue:put("third", 0)) --> nil, timed out, 110
end

--- queue:get
do
  local queue <close> = libevent.queue()
  libevent.after(0.001, function()
    queue:put "a letter"
  end)
  print(queue:get())      --> a letter
  print(queue:get(0.001)) --> nil, timed out, 110
end

--- queue:values
do
  local queue <close> = libevent.queue(8)
  libevent.spawn(function()
    for word in ("to be or not to be"):gmatch "%a+" do
      queue:put(word)
    end
    queue:close()
  end)
  for word in queue:values() do
    print(word) --> to, be, or, not, to, be
  end
end

--- queue:close
do
  local queue = libevent.queue()
  queue:put "the last letter"
  queue:close()
  print(queue:put "one more") --> nil, closed, 125
  print(queue:get())          --> the last letter
  print(queue:get())          --> nil, closed, 125
end

--- queue:is_closed
do
  local queue = libevent.queue(1)
  libevent.spawn(function()
    while not queue:is_closed() do
      queue:put(os.time())
    end
  end)
  assert(queue:get() <= os.time())
  queue:close()
end

--- queue:count
do
  local queue <close> = libevent.queue()
  for page = 1, 3 do
    queue:put(page)
  end
  print(queue:count(), #queue) --> 3, 3
end

--- queue:limit
do
  local queue <close> = libevent.queue(100)
  queue:put "an order"
  local full = queue:count() / queue:limit()
  print(("%.0f %%"):format(100 * full)) --> 1 %
end
