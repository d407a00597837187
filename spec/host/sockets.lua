-- What memory.c runs with failing allocations: sockets, their options and their
-- addresses, and the small things that belong to no object.

local libevent = libevent -- luacheck: ignore
local trial = require "spec.host.trial"
local check, same = trial.check, trial.same

local function sockets(base)
  local one <close>, other = check(libevent.socketpair())
  local _ <close> = other
  check(one:setsockopt("rcvbuf", 10000))
  check(one:getsockopt "rcvbuf")
  check(one:setsockopt("linger", 1))
  check(one:peercred())
  check(one:getsockname())
  check(tostring(one))
  check(one:connected())
  check(one:shutdown "w")

  local listener <close> = check(base:listener("127.0.0.1:0",
    { disabled = true }))
  local address = check(listener:getsockname())
  local client <close> = check(libevent.socket_connect(address, "127.0.0.1:0"))
  check(client:fd())
  local stream <close> = base:stream(other, { linger = 0.01, max_line = 10 })
  stream:timeouts(1, 1)
  check(stream:setsockopt("sndbuf", 10000))
  check(stream:getsockopt "sndbuf")
  check(stream:peercred())
  stream:setcb { read = print, event = print }
  same(print, (stream:getcb()))
  stream:setcb(nil)
  same(nil, stream:error())
  check(tostring(stream))
end

--- Whatever is called by name alone.
local function others()
  local posix, evutil = libevent.posix, libevent.evutil
  same("inet6", select(2, evutil.parse_sockaddr_port "[::1]:80"))
  same("unix", select(2, evutil.parse_sockaddr_port "unix:/a"))
  same(100, #evutil.secure_rng_get_bytes(100))
  same("Thu, 01 Jan 1970 00:00:00 GMT", evutil.date_rfc1123(0))
  check(evutil.socket_error_to_string(1))
  check(posix.lstat "/")
  check(posix.readdir "/proc/self/task")
  check(posix.readlink "/proc/self/exe")
  same(nil, posix.readlink "/")
  check(posix.processors())
  check(posix.reap {})
  same(nil, (libevent.notify "READY=1"))
  check(libevent.get_version())
  check(libevent.get_supported_methods())
  same(nil, libevent.set_log_callback(print))
  libevent.set_log_callback()
end

trial.run(function(base)
  sockets(base)
  others()
end)
