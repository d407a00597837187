--- Storms that a service has to bear: workers that die, and reloads, while
-- clients go on. Specs use little of it, `make soak` much.

local libevent = require "libevent"
local posix = require "spec.posix"
local program = require "spec.program"
local services = require "spec.services"

local storm = {}

local now = libevent.evutil.gettime_monotonic

--- How workers are killed: each takes the process and the address of one.
storm.ways = {
  KILL = function(pid)
    posix.kill(pid, 9)
  end,
  SEGV = function(pid)
    posix.kill(pid, 11)
  end,
  exit = function(_, address)
    local stream <close> = libevent.connect(address)
    stream:write "exit\n"
    stream:read("l", 20)
  end,
}

--- Kills a worker, and returns the seconds until the next one has answered on
-- its address: a connection that is made at once waits there.
function storm.kill(way, pid, address)
  storm.ways[way](pid, address)
  local killed = now()
  local answer, tries
  repeat -- the dying one may still take a connection
    answer, tries = services.ask(address, "pid"), (tries or 0) + 1
  until answer and tonumber(answer) ~= pid or tries > 100
  return answer and now() - killed, tonumber(answer)
end

--- A client that keeps one connection and talks all the time; returns a table
-- that counts its answers and says why it ended.
function storm.talk(address, pause)
  local client = { answers = 0 }
  libevent.spawn(function()
    local stream <close> = assert(libevent.connect(address))
    client.close = function()
      client.done = true
    end
    while not client.done do
      stream:write "x\n"
      local line, message = stream:read("l", 20)
      if line ~= "x" then
        client.failure = message or "it was closed"
        return
      end
      client.answers = client.answers + 1
      libevent.sleep(pause or 0.01)
    end
  end)
  return client
end

--- A client that makes one connection after the other, sends so many bytes on
-- each and reads them back; counts what was refused, failed, lost and served.
function storm.visit(address, bytes)
  local client = { served = 0, refused = 0, failed = 0, lost = 0 }
  local text = ("x"):rep(bytes - 1) .. "\n"
  client.task = libevent.spawn(function()
    while not client.done do
      local stream <close>, _, code = libevent.connect(address,
        { timeout = 20 })
      if not stream then
        local what = code == libevent.errno.ECONNREFUSED and "refused"
          or "failed"
        client[what] = client[what] + 1
      else
        stream:write(text)
        local got = stream:read(bytes, 20) or ""
        if got == text then
          client.served = client.served + 1
        else
          client.failed = client.failed + 1
          client.lost = client.lost + bytes - #got
        end
      end
    end
  end)
  return client
end

--- The median and the greatest of numbers.
function storm.spread(list)
  table.sort(list)
  return list[(#list + 1) // 2], list[#list]
end

local function address_of(worker)
  return worker.addresses[1]
end

--- Kills the workers of a service in turn, each on an address of its own, and
-- one of them never.
---@return table result `deaths`; `times`: seconds from each to the next answer;
-- `unanswered`; `untouched`: whether the spared worker's connection went on;
-- and `grown`: KiB that the monitor has more than after the first tenth.
function storm.deaths(service, n)
  local workers, order = service:ready().workers, { "KILL", "SEGV", "exit" }
  local result = { deaths = 0, times = {}, unanswered = 0 }
  local spared = storm.talk(address_of(workers[1]))
  local pids, before = {}, nil
  for k = 1, n do
    local i = 2 + k % (#workers - 1)
    local seconds, pid = storm.kill(order[k % #order + 1],
      pids[i] or workers[i].pid, address_of(workers[i]))
    result.deaths = result.deaths + 1
    if seconds then
      table.insert(result.times, seconds)
    else
      result.unanswered = result.unanswered + 1
    end
    pids[i] = pid
    if k == n // 10 then
      before = program.rss(service.pid)
    end
    libevent.sleep(0.5 / #workers) -- at once is only who has served for a while
  end
  result.grown = program.rss(service.pid) - before
  result.untouched = spared.answers > 0 and not spared.failure
  spared.done = true
  return result
end

--- Reloads a service while clients come and go.
---@return table result Numbers of connections: `served`, `refused`, `failed`;
-- and `lost` bytes.
function storm.reloads(service, n)
  local workers, clients = service:ready().workers, {}
  for i = 1, 8 do
    clients[i] = storm.visit(address_of(workers[i % #workers + 1]),
      i % 2 == 0 and 100 or 60000)
  end
  for _ = 1, n do
    assert(service:ask "reload")
  end
  local result = { served = 0, refused = 0, failed = 0, lost = 0 }
  for _, client in ipairs(clients) do
    client.done = true
    client.task:wait()
    for name in pairs(result) do
      result[name] = result[name] + client[name]
    end
  end
  return result
end

return storm
