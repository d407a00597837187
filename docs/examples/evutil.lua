-- Addresses, random bytes and the clock.

local libevent = require "libevent"

local evutil = libevent.evutil

--- evutil.date_rfc1123
do
  print(evutil.date_rfc1123(0)) --> Thu, 01 Jan 1970 00:00:00 GMT
  local header = "Date: " .. evutil.date_rfc1123() .. "\r\n"
  assert(#header == 37)
end

--- evutil.gettime_monotonic
do
  local function timed(fn, ...)
    local began = evutil.gettime_monotonic()
    fn(...)
    return evutil.gettime_monotonic() - began
  end
  assert(timed(os.execute, "true") > 0) -- os.clock would not count that
end

--- evutil.gettimeofday
do
  local ms = math.floor(evutil.gettimeofday() * 1000)
  local stamp = os.date("!%T", ms // 1000) .. (".%03d"):format(ms % 1000)
  assert(stamp:find "^%d%d:%d%d:%d%d%.%d%d%d$") -- 09:25:14.037
end

--- evutil.parse_sockaddr_port
do
  local parse = evutil.parse_sockaddr_port
  print(parse "[::0001]:080") --> [::1]:80, inet6, ::1, 80
  local address, message = parse "127.0.0.1"
  print(address or message:match ": (.-),") --> a port is missing
end

--- evutil.secure_rng_get_bytes
do
  local bytes = evutil.secure_rng_get_bytes(16)
  local session = bytes:gsub(".", function(byte)
    return ("%02x"):format(byte:byte())
  end)
  print(#session) --> 32
end

--- evutil.socket_error_to_string
do
  local code = libevent.errno.ECONNREFUSED
  print(evutil.socket_error_to_string(code)) --> Connection refused
end
