local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local run, badargs = helper.run, helper.badargs
local spawn, sleep = libevent.spawn, libevent.sleep

local ETIMEDOUT, ENODATA, EMSGSIZE = 110, 61, 90
local pack = table.pack
local too_long = pack(nil, "read: Message too long", EMSGSIZE)
local too_early = pack(nil, "read: the input ended early", ENODATA)
local timed_out = pack(nil, "timed out", ETIMEDOUT)

--- A stream, and the descriptor of its peer.
local function peered(base, options)
  local one, other = assert(libevent.socketpair())
  return base:stream(one, options), other:detach()
end

--- A body for `it` with a stream whose peer sends the pieces, one in a turn of
-- the loop, and then ends.
local function with(pieces, fn, options)
  return run(function(base)
    local stream <close>, fd = peered(base, options)
    local sender = spawn(function()
      for _, piece in ipairs(pieces) do
        posix.write(fd, piece)
        sleep(0)
      end
      posix.close(fd)
    end)
    fn(stream, base)
    sender:wait()
  end)
end

describe("stream:read", function()
  it("gives what there is", with({ "ab", "cd" }, function(stream)
    local all = ""
    repeat
      local data = stream:read()
      all = all .. (data or "")
    until not data
    assert.equal("abcd", all)
    assert.same(pack(nil), pack(stream:read()))
    assert.same(pack(nil), pack(stream:read()))
  end))

  it("gives exactly so many bytes", with({ "abc", "de", "f" },
    function(stream)
    assert.equal("abcd", stream:read(4))
    assert.equal("", stream:read(0))
    assert.same(too_early, pack(stream:read(3)))
    assert.equal("ef", stream:read(2))
    assert.same(pack(nil), pack(stream:read(1)))
    assert.equal("", stream:read(0))
  end))

  it("gives lines without their ends, or with", with(
    { "one\r\ntw", "o\n\nthree", "\rx\nfour\r\n", "last" }, function(stream)
    assert.equal("one", stream:read "l")
    assert.equal("two\n", stream:read "L")
    assert.equal("", stream:read "l")
    assert.equal("three\rx", stream:read "l")
    assert.equal("four\r\n", stream:read "L")
    assert.equal("last", stream:read "l")
    assert.same(pack(nil), pack(stream:read "l"))
  end))

  it("gives all until the end", with({ "a", "b", "c" }, function(stream)
    assert.equal("abc", stream:read "a")
    assert.equal("", stream:read "a")
    assert.same(pack(nil), pack(stream:read()))
  end))

  it("bounds a line, and loses nothing", with({ "12345\n123", "456\nx" },
    function(stream)
    assert.equal("12345", stream:read "l")
    assert.same(too_long, pack(stream:read "l"))
    assert.same(too_long, pack(stream:read "L"))
    assert.equal("123456", stream:read(6))
    assert.equal("", stream:read "l")
    assert.equal("x", stream:read "l")
  end, { max_line = 5 }))

  it("bounds all, and loses nothing", with({ "12345" }, function(stream)
    assert.same(too_long, pack(stream:read "a"))
    assert.equal("12", stream:read(2))
    assert.equal("345", stream:read "a")
  end, { max_all = 4 }))

  it("waits only so long, and loses nothing", run(function(base)
    local stream <close>, fd = peered(base)
    posix.write(fd, "part of a line")
    assert.same(timed_out, pack(stream:read("l", 0.002)))
    assert.same(timed_out, pack(stream:read("l", 0)))
    posix.write(fd, "\n")
    assert.equal("part of a line", stream:read("l", 10))
    stream:timeouts(0.002)
    assert.same(timed_out, pack(stream:read()))
    stream:timeouts()
    posix.close(fd)
    assert.same(pack(nil), pack(stream:read(nil, 10)))
  end))

  it("prefers data to a timeout of the same turn", run(function(base)
    local stream <close>, fd = peered(base)
    local task = spawn(function()
      return stream:read(nil, 0.01)
    end)
    sleep(0)
    sleep(0)
    posix.spin(0.03) -- the loop finds both when it comes back
    posix.write(fd, "in time")
    assert.equal("in time", (task:wait()))
    posix.close(fd)
  end))

  it("has one reader, and says who that is", run(function(base)
    local stream <close>, fd = peered(base)
    local first = spawn(stream.read, stream)
    first:name "first"
    sleep(0)
    assert.error_matches(function()
      stream:read()
    end, "a task waits for this input already: first")
    assert.error_matches(function()
      stream:setcb { read = print }
    end, "already: first")
    posix.write(fd, "x")
    assert.equal("x", (first:wait()))
    local nameless = spawn(stream.read, stream)
    sleep(0)
    assert.error_matches(function()
      stream:peek()
    end, "already: libevent.task: 0x")
    posix.close(fd)
    nameless:wait()
  end))

  it("is woken by close", run(function(base)
    local stream, fd = peered(base)
    local task = spawn(stream.read, stream, "l")
    sleep(0)
    stream:close()
    assert.same(pack(nil, "closed", 125), pack(task:wait()))
    posix.close(fd)
  end))

  it("tells of a reset, after the data before it", run(function(base)
    local listener = base:listener("127.0.0.1:0", nil, function() end)
    local peer = posix.connect(tonumber(listener:getsockname():match "%d+$"))
    local stream
    listener:setcb(function(_, socket)
      stream = base:stream(socket)
    end)
    while not stream do
      sleep(0.001)
    end
    listener:close()
    posix.write(peer, "data")
    assert.equal("da", stream:read(2))
    posix.reset(peer)
    local task = spawn(stream.read, stream, 10)
    local _, message, code = task:wait()
    assert.same({ "read: Connection reset by peer", 104 }, { message, code })
    assert.same(pack("Connection reset by peer", 104), pack(stream:error()))
    assert.equal("ta", stream:read())
    assert.equal(104, select(3, stream:read()))
    assert.equal(104, select(3, stream:write "x"))
    stream:close()
  end))

  it("is for tasks, but gives what there is to anybody", run(function(base)
    local stream <close>, fd = peered(base)
    posix.write(fd, "ab")
    assert.equal("a", stream:read(1))
    local got, ok, message
    base:timer(function()
      got = stream:read()
      ok, message = pcall(stream.read, stream)
    end):add(0)
    sleep(0.002)
    assert.equal("b", got)
    assert.is_false(ok)
    assert.matches("only a task can wait", message)
    posix.close(fd)
  end))

  it("refuses bad arguments", run(function(base)
    local stream <close>, fd = peered(base)
    for _, form in ipairs { "", "x", "ll", "\0", -1, 0.5, 2 ^ 31, {} } do
      assert.error_matches(function()
        stream:read(form)
      end, "bad argument #1 to 'read'")
    end
    posix.write(fd, "1234")
    assert.equal("1", stream:read(1))
    badargs(stream.readsome, stream, "integer, ?seconds", { 1 })
    badargs(stream.readframe, stream, "format, ?integer, ?seconds",
      { ">s4", 1 })
    badargs(stream.peek, stream, "?integer, ?seconds", { 1 })
    assert.is_false(pcall(stream.readuntil, stream, ""))
    assert.is_false(pcall(stream.readuntil, stream, 1))
    assert.is_false(pcall(stream.readuntil, stream, "x", -1))
    assert.is_false(pcall(stream.unread, stream, 1))
    assert.is_false(pcall(stream.lines, stream, "x"))
    assert.is_false(pcall(stream.lines, stream, "l", -1))
    posix.close(fd)
  end))
end)

describe("stream:readsome", function()
  it("gives no more than asked for", with({ "abcdef" }, function(stream)
    assert.equal("abcd", stream:readsome(4))
    assert.equal("ef", stream:readsome(4))
    assert.same(pack(nil), pack(stream:readsome(4)))
  end))
end)

describe("stream:readuntil", function()
  it("gives what stands before the delimiter", with(
    { "a-", "-b--", "---c", "--d-" }, function(stream)
    assert.equal("a", stream:readuntil "--")
    assert.equal("b", stream:readuntil "--")
    assert.equal("", stream:readuntil "--")
    assert.equal("-c", stream:readuntil "--")
    assert.same(too_early, pack(stream:readuntil "--"))
    assert.equal("d-", stream:read "a")
    assert.same(pack(nil), pack(stream:readuntil "--"))
  end))

  it("finds one that overlaps itself", with({ "xaa", "aab" },
    function(stream)
    assert.equal("xaa", stream:readuntil "aab")
  end))

  it("bounds it", with({ "12345|123456|12345678" }, function(stream)
    assert.equal("12345", stream:readuntil("|", 5))
    assert.same(too_long, pack(stream:readuntil("|", 5)))
    assert.equal("123456", stream:readuntil("|", 6))
    assert.same(too_long, pack(stream:readuntil("|", 7)))
    assert.equal("12345678", stream:read "a")
  end))
end)

describe("stream:readframe", function()
  it("reads what string.pack has written, in each format", run(function(base)
    for _, order in ipairs { "", "<", ">", "=" } do
      for _, size in ipairs { "", 1, 2, 3, 4, 5, 6, 7, 8 } do
        local format = order .. "s" .. size
        local stream <close>, fd = peered(base)
        local text = ("x"):rep(200)
        local packed = string.pack(format, text) .. string.pack(format, "")
        local task = spawn(function()
          return stream:readframe(format), stream:readframe(format)
        end)
        for i = 1, #packed, 50 do
          posix.write(fd, packed:sub(i, i + 49))
          sleep(0)
        end
        assert.same(pack(text, ""), pack(task:wait()))
        posix.close(fd)
        assert.same(pack(nil), pack(stream:readframe(format)))
      end
    end
  end))

  it("bounds it, and does not believe what the peer says", with(
    { "\255\255\255\255\255\255\255\255xyz" }, function(stream)
    assert.same(too_long, pack(stream:readframe "s8"))
    assert.same(too_long, pack(stream:readframe("s1", 254)))
    assert.same(too_early, pack(stream:readframe("s1", 255)))
    assert.equal(11, #stream:read "a")
  end))
end)

describe("stream:peek and stream:unread", function()
  it("leave bytes, and put them back", with({ "abc" }, function(stream)
    assert.equal("ab", stream:peek(2))
    assert.equal("abc", stream:peek(3))
    assert.equal("a", stream:read(1))
    stream:unread "12"
    stream:unread ""
    assert.equal("12bc", stream:peek())
    assert.equal("12bc", stream:read "a")
    stream:unread "again"
    assert.equal("again", stream:read())
    assert.same(pack(nil), pack(stream:read()))
  end))
end)

describe("stream:lines", function()
  it("reads line after line", with({ "a\nb\r\n\nc" }, function(stream)
    local lines = {}
    for line in stream:lines() do
      lines[#lines + 1] = line
    end
    assert.same({ "a", "b", "", "c" }, lines)
    assert.is_nil(stream:error())
  end))

  it("takes every form that read takes", with({ "abcde" }, function(stream)
    local pieces = {}
    for piece in stream:lines(2) do
      pieces[#pieces + 1] = piece
    end
    assert.same({ "ab", "cd" }, pieces)
    assert.equal("e", stream:read())
  end))

  it("ends at a timeout, and when it is closed", run(function(base)
    local stream, fd = peered(base)
    posix.write(fd, "a\nb")
    local n = 0
    for _ in stream:lines("l", 0.002) do
      n = n + 1
    end
    assert.equal(1, n)
    assert.equal("b", stream:read())
    local next_line = stream:lines()
    stream:close()
    assert.is_nil(next_line())
    posix.close(fd)
  end))
end)

describe("reading", function()
  -- A reader in plain Lua that knows all that is to come.
  local function model(text)
    local at = 1
    local function take(n, skip)
      local bytes = text:sub(at, at + n - 1)
      at = at + n + (skip or 0)
      return bytes
    end
    local function left()
      return #text - at + 1
    end
    return {
      n = function(n)
        return n > left() and (left() == 0 and "nil" or "early") or take(n)
      end,
      l = function()
        local stop = text:find("\n", at, true)
        if not stop then
          return left() == 0 and "nil" or take(left())
        end
        return (take(stop - at, 1):gsub("\r$", ""))
      end,
      u = function(delimiter)
        local stop = text:find(delimiter, at, true)
        if not stop then
          return left() == 0 and "nil" or "early"
        end
        return take(stop - at, #delimiter)
      end,
    }
  end

  local function random_text(n)
    local letters = { "a", "b", "\n", "\r\n", "--", "-" }
    local text = {}
    for i = 1, n do
      text[i] = letters[math.random(#letters)]
    end
    return table.concat(text)
  end

  local function result(bytes, _, code)
    return bytes or (code == ENODATA and "early") or "nil"
  end

  --- Reads all of it in random ways; returns false when all is read.
  local function step(stream, expected)
    local kind = math.random(3)
    local want, got
    if kind == 1 then
      local n = math.random(5)
      want, got = expected.n(n), result(stream:read(n))
    elseif kind == 2 then
      want, got = expected.l(), result(stream:read "l")
    else
      local delimiter = ({ "--", "b\n", "ab", "-\r\n" })[math.random(4)]
      want, got = expected.u(delimiter), result(stream:readuntil(delimiter))
    end
    assert.equal(want, got)
    return want ~= "nil"
  end

  it("is the same however the bytes arrive", run(function(base)
    local jobs = {}
    for seed = 1, 30 do
      jobs[seed] = spawn(function()
        local stream <close>, fd = peered(base)
        local text = random_text(300)
        local sender = spawn(function()
          local at = 1
          while at <= #text do
            local n = math.random(40)
            posix.write(fd, text:sub(at, at + n - 1))
            at = at + n
            sleep(0)
          end
          posix.close(fd)
        end)
        local expected = model(text)
        while step(stream, expected) do
          if math.random(3) == 1 then
            sleep(0) -- others read into the area meanwhile
          end
        end
        sender:wait()
      end)
    end
    for _, job in ipairs(jobs) do
      job:wait()
    end
  end))

  it("keeps no more than an area for a script that does not read",
    run(function(base)
    local stream <close>, fd = peered(base)
    local peer <close> = base:stream(assert(libevent.socket(fd)))
    stream:peek(0)
    local total = 4 * 1024 * 1024
    local writer = spawn(function()
      assert(peer:write(("x"):rep(total)))
      peer:shutdown()
    end)
    assert.equal("x", stream:read(1))
    sleep(0.02)
    local unread = stream:pending()
    assert.is_true(unread <= 512 * 1024, tostring(unread))
    assert.equal(total - 1, #stream:read(total - 1))
    assert.is_nil(stream:read())
    writer:wait()
  end))
end)
