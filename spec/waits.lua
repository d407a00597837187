--- Each wait that there is, by name: a function of a base that makes what it
-- needs, and returns a function of a timeout that waits, one that lets it
-- happen, what can be closed, if anything, and one that cleans up, if need be.

local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local spawn, sleep = libevent.spawn, libevent.sleep

local mib = ("x"):rep(1024 * 1024)

local waits = {
  ["task:wait"] = function()
    local task = spawn(sleep, 100)
    sleep(0)
    return function(timeout)
      return task:wait(timeout)
    end, function()
      task:cancel()
    end
  end,
  ["condition:wait"] = function(base)
    local condition = base:condition()
    return function(timeout)
      return condition:wait(timeout)
    end, function()
      condition:broadcast()
    end, condition
  end,
  ["event:wait"] = function(base)
    local event = base:event(-1, "")
    return function(timeout)
      return event:wait(timeout)
    end, function()
      event:active()
    end, event
  end,
  ["event:wait that persists"] = function(base)
    local r, w = posix.pipe()
    local event = base:event(r, "rp")
    return function(timeout)
      return event:wait(timeout)
    end, function()
      posix.write(w, "x")
    end, event, function()
      event:close()
      posix.close(r)
      posix.close(w)
    end
  end,
  wait = function()
    local r, w = posix.pipe()
    return function(timeout)
      return libevent.wait(r, "r", timeout)
    end, function()
      posix.write(w, "x")
    end, nil, function()
      posix.close(r)
      posix.close(w)
    end
  end,
  ["evconnlistener:accept"] = function(base)
    local listener = assert(base:listener("127.0.0.1:0"))
    local client
    return function(timeout)
      return listener:accept(timeout)
    end, function()
      client = libevent.socket_connect(listener:getsockname())
    end, listener, function()
      listener:close()
      if client then
        client:close()
      end
    end
  end,
  ["acceptor:accept"] = function()
    local acceptor = assert(libevent.listen "127.0.0.1:0")
    return function(timeout)
      return acceptor:accept(timeout)
    end, function()
      libevent.socket_connect(acceptor:getsockname()):close()
    end, acceptor
  end,
  ["connect"] = function(base)
    local path = os.tmpname()
    os.remove(path)
    local listener = assert(base:listener("unix:" .. path, { backlog = 1 }))
    local queued = {}
    repeat -- until the system queues no more
      local socket = libevent.socket_connect("unix:" .. path)
      queued[#queued + 1] = socket
    until not socket
    return function(timeout)
      return libevent.connect("unix:" .. path, { timeout = timeout })
    end, function()
      listener:setcb(function() end)
      listener:enable()
    end, nil, function()
      listener:close()
      for _, socket in ipairs(queued) do
        socket:close()
      end
    end
  end,
  ["server:wait"] = function()
    local server = assert(libevent.serve("127.0.0.1:0", print))
    return function(timeout)
      return server:wait(timeout)
    end, function()
      server:close()
    end, nil, function()
      server:close()
    end
  end,
  ["server:drain"] = function()
    local server = assert(libevent.serve("127.0.0.1:0", function()
      sleep(100)
    end))
    local client = libevent.socket_connect(server:getsockname())
    sleep(0.001)
    return function(timeout)
      return server:drain(timeout)
    end, nil, nil, function()
      server:close()
      client:close()
    end
  end,
  ["process:wait"] = function(base)
    local process = assert(base:process { "sleep", "100" })
    return function(timeout)
      return process:wait(timeout)
    end, function()
      process:kill()
    end, process
  end,
  ["pcall"] = function()
    return function(timeout)
      return select(2, libevent.pcall(libevent.timeout, timeout or 100,
        sleep, 100))
    end
  end,
  ["scope"] = function()
    return function(timeout)
      return libevent.timeout(timeout or 100, libevent.scope, function(scope)
        scope:spawn(sleep, 100)
      end)
    end
  end,
  ["timeout"] = function()
    return function(timeout)
      return libevent.timeout(timeout or 100, sleep, 100)
    end
  end,
}

--- The waits of a stream: what the reader does, and what it reads.
for name, case in pairs {
  ["read()"] = { "read", nil, "x" },
  ["read(n)"] = { "read", 3, "xyz" },
  ["read 'l'"] = { "read", "l", "x\n" },
  ["readsome"] = { "readsome", 3, "x" },
  ["readuntil"] = { "readuntil", "--", "x--", 10 },
  ["readframe"] = { "readframe", ">s2", "\0\1x", 10 },
  ["peek"] = { "peek", 1, "x" },
} do
  waits["stream:" .. name] = function(base)
    local one, other = helper.streams(base)
    return function(timeout)
      if case[4] then
        return one[case[1]](one, case[2], case[4], timeout)
      end
      return one[case[1]](one, case[2], timeout)
    end, function()
      other:write(case[3])
    end, one, function()
      one:close()
      other:close()
    end
  end
end

for _, name in ipairs { "write", "flush" } do
  waits["stream:" .. name] = function(base)
    local one, other = helper.streams(base, { linger = 0 })
    base:timer(function()
      one:write(mib) -- a callback does not wait
    end):add(0)
    sleep(0.001)
    return function(timeout)
      if name == "flush" then
        return one:flush(timeout)
      end
      one:timeouts(nil, timeout)
      return one:write "more"
    end, function()
      local left = mib
      while #left > 0 do
        left = left:sub(#other:readsome(#left) + 1)
      end
    end, one, function()
      one:close()
      other:close()
    end
  end
end

waits["stream:relay"] = function(base)
  local one, other = helper.streams(base)
  return function(timeout)
    return one:relay(one, timeout)
  end, function()
    other:shutdown()
  end, one, function()
    one:close()
    other:close()
  end
end

waits["stream:sendfile"] = function(base)
  local one, other = helper.streams(base, { linger = 0 })
  local file = io.tmpfile()
  file:write(mib)
  return function(timeout)
    return one:sendfile(file, 0, nil, timeout)
  end, function()
    other:setcb { read = function() end }
  end, one, function()
    file:close()
    one:close()
    other:close()
  end
end

for _, name in ipairs { "recvfrom", "recvbatch" } do
  waits["udp:" .. name] = function(base)
    local udp = assert(base:udp "127.0.0.1:0")
    return function(timeout)
      if name == "recvbatch" then
        return udp:recvbatch(10, timeout)
      end
      return udp:recvfrom(timeout)
    end, function()
      udp:sendto("x", udp:getsockname())
    end, udp
  end
end

--- A UDP socket always takes what is sent on one machine, so here it is a pair
-- of another family.
for _, name in ipairs { "send", "sendbatch" } do
  waits["udp:" .. name] = function(base)
    local a, b = posix.socketpair(true)
    local one = assert(base:udp(assert(libevent.socket(a))))
    local other = assert(base:udp(assert(libevent.socket(b))))
    base:timer(function()
      repeat
        local sent = one:send "x" -- a callback does not wait
      until not sent
    end):add(0)
    sleep(0.001)
    return function(timeout)
      if name == "sendbatch" then
        return one:sendbatch({ "more", false }, timeout)
      end
      return one:send("more", timeout)
    end, function()
      while other:recvfrom(0) do end -- luacheck: ignore
    end, one, function()
      one:close()
      other:close()
    end
  end
end

waits["queue:get"] = function()
  local queue = libevent.queue()
  return function(timeout)
    return queue:get(timeout)
  end, function()
    queue:put "x"
  end, queue
end

waits["queue:put"] = function()
  local queue = libevent.queue(1)
  queue:put "x"
  return function(timeout)
    return queue:put("y", timeout)
  end, function()
    queue:get()
  end, queue
end

waits["semaphore:acquire"] = function()
  local semaphore = libevent.semaphore(0)
  return function(timeout)
    return semaphore:acquire(timeout)
  end, function()
    semaphore:release()
  end
end

waits["future:wait"] = function()
  local future = libevent.future()
  return function(timeout)
    return future:wait(timeout)
  end, function()
    future:set "x"
  end, future
end

return waits
