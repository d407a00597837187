local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local evutil = libevent.evutil
local parse = evutil.parse_sockaddr_port
local random = math.random

local EINVAL = 22

--- What a text is read as: the address and its parts.
local addresses = {
  ["127.0.0.1:80"] = { "127.0.0.1:80", "inet", "127.0.0.1", 80 },
  ["0.0.0.0:0"] = { "0.0.0.0:0", "inet", "0.0.0.0", 0 },
  ["255.255.255.255:65535"] = { "255.255.255.255:65535", "inet",
    "255.255.255.255", 65535 },
  ["10.0.0.1:0080"] = { "10.0.0.1:80", "inet", "10.0.0.1", 80 },
  ["[::1]:80"] = { "[::1]:80", "inet6", "::1", 80 },
  ["[::]:0"] = { "[::]:0", "inet6", "::", 0 },
  ["[2001:DB8:0:0:0:0:0:A]:443"] = { "[2001:db8::a]:443", "inet6",
    "2001:db8::a", 443 },
  ["[::ffff:10.1.2.3]:1"] = { "[::ffff:10.1.2.3]:1", "inet6",
    "::ffff:10.1.2.3", 1 },
  ["[::ffff:0a01:0203]:1"] = { "[::ffff:10.1.2.3]:1", "inet6",
    "::ffff:10.1.2.3", 1 },
  ["unix:/run/app.sock"] = { "unix:/run/app.sock", "unix", "/run/app.sock" },
  ["unix:a"] = { "unix:a", "unix", "a" },
  ["unix:a:b@%[c]"] = { "unix:a:b@%[c]", "unix", "a:b@%[c]" },
  ["unix:unix:x"] = { "unix:unix:x", "unix", "unix:x" },
  ["unix:@name"] = { "unix:@name", "unix", "@name" },
  ["unix:@"] = { "unix:@", "unix", "@" },
  ["unix:@@/x"] = { "unix:@@/x", "unix", "@@/x" },
  ["unix:@a\0b\0"] = { "unix:@a\0b\0", "unix", "@a\0b\0" },
}

--- Texts that are none, by what is said of them.
local wrong = {
  ["a port is missing, as in 127.0.0.1:80 or [::1]:80"] = {
    "", "127.0.0.1", "localhost", "[::1]", "[]", "unix",
  },
  ["the port is no number from 0 to 65535"] = {
    "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:+1",
    "127.0.0.1: 80", "127.0.0.1:80 ", "127.0.0.1:http", "127.0.0.1:0x50",
    "127.0.0.1:8.0", "127.0.0.1:99999999999999999999", "[::1]:", "[::1]:65536",
    "[::1]:a", ":",
  },
  ["names are not looked up here, but addresses such as 127.0.0.1:80, "
    .. "[::1]:80 or unix:/path"] = {
    ":80", "localhost:80", "1.2.3:80", "1.2.3.4.5:80", "256.0.0.1:80",
    "1.2.3.4 :80", " 1.2.3.4:80", "0x7f.0.0.1:80", "1:80", "::1:80",
    "2001:db8::1:80", "127.0.0.1:80:80", "Unix:80",
  },
  ["not an IPv6 address"] = {
    "[]:80", "[127.0.0.1]:80", "[:1]:80", "[::1::]:80", "[12345::]:80",
    "[g::]:80", "[::1 ]:80", "[[::1]:80", "[1:2]:80",
  },
  ["no such network interface"] = {
    "[fe80::1%]:80", "[fe80::1%0]:80", "[fe80::1%nosuchif]:80",
    "[fe80::1%-1]:80", "[fe80::1%lo%lo]:80", "[fe80::1%4294967296]:80",
    "[::1%lo ]:80",
  },
  ["a path is missing behind unix:"] = { "unix:" },
  ["the path of a unix socket is too long"] = {
    "unix:" .. ("x"):rep(108), "unix:/" .. ("x"):rep(100000),
    "unix:@" .. ("x"):rep(108),
  },
  ["it is too long"] = {
    "127.0.0.1:" .. ("0"):rep(100) .. "80", ("x"):rep(1 << 20),
  },
}

local function times(n, fn)
  for _ = 1, n do
    fn()
  end
end

describe("evutil parse_sockaddr_port", function()
  it("reads addresses and tells their parts", function()
    for text, parts in pairs(addresses) do
      assert.same(parts, { parse(text) }, text)
    end
  end)

  it("reads back what it writes", function()
    for _, parts in pairs(addresses) do
      assert.same(parts, { parse(parts[1]) }, parts[1])
    end
  end)

  it("reads back any address", function()
    times(500, function()
      local host = ("%d.%d.%d.%d"):format(random(0, 255), random(0, 255),
        random(0, 255), random(0, 255))
      local port = random(0, 65535)
      local text = host .. ":" .. port
      assert.same({ text, "inet", host, port }, { parse(text) })
    end)
    times(500, function()
      local groups = {}
      for i = 1, 8 do
        groups[i] = ("%x"):format(random(65535))
      end
      local host, port = table.concat(groups, ":"), random(0, 65535)
      local text = ("[%s]:%d"):format(host, port)
      assert.same({ text, "inet6", host, port }, { parse(text) })
      groups[random(8)], groups[random(8)] = "0", "0"
      text = ("[%s]:%d"):format(table.concat(groups, ":"), port)
      local address = assert(parse(text))
      assert.same({ parse(text) }, { parse(address) })
    end)
  end)

  it("knows interfaces by name and by number", function()
    assert.equal("[fe80::1%lo]:80", (parse "[fe80::1%lo]:80"))
    assert.equal("[fe80::1%lo]:80", (parse "[fe80::1%1]:80"))
    local none = "[fe80::1%65535]:80" -- a number without an interface
    assert.equal(none, (parse(none)))
  end)

  it("reads paths as long as the system takes them", function()
    for _, path in ipairs { ("x"):rep(107), "/" .. ("y"):rep(106),
      "@" .. ("z"):rep(106) } do
      local text = "unix:" .. path
      assert.same({ text, "unix", path }, { parse(text) })
    end
  end)

  it("tells what is wrong with any other text", function()
    for message, texts in pairs(wrong) do
      for _, text in ipairs(texts) do
        assert.same({ nil, ("'%s': %s"):format(text, message), EINVAL },
          { parse(text) })
      end
    end
  end)

  it("takes no zeros outside abstract names", function()
    for _, text in ipairs { "127.0.0.1:80\0", "\000127.0.0.1:80", "[::1\0]:80",
      "127.0.0.1\0:80", "unix:a\0b", "unix:\0a", "unix:/a\0", "\0" } do
      local address, message, code = parse(text)
      assert.is_nil(address)
      assert.is_string(message)
      assert.equal(EINVAL, code)
    end
  end)

  it("takes any bytes and gives an address or what is wrong", function()
    local set = "0123456789abcdef:.[]%@/unix\0\255 lo"
    times(helper.stress and 500 or 5000, function()
      local bytes = {}
      for i = 1, random(0, 30) do
        local at = random(#set)
        bytes[i] = set:sub(at, at)
      end
      local prefix = ({ "", "unix:", "[::", "1.2.3." })[random(4)]
      local text = prefix .. table.concat(bytes)
      local address, message, code = parse(text)
      if address then
        assert.equal(address, (parse(address)))
      else
        assert.is_string(message)
        assert.equal(EINVAL, code)
      end
    end)
  end)

  it("takes nothing but a string", function()
    for _, bad in ipairs { {}, true, print, io.stderr } do
      assert.error_matches(function()
        parse(bad)
      end, "bad argument #1 to %g+ %(string expected, got ")
    end
    assert.error_matches(function()
      parse()
    end, "string expected, got no value")
  end)
end)

describe("evutil secure_rng_get_bytes", function()
  local bytes = evutil.secure_rng_get_bytes

  it("returns as many bytes as asked for", function()
    for _, n in ipairs { 0, 1, 15, 16, 4095, 4096, 4097, 1 << 20, 1 << 24 } do
      assert.equal(n, #bytes(n))
    end
  end)

  it("never returns the same twice, and all values", function()
    local seen = {}
    times(1000, function()
      local key = bytes(16)
      assert.is_nil(seen[key])
      seen[key] = true
    end)
    local values, count = {}, 0
    for value in bytes(1 << 14):gmatch "." do
      count = count + (values[value] and 0 or 1)
      values[value] = true
    end
    assert.equal(256, count)
  end)

  it("refuses bad arguments", function()
    helper.badargs(function(_, ...)
      return bytes(...)
    end, nil, "integer")
    for _, bad in ipairs { -1, (1 << 24) + 1, math.maxinteger } do
      assert.error_matches(function()
        bytes(bad)
      end, "bad argument #1 to %g+ %(integer from 0 to 16777216 expected%)")
    end
  end)
end)

describe("evutil clock", function()
  it("never goes back and is that of a base", function()
    local base <close> = libevent.event_base()
    local last = 0
    times(10000, function()
      local now = evutil.gettime_monotonic()
      assert(now >= last)
      last = now
    end)
    assert.equal("float", math.type(last))
    local now = base:now()
    assert.is_true(now >= last and now <= evutil.gettime_monotonic())
  end)

  it("tells the time of day", function()
    -- The system's coarse clock, which os.time asks, lags some milliseconds.
    local before = os.time()
    local now = evutil.gettimeofday()
    assert.equal("float", math.type(now))
    assert.is_true(before <= now and now <= os.time() + 2)
  end)
end)

describe("evutil date_rfc1123", function()
  local date = evutil.date_rfc1123
  local format = "!%a, %d %b %Y %H:%M:%S GMT"

  it("writes a date as HTTP does", function()
    assert.equal("Thu, 01 Jan 1970 00:00:00 GMT", date(0))
    assert.equal("Sun, 06 Nov 1994 08:49:37 GMT", date(784111777))
    assert.equal("Sun, 06 Nov 1994 08:49:37 GMT", date(784111777.999))
    assert.equal("Thu, 29 Feb 2024 23:59:59 GMT", date(1709251199))
    assert.equal("Tue, 19 Jan 2038 03:14:08 GMT", date(1 << 31))
    assert.equal("Wed, 16 Nov 5138 09:46:40 GMT", date(1e11))
  end)

  it("agrees with os.date", function()
    times(1000, function()
      local time = random(0, 100000000000)
      assert.equal(os.date(format, time), date(time))
    end)
  end)

  it("is now by default", function()
    local before = os.time()
    local text = date()
    local found = false
    for time = before, os.time() do
      found = found or os.date(format, time) == text
    end
    assert.is_true(found, text)
    assert.equal(#text, #date(nil))
  end)

  it("refuses what is no time", function()
    helper.badargs(function(_, ...)
      return date(...)
    end, nil, "?seconds")
    assert.error_matches(function()
      date(1e11 + 1)
    end, "bad argument #1 to %g+ %(seconds from 0 to 1e11 expected%)")
  end)
end)

describe("evutil socket_error_to_string", function()
  local text = evutil.socket_error_to_string

  it("tells what an errno value means", function()
    assert.equal("Bad file descriptor", text(9))
    assert.equal("Resource temporarily unavailable", text(11))
    assert.equal("Connection refused", text(111))
    for _, code in ipairs { -1, 99999, math.mininteger >> 33, -1 << 31 } do
      assert.equal("unknown error", text(code))
    end
  end)

  it("tells what the message of a failed call ends with", function()
    local _, message, code = parse ""
    assert.equal(EINVAL, code)
    assert.is_string(message)
    _, message, code = libevent.socket(987)
    assert.equal("socket: " .. text(code), message)
  end)

  it("refuses bad arguments", function()
    helper.badargs(function(_, ...)
      return text(...)
    end, nil, "integer")
  end)
end)

describe("libevent.isatty", function()
  local isatty = libevent.isatty

  it("knows a terminal by descriptor and by file", function()
    local master, terminal = posix.terminal()
    assert.is_true(isatty(master))
    assert.is_true(isatty(terminal))
    terminal:close()
    posix.close(master)
  end)

  it("knows what is none", function()
    local file <close> = io.tmpfile()
    local one <close> = libevent.socketpair()
    assert.is_false(isatty(file))
    assert.is_false(isatty(one))
    assert.is_false(isatty(987))
    assert.is_false(isatty(-1))
  end)

  it("refuses what is no descriptor", function()
    local closed = io.tmpfile()
    closed:close()
    for _, bad in ipairs { closed, "x", {}, true, -2, 0.5, 1 << 40 } do
      assert.error_matches(function()
        isatty(bad)
      end, "bad argument #1 to %g+ %(")
    end
    assert.error_matches(function()
      isatty()
    end, "got no value")
  end)
end)
