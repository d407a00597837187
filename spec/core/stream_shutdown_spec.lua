-- What a stream does when one of its directions is ended.

local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"
local toy = require "spec.toy"

local run, loop, streams = helper.run, helper.loop, helper.streams
local spawn, sleep = libevent.spawn, libevent.sleep

local EPIPE, ENODATA = libevent.errno.EPIPE, 61
local pack = table.pack

--- A stream, and the descriptor of its peer.
local function peered(base, options)
  local one, other = assert(libevent.socketpair())
  return base:stream(one, options), other:detach()
end

--- Two ends of a connection over TCP: a stream and a descriptor.
local function over_tcp(base)
  local listener <close> = assert(libevent.listen "127.0.0.1:0")
  local fd = posix.connect(tonumber(listener:getsockname():match "%d+$"))
  local stream = assert(listener:accept())
  assert.equal(base, stream:base())
  return stream, fd
end

--- What a stream is asked for, by method and arguments.
local forms = {
  { "read" }, { "read", "l" }, { "read", "L" }, { "read", 5 },
  { "readsome", 9 }, { "readuntil", "x" }, { "readframe", ">s4" },
  { "peek" }, { "peek", 7 },
}

describe("stream:shutdown 'w'", function()
  it("ends what this side sends, and reading goes on", run(function(base)
    local one, other, _ <close> = streams(base)
    one:write "question"
    assert.is_true(one:shutdown "w")
    assert.is_true(one:shutdown())
    assert.same(pack(nil, "write: Broken pipe", EPIPE), pack(one:write "x"))
    assert.equal("question", other:read "a")
    other:write "answer"
    other:shutdown()
    assert.equal("answer", one:read "a")
  end))
end)

describe("stream:shutdown 'r'", function()
  it("ends waits of every form", run(function(base)
    for _, form in ipairs(forms) do
      local one, other, _ <close> = streams(base)
      local reader = spawn(function()
        return one[form[1]](one, table.unpack(form, 2))
      end)
      sleep(0)
      assert.is_true(one:shutdown "r")
      assert.same(pack(nil), pack(reader:wait()), form[1])
      assert.same(pack(nil), pack(one:error()))
      assert.equal(0, one:write "bye")
      assert.equal("bye", other:read(3))
    end
  end))

  it("ends reading to the end, and loops over lines", run(function(base)
    local one, other, _ <close> = streams(base)
    local lines = {}
    local reader = spawn(function()
      for line in one:lines() do
        lines[#lines + 1] = line
      end
      return one:write "bye"
    end)
    other:write "one\ntwo\nthree"
    sleep(0.01)
    one:shutdown "r"
    assert.equal(0, reader:wait())
    assert.same({ "one", "two", "three" }, lines)
    assert.equal("bye", other:read(3))
    reader = spawn(other.read, other, "a")
    sleep(0)
    other:shutdown "r"
    assert.equal("", (reader:wait()))
  end))

  it("leaves what was read before", run(function(base)
    local one, other, _ <close> = streams(base)
    other:write "one\ntwo three"
    assert.equal("one", one:read "l")
    other:write "never"
    sleep(0)
    assert.is_true(one:shutdown "r")
    assert.is_true(one:shutdown "r")
    assert.same(pack(9, 0), pack(one:pending()))
    assert.equal("two", one:read(3))
    assert.same(pack(nil, "read: the input ended early", ENODATA),
      pack(one:read(100)))
    one:unread "_"
    assert.equal("_ ", one:peek(2))
    assert.equal("_ three", one:read "a")
    assert.same(pack(nil), pack(one:read()))
    assert.same(pack(nil), pack(one:peek()))
    assert.equal("", one:read "a")
    assert.matches(" ended$", tostring(one))
  end))

  it("tells a wait for more that it ended early", run(function(base)
    for _, form in ipairs { { "read", 100 }, { "readuntil", "x" },
      { "readframe", ">s1" }, { "peek", 100 } } do
      local one, other, _ <close> = streams(base)
      local reader = spawn(function()
        return one[form[1]](one, table.unpack(form, 2))
      end)
      other:write "half"
      repeat
        sleep(0)
      until one:pending() == 4
      one:shutdown "r"
      assert.same(pack(nil, "read: the input ended early", ENODATA),
        pack(reader:wait()))
      assert.equal("half", one:read "a")
    end
  end))

  it("ends a relay from it, but none to it", run(function(base)
    local one, other, _ <close> = streams(base)
    local front, back, _ <close> = streams(base)
    local there = spawn(other.relay, other, front)
    local here = spawn(front.relay, front, other)
    one:write "abc"
    assert.equal("abc", back:read(3))
    other:shutdown "r"
    assert.equal(3, there:wait())
    back:write "defgh"
    assert.equal("defgh", one:read(5))
    front:shutdown "r"
    assert.equal(5, here:wait())
    assert.equal(0, other:relay(front))
  end))

  it("tells the event callback where nobody waits for a relay",
    loop(function(base, expect)
      local one, fd = peered(base)
      one:setcb { event = expect(function(_, ...)
        assert.same(pack("eof", "r"), pack(...))
        one:close()
        posix.close(fd)
      end) }
      assert.is_true(one:relay(one))
      base:defer(function()
        one:shutdown "r"
      end)
    end))

  it("tells callbacks what was read, and then of the end, once",
    loop(function(base, expect)
      local one, fd = peered(base)
      local log = {}
      one:setcb {
        read = expect(function(self, data)
          log[#log + 1] = data
          self:unread "again"
          self:shutdown "r"
          self:shutdown "r"
          self:setcb {
            read = expect(function(_, more)
              log[#log + 1] = more
            end),
            event = expect(function(_, what, direction)
              log[#log + 1] = what .. direction
              posix.write(fd, "never")
              base:timer(function()
                assert.is_false(self:is_closed())
                self:write "bye"
                self:close()
                assert.equal("bye", posix.read(fd))
                posix.close(fd)
              end):add(0.01)
            end),
          }
        end),
      }
      posix.write(fd, "data")
      base:dispatch()
      assert.same({ "data", "again", "eofr" }, log)
    end))

  it("tells callbacks when they are enabled", loop(function(base, expect)
    local one, fd = peered(base)
    one:setcb { event = expect(function(_, what)
      assert.equal("eof", what)
      one:close()
      posix.close(fd)
    end) }
    one:disable()
    one:shutdown "r"
    base:timer(function()
      one:enable()
    end):add(0.01)
  end))

  it("lets go a stream with callbacks, if nothing else can come",
    loop(function(base, expect)
      local one, fd = peered(base)
      local freed = setmetatable({ one }, { __mode = "v" })
      one:setcb { read = print, event = expect() }
      base:defer(function()
        one:shutdown "r"
        one = nil
      end)
      base:dispatch()
      collectgarbage()
      collectgarbage()
      assert.is_nil(freed[1])
      assert.equal("", posix.read(fd))
      posix.close(fd)
    end))

  it("does not break the connection by what still comes", run(function(base)
    for _ = 1, 3 do
      local stream, fd = over_tcp(base)
      posix.write(fd, "first\n")
      assert.equal("first", stream:read "l")
      assert.is_true(stream:shutdown "r")
      posix.write(fd, ("x"):rep(1000))
      sleep(0.01)
      stream:write "bye"
      stream:close()
      posix.write(fd, ("x"):rep(1000))
      sleep(0.01)
      assert.equal("bye", posix.read(fd))
      assert.equal("", posix.read(fd))
      posix.close(fd)
    end
  end))

  it("closes at once what is idle", run(function(base)
    local one, fd = peered(base)
    one:shutdown "r"
    one:close()
    assert.equal("", posix.read(fd))
    posix.close(fd)
  end))

  it("does not watch the input any more", run(function(base)
    local one, other, _ <close> = streams(base)
    local reader = spawn(one.read, one)
    sleep(0)
    one:shutdown "r"
    reader:wait()
    other:write "never"
    local before = base:counters()
    sleep(0.02)
    local after = base:counters()
    assert.equal(before.bytes_read, after.bytes_read)
    assert.is_true(after.callbacks - before.callbacks < 10)
    assert.same(pack(nil), pack(one:read()))
  end))

  it("can come before the end of the peer's output, and after it",
    run(function(base)
      local one, other, _ <close> = streams(base)
      one:shutdown "r"
      other:shutdown "w"
      assert.same(pack(nil), pack(one:read()))
      one:write "x"
      assert.equal("x", other:read(1))
      one:shutdown "w"
      assert.same(pack(nil), pack(other:read()))
      assert.is_true(other:shutdown "r")
      assert.is_true(one:shutdown "rw")
    end))

  it("can be of a connection that is broken", run(function(base)
    local one, fd = peered(base)
    posix.close(fd)
    one:write "x"
    assert.equal(EPIPE, select(3, one:write "x"))
    assert.is_true(one:shutdown "r")
    assert.equal(EPIPE, select(3, one:shutdown "rw"))
    assert.is_nil((one:read()))
    one:close()
  end))

  it("leaves a detached socket as it is", run(function(base)
    local one, fd = peered(base)
    one:shutdown "r"
    posix.write(fd, "more")
    local socket = one:detach()
    local stream <close> = base:stream(socket)
    assert.equal("more", stream:read(4))
    posix.close(fd)
  end))

  it("lets a transport go on with what it writes", run(function(base)
    local one, other, _ <close> = streams(base)
    toy.scramble(one, 7)
    toy.scramble(other, 200)
    local text = ("text"):rep(100000)
    local reader = spawn(one.read, one)
    sleep(0)
    one:shutdown "r"
    assert.same(pack(nil), pack(reader:wait()))
    local writer = spawn(one.write, one, text)
    assert.is_true(other:read(#text) == text)
    assert(writer:wait())
  end))

  it("lets writes read past what nobody wants, where they wait for that",
    run(function(base)
      local text = ("text"):rep(10000)
      for reads = 0, 20 do
        local one, other, _ <close> = streams(base)
        toy.scramble(one, 7)
        toy.scramble(other, 200)
        for _ = 1, reads do
          other:write "x"
          assert.equal("x", one:read(1, 10))
        end
        one:shutdown "r"
        other:write "never"
        sleep(0.001)
        local writer = spawn(function()
          assert(one:write(text))
          return one:flush(10)
        end)
        assert.is_true(other:read(#text, 10) == text, reads)
        assert.equal(0, (writer:wait()))
        assert.same(pack(nil), pack(one:read()))
        other:close()
        sleep(0.001)
        assert.same(pack(nil), pack(one:read()))
      end
    end))

  it("can come before a transport's handshake", run(function(base)
    local one, other, _ <close> = streams(base)
    toy.scramble(one, 7)
    toy.scramble(other, 200)
    one:shutdown "r"
    local writer = spawn(function()
      one:write "hello\n"
      return one:read()
    end)
    assert.equal("hello", other:read "l")
    assert.is_nil((writer:wait()))
  end))
end)

describe("stream:shutdown", function()
  it("ends both directions", run(function(base)
    local one, other, _ <close> = streams(base)
    local reader = spawn(one.read, one)
    one:write "last"
    assert.is_true(one:shutdown "rw")
    assert.same(pack(nil), pack(reader:wait()))
    assert.equal("last", other:read "a")
    assert.equal(EPIPE, select(3, one:write "x"))
  end))

  it("refuses bad arguments", run(function(base)
    local one, other, _ <close> = streams(base)
    helper.badargs(one.shutdown, other, "?letters")
    for _, bad in ipairs { "", "x", "wr", "rwx" } do
      assert.error_matches(function()
        one:shutdown(bad)
      end, "bad argument #1 to 'shutdown' %(invalid option")
    end
  end))
end)

describe("stream:getcb", function()
  it("returns the callbacks", run(function(base)
    local one, other, _ <close> = streams(base)
    assert.same(pack(nil, nil, nil), pack(one:getcb()))
    one:setcb { read = print, event = type }
    assert.same(pack(print, nil, type), pack(one:getcb()))
    one:setcb { write = print }
    assert.same(pack(nil, print, nil), pack(one:getcb()))
    local reader = spawn(one.readuntil, one, "delimiter")
    sleep(0)
    one:setcb { event = type }
    assert.same(pack(nil, nil, type), pack(one:getcb()))
    other:close()
    assert.is_nil((reader:wait()))
  end))
end)
