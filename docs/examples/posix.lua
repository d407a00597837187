-- Files that only one user may see, and processes that look after others.

local libevent = require "libevent"

local posix = libevent.posix

--- posix.alarm
do
  local base <close> = libevent.event_base()
  local overdue <close> = base:signal("ALRM", function(signal)
    print "the backup takes too long" --> the backup takes too long
    signal:del()
  end)
  assert(overdue:add())
  posix.alarm(0.001) -- posix.alarm(0) would call it off
  base:dispatch()
end

--- posix.fill
do
  assert(posix.fill()) -- before anything else is opened
  local base <close> = libevent.event_base()
  local udp <close> = assert(base:udp "127.0.0.1:0")
  assert(udp:fd() > 2) -- else it would send what is printed
end

--- posix.geteuid
do
  local folder = "/tmp/app-" .. posix.geteuid() -- each user has one
  assert(folder:find "^/tmp/app%-%d+$")
end

--- posix.getpid
do
  local path = os.tmpname()
  local file = assert(io.open(path, "w"))
  file:write(posix.getpid(), "\n"):close()
  os.execute("kill -0 $(cat " .. path .. ")") -- so that others find it
  os.remove(path)
end

--- posix.getppid
do
  local parent = posix.getppid()
  local function is_orphan()
    return posix.getppid() ~= parent -- who has started it is gone
  end
  print(is_orphan()) --> false
end

--- posix.ignore
do
  assert(posix.ignore "HUP") -- goes on when its terminal is closed
  os.execute("kill -HUP " .. posix.getpid())
  print "still here" --> still here
end

--- posix.lstat
do
  local key = os.tmpname()
  local status = assert(posix.lstat(key))
  print(status.type, status.mode, status.size) --> file, 0600, 0
  assert(status.uid == posix.geteuid(), "the key belongs to another")
  os.remove(key)
end

--- posix.mkdir
do
  local path = os.tmpname()
  os.remove(path)
  print(posix.mkdir(path, "0700")) --> true
  local _, _, code = posix.mkdir(path, "0700")
  print(code == libevent.errno.EEXIST) --> true
  os.remove(path)
end

--- posix.processors
do
  local permits = libevent.semaphore(posix.processors())
  local function compress(name) -- a program for each processor, never more
    permits:acquire()
    libevent.process.run { "true", name } -- or "gzip"
    permits:release()
    return name .. ".gz"
  end
  libevent.run(function()
    local task = libevent.spawn(compress, "access.log")
    print(task:wait()) --> access.log.gz
  end)
end

--- posix.put
do
  local lost = 0
  local log <close> = assert(io.popen("cat >/dev/null", "w"))
  for i = 1, 3 do
    if not posix.put(log, "request " .. i .. "\n") then
      lost = lost + 1 -- who reads it is slow; nobody waits for that
    end
  end
  print(lost) --> 0
end

--- posix.readdir
do
  local names = assert(posix.readdir "/proc/self/fd")
  table.sort(names)
  assert(#names >= 3) -- as many descriptors are open, one for this
end

--- posix.readlink
do
  local current = os.tmpname()
  os.remove(current)
  os.execute("ln -s releases/7 " .. current)
  print(posix.readlink(current)) --> releases/7
  os.remove(current)
end

--- posix.reap
do
  local base <close> = libevent.event_base()
  libevent.run(base, function()
    local server = assert(base:process { "true" })
    local known = { [server:pid()] = true }
    -- What process 1 of a container does for the orphans it is given.
    print((posix.reap(known))) --> 0
    print(server:wait()) --> exit, 0
  end)
end

--- posix.setname
do
  print(posix.setname "app: worker 3") --> true
end
