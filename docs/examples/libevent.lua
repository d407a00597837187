#!/usr/bin/env evrun
-- What the manual shows of the module, for tasks.

local libevent = require "libevent"

--- libevent.get_version
do
  local version, number = libevent.get_version()
  assert(number >= 0x02010c00, "needs libevent 2.1.12, not " .. version)
end

--- libevent.get_supported_methods
do
  print(table.concat(libevent.get_supported_methods(), " ")) --> …poll…
end

--- libevent.track
do
  libevent.track(true)
  local base = libevent.base()
  local _ <close> = assert(base:udp "127.0.0.1:0")
  for _, each in ipairs(base:objects()) do
    if each.created then
      print(each.type, each.created) --> udp, …/libevent.lua:21
    end
  end
  libevent.track(false)
end

--- libevent.ignore_sigpipe
do
  print(libevent.ignore_sigpipe()) --> true
  libevent.ignore_sigpipe(false)   -- yes | head ends quietly, as in the shell
  libevent.ignore_sigpipe(true)
end

--- libevent.condition
do
  local changed = libevent.condition "the settings"
  local reader = libevent.spawn(changed.wait, changed)
  libevent.sleep(0)
  changed:broadcast()
  print(reader:wait()) --> true
end

--- libevent.in_loop
do
  -- a library that works in programs with a loop, and without
  local function pause(seconds)
    if libevent.in_loop() then
      return libevent.sleep(seconds)
    end
    return libevent.run(libevent.sleep, seconds)
  end
  print(pause(0.001)) --> true
end

--- libevent.running
do
  local task = libevent.spawn(function()
    return libevent.running()
  end)
  print(task:wait() == task) --> true
end

--- libevent.sleep
do
  libevent.sleep(0.001)
  libevent.sleep(0) -- only lets the others run
end

--- libevent.timeout
do
  print(libevent.timeout(0.001, function()
    libevent.sleep(60)
    return "rested"
  end))
  --> nil, timed out, 110
end

--- libevent.pcall
do
  local ok, message, traceback = libevent.pcall(error, "no paper", 0)
  print(ok, message) --> false, no paper
  assert(traceback:find "stack traceback:")
end

--- libevent.scope
do
  local fetched = {}
  libevent.scope(function()
    for _, name in ipairs { "bread", "butter", "jam" } do
      libevent.spawn(function()
        libevent.sleep(0.001)
        fetched[name] = true
      end)
    end
  end)
  print(fetched.bread, fetched.butter, fetched.jam) --> true, true, true
end

--- libevent.set_log_callback
do
  local warning
  libevent.set_log_callback(function(severity, message)
    warning = severity .. ": " .. message
  end)
  local file <close> = io.tmpfile()
  local event <close> = libevent.base():event(file, "r", print)
  event:add() -- files are never waited for
  libevent.sleep(0)
  print(warning) --> warn: …Operation not permitted
  libevent.set_log_callback()
end

--- libevent.evbuffer
do
  local buffer <close> = libevent.evbuffer("GET / ", "HTTP/1.1\r\n")
  print(buffer:readln()) --> GET / HTTP/1.1
end

--- libevent.event_base
do
  local base <close> = assert(libevent.event_base { priorities = 2 })
  print(base:priorities(), base:num_events()) --> 2, 0
end

--- libevent.isatty
do
  local bold = libevent.isatty(io.stdout) and "\27[1m%s\27[0m" or "%s"
  io.stderr:write(bold:format "ready", "\n")
end

--- libevent.notify
do
  local ok, message = libevent.notify "READY=1\nSTATUS=serves"
  if message then -- nil alone: nobody wants to know
    libevent.log.warn("systemd was not told", { error = message })
  end
  assert(ok or not message)
end

--- libevent.traceback_on
do
  assert(libevent.traceback_on "ABRT") -- kill -ABRT shows where it hangs
  assert(libevent.traceback_on())
end

--- libevent.socket
do
  local one, other = assert(libevent.socketpair())
  local _ <close> = other
  local fd = one:detach() -- as another library, or program, gives it
  local socket <close> = assert(libevent.socket(fd))
  print(socket:fd() == fd)   --> true
  print(libevent.socket(fd)) --> nil, …: Device or resource busy, 16
end

--- libevent.socketpair
do
  local mine, theirs = assert(libevent.socketpair())
  local one <close> = libevent.base():stream(mine)
  local other <close> = libevent.base():stream(theirs)
  one:write "between us\n"
  print(other:read "l") --> between us
end

--- libevent.socket_connect
do
  local acceptor <close> = assert(libevent.listen "127.0.0.1:0")
  local socket = assert(libevent.socket_connect(acceptor:getsockname()))
  libevent.wait(socket, "w", 10)
  assert(socket:connected())
  local stream <close> = libevent.base():stream(socket)
  print(stream:getpeername() == acceptor:getsockname()) --> true
end

--- libevent.connect
do
  local server <close> = assert(libevent.serve("127.0.0.1:0", function(stream)
    stream:write(stream:read "l", ", too\n")
  end))
  local stream <close> = assert(libevent.connect(server:getsockname(),
    { timeout = 5 }))
  stream:write "hello\n"
  print(stream:read "l") --> hello, too
end

--- libevent.console
do
  local path = os.tmpname()
  os.remove(path)
  local console <close> = assert(libevent.console { path = path })
  io.stderr:write("evrun attach ", console:getsockname(), "\n")
end

--- libevent.future
do
  local answer = libevent.future()
  libevent.after(0.001, answer.set, answer, "yes")
  print(answer:wait(5)) --> yes
end

--- libevent.listen
do
  local acceptor <close> = assert(libevent.listen("127.0.0.1:0",
    { backlog = 100 }))
  local client <close> = assert(libevent.connect(acceptor:getsockname()))
  local stream <close>, peer = acceptor:accept()
  print(peer == client:getsockname()) --> true
  stream:write "one at a time\n"
  print(client:read "l") --> one at a time
end

--- libevent.mutex
do
  local mutex = libevent.mutex()
  local function write(line)
    local _ <close> = mutex:lock()
    libevent.sleep(0) -- nobody else gets in here meanwhile
    print(line) --> first, second
  end
  libevent.spawn(write, "second")
  write "first"
end

--- libevent.queue
do
  local jobs <close> = libevent.queue(2) -- three are too many
  libevent.spawn(function()
    for n = 1, 5 do
      jobs:put(n)
    end
    jobs:close()
  end)
  for n in jobs:values() do
    print(n) --> 1, 2, 3, 4, 5
  end
end

--- libevent.semaphore
do
  local slots = libevent.semaphore(10) -- so many connections at a time
  local function fetch(address)
    local _ <close> = slots:acquire()
    return libevent.connect(address)
  end
  print(fetch "127.0.0.1:1") --> nil, connect: Connection refused, 111
end

--- libevent.serve
do
  local server <close> = assert(libevent.serve("127.0.0.1:0", function(stream)
    for line in stream:lines() do
      stream:write(line:upper(), "\n")
    end
  end, { connections = 1000, idle = 60 }))
  local stream <close> = assert(libevent.connect(server:getsockname()))
  stream:write "hello\n"
  print(stream:read "l") --> HELLO
end

--- libevent.drain
do
  local server = assert(libevent.serve("127.0.0.1:0", function(stream)
    stream:write "one moment\n"
    libevent.sleep(0.001)
    stream:write "here it is\n"
  end))
  local stream <close> = assert(libevent.connect(server:getsockname()))
  print(stream:read "l")           --> one moment
  print((libevent.drain(nil, 10))) --> 0
  print(stream:read "l")           --> here it is
end

--- libevent.on_drain
do
  local remove = libevent.on_drain(function()
    print "writes what is not saved" --> writes what is not saved
  end)
  libevent.drain(nil, 10)
  remove()
end

--- libevent.signal
do
  local came = libevent.future()
  local signals = libevent.signal("HUP", "USR1", function(name)
    came:set(name)
  end)
  libevent.process.run { "sh", "-c", "kill -HUP $PPID" }
  print(came:wait()) --> HUP
  signals:close()
end

--- libevent.supervisor
do
  local code = [[
    local libevent = require "libevent"
    libevent.serve(libevent.service.address(), function(stream)
      stream:write "good morning\n"
    end)
  ]]
  local supervisor <close> = assert(libevent.supervisor { "evrun", "-e", code,
    workers = 2, listen = "127.0.0.1:0" })
  assert(supervisor:wait_ready(30))
  local address = supervisor:status().workers[1].addresses[1]
  local stream <close> = assert(libevent.connect(address))
  print(stream:read "l") --> good morning
end

--- libevent.base
do
  local timer = libevent.base():timer(function()
    print "later" --> later
  end)
  timer:add(0.001)
end

--- libevent.spawn
do
  local sum = libevent.spawn(function(a, b)
    libevent.sleep(0.001)
    return a + b
  end, 2, 3)
  print(sum:wait()) --> 5
end

--- libevent.defer
do
  libevent.defer(function()
    print "as soon as this task waits" --> as soon as this task waits
  end)
  libevent.sleep(0)
end

--- libevent.wait
do
  local one <close>, other = assert(libevent.socketpair())
  print(libevent.wait(one, "r", 0.001)) --> nil, timed out, 110
  other:close()
  print(libevent.wait(one, "r", 10))    --> r
end

--- libevent.tasks
do
  local sleeper = libevent.spawn(libevent.sleep, 60)
  sleeper:name "dormouse"
  libevent.sleep(0)
  for _, each in ipairs(libevent.tasks()) do
    if each.waits then
      print(each.name, each.status, each.waits) --> dormouse, waiting, sleep…
    end
  end
  sleeper:cancel()
end

--- libevent.after
do
  libevent.after(0.001, function(name)
    print(name .. " is ready") --> tea is ready
  end, "tea")
  local warning = libevent.after(60, libevent.log.warn, "it takes a minute")
  warning:del() -- it did not
end

--- libevent.every
do
  local ticker = libevent.every(0.001, function(timer)
    print "tick" --> tick
    timer:del()
  end)
  for n in libevent.every(0.002) do -- a task that counts
    if n >= 2 then
      break
    end
  end
  ticker:del()
end

--- libevent.udp
do
  local one <close> = assert(libevent.udp "127.0.0.1:0")
  local other <close> = assert(libevent.udp())
  other:sendto("ping", one:getsockname())
  local data, peer = one:recvfrom(10)
  one:sendto(data:gsub("i", "o"), peer)
  print(other:recvfrom(10)) --> pong, 127.0.0.1:…
end
