-- Runs the specs that talk over sockets while reads and writes are short, and
-- signals and full buffers come at random: they say the same as ever.
--
--   lua5.4 spec/short.lua [SPEC...]
--
-- SEED picks what happens. Datagrams are never short: they are not here.

local runner = require "spec.faulty_run"

local limit = 150 -- seconds

local bytes = "read,readv,recv,send,sendmsg,sendfile,write,writev"
local faults = ("%s:short@p0.5;*:EINTR@p0.2;%s:EAGAIN@p0.2"):format(bytes,
  bytes)

local specs = {
  "spec/connect_spec.lua", "spec/drain_spec.lua", "spec/line_spec.lua",
  "spec/listen_spec.lua", "spec/on_drain_spec.lua", "spec/process_spec.lua",
  "spec/server_drain_spec.lua", "spec/server_spec.lua",
}
local kinds = { "core/accepted", "core/bufferevent", "core/evbuffer",
  "core/evconnlistener", "core/socket", "core/stream", "core/transport",
  "regress/connections", "regress/finalizer_in_call", "regress/servers",
  "regress/streams" }

--- Specs that say something of single calls, so that others are no fault: by
-- reason.
local apart = {
  ["one read takes all that was written"] = {
    "a bufferevent goes on reading after an error of writing",
    "a read whose coroutine was closed ends, and frees the stream",
    "a stream gives its socket away, with what was read",
    "a stream that relays refuses a sink that is broken or shut",
    "a stream with callbacks gets data, and then the end",
    "a stream with callbacks gets nothing while it is disabled,"
      .. " and loses nothing",
    "a stream with callbacks goes on after an error of a callback",
    "bufferevent gives its connection away",
    "bufferevent has views of its buffers that only go one way",
    "bufferevent goes on to read when its input is moved to a buffer",
    "bufferevent moves its input to a buffer",
    "bufferevent reads up to n bytes, leaving the rest",
    "bufferevent tells of changes that libevent makes to its buffers",
    "bufferevent tells of what comes and of the end",
    "bufferevent:connect connects to 127.0.0.1:0",
    "bufferevent:connect connects to [::1]:0",
    "bufferevent:connect connects to unix:/…",
    "bufferevent:connect connects to unix:@",
    "evbuffer reads to the end, which is nil alone",
    "evbuffer returns what went wrong with a descriptor",
    "options of a bufferevent read no more than the size of one read",
    "stream:readsome gives no more than asked for",
    "stream:relay begins with what was read already",
    "stream:shutdown 'r' leaves what was read before",
    "stream:shutdown 'r' tells callbacks what was read,"
      .. " and then of the end, once",
    "watermarks of a bufferevent pause and go on by whatever"
      .. " takes from the input",
    "watermarks of a bufferevent pause reading while the input is full",
  },
  ["one write gives all to the system"] = {
    "stream:shutdown 'r' ends reading to the end, and loops over lines",
    "stream:shutdown 'r' ends waits of every form",
    "stream:shutdown 'r' can be of a connection that is broken",
    "stream:write tells that the peer is gone",
    "a bufferevent closed while the system still has output to"
      .. " send loses none of it",
    "a bufferevent is let go after a change callback that raised",
    "bufferevent reads no more after a shutdown of that",
    "a change callback that raises leaves no input full for ever",
    "a change callback that raises leaves no output behind that nobody sends",
    "a stream knows how much is pending, and no error",
    "a stream with callbacks gets what came before a write failed",
    "bufferevent calls the write callback when a write went out at once",
    "bufferevent echoes by moving the input to the output",
    "bufferevent ends what it sends after the output",
    "bufferevent writes strings, numbers, lists and buffers at once",
    "closing a bufferevent lets the peer see the end at once, without a loop",
    "evbuffer change callback is told of reads and writes",
    "evbuffer reads and writes descriptors",
    "evbuffer reads and writes files of the io library",
    "evbuffer writes what there is room for and keeps the rest",
    "libevent.drain closes idle connections that tasks have accepted",
    "socket ends either direction",
    "socket option is taken for its descriptor",
    "stream:sendfile tells that the file has become shorter",
    "stream:sendfile tells the write callback when all is sent",
    "stream:write is closed under a writer by a reader",
    "stream:write needs no more than one system call for several strings",
    "stream:write sends strings, numbers, lists and buffers in their order",
    "a task that waits until output is sent is woken though a"
      .. " callback has sent it",
  },
  ["what is ready in a turn is taken in that turn"] = {
    "stream:sendfile sends what goes at once without any time",
    "a server that drains does not take half a request for none",
    "a stream with callbacks closed by a finalizer while its"
      .. " data becomes a string is not called",
    "a stream with callbacks is told of a write that nobody takes",
    "a stream with callbacks prefers data to a timeout of the same turn",
    "bufferevent is no timeout when input came in the same turn",
    "closing a bufferevent frees its descriptor for others in the same turn",
    "event_base:listener accepts all that wait, some each turn",
    "idle is nil while there is input that nobody has taken",
    "idle tells the seconds since something was read or sent",
    "options of a bufferevent have a priority",
    "stream:read is for tasks, but gives what there is to anybody",
    "stream:read prefers data to a timeout of the same turn",
  },
}

local function quoted(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

--- The options that leave the specs out which stand apart.
local function left_out()
  local list = {}
  for _, names in pairs(apart) do
    for _, name in ipairs(names) do
      list[#list + 1] = "--filter-out="
        .. quoted("^" .. name:gsub("%p", "%%%0"))
    end
  end
  return table.concat(list, " ")
end

--- All files that talk over sockets.
local function files()
  local list = { table.unpack(specs) }
  local found <close> = assert(io.popen "ls spec/core/*.lua spec/regress/*.lua")
  for name in found:lines() do
    for _, kind in ipairs(kinds) do
      if name:find("spec/" .. kind, 1, true) then
        list[#list + 1] = name
        break
      end
    end
  end
  return list
end

--- The names of all specs of these files.
local function titles(list)
  local names, output = {}, {}
  local pipe <close> = assert(io.popen(("%s -l %s 2>&1"):format(
    runner.busted, table.concat(list, " "))))
  for line in pipe:lines() do
    output[#output + 1] = line
    names[#names + 1] = line:match "^[^:]*:%d+: (.*)"
  end
  assert(pipe:close(), table.concat(output, "\n"))
  return names
end

--- Raises for a name that stands apart and that no spec of these files has.
local function check(list)
  local known = titles(list)
  local function is_known(name)
    for _, title in ipairs(known) do
      if title:sub(1, #name) == name then
        return true
      end
    end
    return false
  end
  for _, names in pairs(apart) do
    for _, name in ipairs(names) do
      assert(is_known(name), "no spec is called: " .. name)
    end
  end
end

local given = #arg > 0 and arg or files()
if given ~= arg then
  check(given)
end
local total, all = runner.run(given, faults, limit, left_out())
print(("%d specs went well with short reads and writes"):format(total))
os.exit(all, true)
