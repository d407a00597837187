-- The loop, and what it calls back.

local libevent = require "libevent"

local base <close> = libevent.event_base()

--- event_base:accepted
do
  libevent.run(base, function()
    local server <close> = libevent.serve("127.0.0.1:0", function(stream)
      stream:write "welcome\n"
      stream:read "l"
    end)
    local client <close> = libevent.connect(server:getsockname())
    print(client:read "l") --> welcome
    for _, stream in ipairs(base:accepted()) do -- who keeps us waiting?
      print(stream:getpeername() == client:getsockname()) --> true
    end
  end)
end

--- event_base:bufferevent
do
  local here, there = libevent.socketpair()
  local bev <close> = base:bufferevent(here, { linger = 1 })
  bev:setcb {
    event = function(_, what, direction)
      print(what, direction) --> eof, r
    end,
  }
  bev:enable "r"
  there:close()
  base:dispatch()
end

--- event_base:close_accepted
do
  libevent.run(base, function()
    local server <close> = libevent.serve("127.0.0.1:0", function(stream)
      stream:write "welcome\n"
      stream:read "l"
    end)
    local client <close> = libevent.connect(server:getsockname())
    client:read "l"
    print(base:close_accepted()) --> 1
    print(client:read "l") --> nil
  end)
end

--- event_base:condition
do
  local loaded = base:condition "configuration is loaded"
  base:task(function()
    print(loaded:wait(5)) --> true
  end)
  base:timer(function()
    loaded:broadcast()
  end):add(0.001)
  base:dispatch()
  loaded:close()
end

--- event_base:counters
do
  local before = base:counters()
  base:task(libevent.sleep, 0.001)
  base:dispatch()
  local after = base:counters()
  print(after.callbacks - before.callbacks, after.tasks) --> 2, 0
end

--- event_base:defer
do
  local list = {}
  base:timer(function()
    base:defer(function()
      print(#list .. " items, once") --> 2 items, once
    end)
    table.insert(list, "one") -- goes on first
    table.insert(list, "two")
  end):add(0)
  base:dispatch()
end

--- event_base:dispatch
do
  base:timer(function()
    print "in a moment" --> in a moment
  end):add(0.001)
  print(base:dispatch()) --> empty
end

--- event_base:dump
do
  local timeout <close> = base:event(-1, "", print)
  timeout:add(60)
  local text = base:dump() -- for whoever wonders why the loop goes on
  assert(text:find "Timeout=")
end

--- event_base:event
do
  local program <close> = io.popen "echo 'it has something to say'"
  local event <close> = base:event(program, "r", function()
    print(program:read "l") --> it has something to say
  end)
  event:add()
  base:dispatch()
end

--- event_base:features
do
  local here <close>, there = libevent.socketpair()
  local letters = base:features().early_close and "c" or "r"
  local event <close> = base:event(here, letters, function()
    print "the peer is gone" --> the peer is gone
  end)
  event:add()
  there:close()
  base:dispatch()
end

--- event_base:gettimeofday_cached
do
  local cached <close> = libevent.event_base { no_cache_time = false }
  local stamps = {}
  for i = 1, 2 do
    cached:defer(function()
      stamps[i] = cached:gettimeofday_cached()
    end)
  end
  cached:dispatch()
  print(stamps[1] == stamps[2]) --> true
end

--- event_base:got_break
do
  base:timer(function()
    base:loopbreak()
  end):add(0)
  base:dispatch()
  print(base:got_break(), base:got_exit()) --> true, false
end

--- event_base:got_exit
do
  base:loopexit(0.001)
  base:loop "forever"
  if base:got_exit() then
    print "closes its files" --> closes its files
  end
end

--- event_base:listener
do
  local options = { backlog = 10, reuseport = true }
  local listener <close> = assert(base:listener("127.0.0.1:0", options,
    function(listener, socket, peer)
      print(peer) --> 127.0.0.1:…
      socket:close()
      listener:disable()
    end))
  local client <close> = base:bufferevent()
  client:connect(listener:getsockname())
  base:dispatch()
end

--- event_base:loop
do
  local frames = 0
  base:timer(function() end):add(0.001)
  repeat
    frames = frames + 1 -- a game draws one here
  until base:loop "nowait" == "empty"
  assert(frames > 1)
end

--- event_base:loopbreak
do
  local left = { "apples", "pears", "plums" }
  for _ = 1, #left do
    base:timer(function()
      table.remove(left)
      base:loopbreak() -- even what is due now has to wait
    end):add(0)
  end
  print(base:dispatch(), #left) --> break, 2
  print(base:dispatch(), #left) --> break, 1
  base:dispatch()
end

--- event_base:loopcontinue
do
  local ranked <close> = libevent.event_base { priorities = 2 }
  local here <close>, there = libevent.socketpair()
  local order = {}
  local urgent = ranked:event(here, "r", function()
    table.insert(order, "urgent")
  end)
  urgent:priority_set(0)
  urgent:add()
  for i = 1, 3 do
    ranked:event(-1, "", function()
      table.insert(order, i)
      if i == 1 then
        libevent.evbuffer "help":write(there)
        there:close()
        ranked:loopcontinue() -- else it would come last
      end
    end):active()
  end
  ranked:dispatch()
  print(table.concat(order, " ")) --> 1 urgent 2 3
end

--- event_base:loopexit
do
  local endless <close> = base:timer(function(timer)
    timer:add(0)
  end)
  endless:add(0)
  base:loopexit(0.001)
  print(base:dispatch()) --> exit
end

--- event_base:max_events
do
  local busy <close> = libevent.event_base()
  for _ = 1, 3 do
    busy:event(-1, "", function() end):add(0.001)
  end
  busy:dispatch()
  print(busy:max_events("added", true)) --> 3
  print(busy:max_events()) --> 0
end

--- event_base:measure
do
  base:measure {
    slow = 0.001,
    on_slow = function(seconds, place)
      assert(seconds >= 0.001)
      print(place) --> docs/examples/event_base.lua:…
    end,
  }
  base:defer(function() -- keeps everything else waiting
    os.execute "sleep 0.001"
  end)
  base:dispatch()
  assert(base:counters().busy >= 0.001)
  base:measure(false)
end

--- event_base:method
do
  local slow = { select = true, poll = true }
  if slow[base:method()] then
    print "this system is slow where there are thousands of connections"
  end
end

--- event_base:now
do
  local began = base:now()
  base:timer(function()
    assert(base:now() - began >= 0.002)
  end):add(0.002)
  base:dispatch()
end

--- event_base:num_events
do
  local timers = {}
  for i = 1, 3 do
    timers[i] = base:timer(print)
    timers[i]:add(60)
  end
  print(base:num_events(), base:num_events "active") --> 3, 0
  for _, timer in ipairs(timers) do
    timer:close()
  end
end

--- event_base:num_objects
do
  local one, other = base:pair()
  print(base:num_objects().bufferevent) --> 2
  one:close()
  other:close()
  print(base:num_objects().bufferevent) --> nil
end

--- event_base:objects
do
  local listener <close> = assert(base:listener("127.0.0.1:0"))
  for _, object in ipairs(base:objects()) do
    print(object.type, object.fd == listener:fd()) --> evconnlistener, true
    print(object.description) --> libevent.evconnlistener: …
  end
end

--- event_base:on_error
do
  local previous = base:on_error(function(err, traceback, object)
    print(err:match "%d: (.*)") --> a mistake
    assert(traceback:find "event_base.lua")
    object:close()
  end)
  base:timer(function()
    error "a mistake" -- ends neither the loop nor the program
  end):add(0)
  print(base:dispatch()) --> empty
  base:on_error(previous)
end

--- event_base:pair
do
  local client, server = base:pair()
  server:setcb {
    read = function(bev)
      print(bev:read()) --> no socket is needed
      bev:close()
    end,
  }
  server:enable "r"
  client:write "no socket is needed"
  base:dispatch()
  client:close()
end

--- event_base:priorities
do
  local ranked <close> = libevent.event_base { priorities = 3 }
  local cleanup <close> = ranked:event(-1, "", print)
  cleanup:priority_set(ranked:priorities() - 1) -- after all others
  print(cleanup:priority()) --> 2
end

--- event_base:process
do
  libevent.run(base, function()
    local process = assert(base:process({ "sh", "-c", "exit $CODE" }, {
      setenv = { CODE = "3" },
      directory = "/",
      limits = { nofile = 100 },
    }))
    print(process:wait()) --> exit, 3
  end)
end

--- event_base:reinit
do
  local tick = base:timer(function()
    print "ticks in the child, too" --> ticks in the child, too
  end)
  tick:add(0.001)
  -- The first thing that a child does after the fork(2) of another module:
  assert(base:reinit())
  base:dispatch()
end

--- event_base:report
do
  base:on_error(function(err)
    print("it is told: " .. err) --> it is told: no such order
  end)
  for _, order in ipairs { 17, 18 } do
    local ok, err = pcall(function()
      return order == 18 or error("no such order", 0)
    end)
    if not ok then
      base:report(err, debug.traceback()) -- and goes on with the next one
    end
  end
  base:on_error(nil)
end

--- event_base:signal
do
  local winch <close> = base:signal("WINCH", function(signal, name)
    print("the terminal has another size: " .. name) --> the terminal …
    signal:del()
  end)
  assert(winch:add())
  os.execute("kill -WINCH " .. libevent.posix.getpid())
  base:dispatch()
end

--- event_base:stream
do
  local one, other = libevent.socketpair()
  local client, server = base:stream(one), base:stream(other)
  base:task(function()
    client:write "good morning\n"
    client:close()
  end)
  base:task(function()
    for line in server:lines() do
      print(line) --> good morning
    end
    server:close()
  end)
  base:dispatch()
end

--- event_base:task
do
  base:task(function(name)
    libevent.sleep(0.001)
    print(name .. " has slept") --> Anna has slept
  end, "Anna")
  base:dispatch()
end

--- event_base:tasks
do
  for _, name in ipairs { "Anna", "Otto" } do
    base:task(libevent.sleep, 0.001):name(name)
  end
  for i, task in ipairs(base:tasks()) do
    print(i, task:name())
    --> 1, Otto
    --> 2, Anna
  end
  base:dispatch()
end

--- event_base:timer
do
  local cache = { answer = 42 }
  base:timer(function()
    cache.answer = nil -- has been kept long enough
  end):add(0.001)
  base:dispatch()
  print(cache.answer) --> nil
end

--- event_base:traceback
do
  base:timer(function()
    error "a mistake"
  end):add(0)
  local ok, err = pcall(base.dispatch, base)
  print(ok, err:match "a mistake") --> false, a mistake
  print(base:traceback():match "stack traceback") --> stack traceback
end

--- event_base:udp
do
  local server <close> = assert(base:udp "127.0.0.1:0")
  local client <close> = assert(base:udp())
  server:setcb {
    read = function(udp, data, peer)
      assert(peer:find "^127%.0%.0%.1:")
      print(data) --> ping
      udp:disable()
    end,
  }
  client:sendto("ping", server:getsockname())
  base:dispatch()
end

--- event_base:update_time
do
  local cached <close> = libevent.event_base {
    no_cache_time = false,
    precise = true,
  }
  cached:defer(function()
    local before = cached:gettimeofday_cached()
    os.execute "sleep 0.001"
    print(cached:gettimeofday_cached() == before) --> true
    cached:update_time() -- so that timeouts count from now
    print(cached:gettimeofday_cached() > before) --> true
  end)
  cached:dispatch()
end
