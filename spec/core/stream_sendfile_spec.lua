local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"
local toy = require "spec.toy"

local run, streams = helper.run, helper.streams
local temporary = helper.temporary
local spawn, sleep = libevent.spawn, libevent.sleep

local EBADF, EISDIR, EINVAL, EPIPE = 9, 21, 22, 32
local ETIMEDOUT = 110
local pack = table.pack
local kib = 1024

local function bytes(n)
  local parts = {}
  for i = 1, n, 8 do
    parts[#parts + 1] = string.pack("j", math.random(0))
      :sub(1, math.min(8, n - i + 1))
  end
  return table.concat(parts)
end

local mib5 = bytes(5 * kib * kib)

--- Two streams over TCP, and a value that closes both.
local function connected(base)
  local one
  local listener <close> = base:listener("127.0.0.1:0", nil,
    function(_, socket)
      one = base:stream(socket)
    end)
  local port = tonumber(listener:getsockname():match ":(%d+)$")
  local fd = posix.connect(port)
  while not one do
    sleep(0.001)
  end
  local other = base:stream(libevent.socket(fd))
  return one, other, setmetatable({}, { __close = function()
    one:close "now"
    other:close "now"
  end })
end

--- Starts one that sends a file for which the socket has no room.
local function start(stream, name, timeout)
  local task = spawn(stream.sendfile, stream, name, nil, nil, timeout)
  sleep(0)
  sleep(0)
  sleep(0)
  assert.equal("sendfile", (task:waits()))
  return task
end

describe("stream:sendfile", function()
  for name, make in pairs { ["a socketpair"] = streams, TCP = connected,
    ["another transport"] = function(base)
      local one, other, closer = streams(base)
      return toy.scramble(one, 7), toy.scramble(other, 200), closer
    end } do
    it("sends files of all sizes over " .. name, run(function(base)
      for _, n in ipairs { 0, 1, 64 * kib - 1, 64 * kib, 64 * kib + 1,
        256 * kib + 1, #mib5 } do
        local content = n == #mib5 and mib5 or bytes(n)
        local path, _ <close> = temporary(content)
        local one, other, _ <close> = make(base)
        local reader = spawn(other.read, other, "a")
        local before = helper.descriptors()
        assert.same(pack(n), pack(one:sendfile(path)))
        assert.equal(before, helper.descriptors())
        one:shutdown()
        assert.is_true(content == reader:wait(), n .. " bytes")
      end
    end))
  end

  it("sends a part", run(function(base)
    local path, _ <close> = temporary "0123456789"
    local one, other, _ <close> = streams(base)
    for _, case in ipairs {
      { "3456789", 3 }, { "345", 3, 3 }, { "0123", nil, 4 }, { "9", 9, 100 },
      { "", 10 }, { "", 100, 5 }, { "", 3, 0 }, { "", 2 ^ 53 - 1 },
    } do
      assert.same(pack(#case[1]),
        pack(one:sendfile(path, case[2], case[3])))
      one:write "|"
      assert.equal(case[1], other:readuntil "|")
    end
  end))

  it("sends from where an open file is, and leaves it there",
    run(function(base)
    local path, _ <close> = temporary "a line\nanother\n"
    local one, other, _ <close> = streams(base)
    local file <close> = assert(io.open(path))
    assert.equal("a line", file:read())
    assert.equal(8, one:sendfile(file))
    assert.equal("another\n", other:read(8))
    assert.equal(6, one:sendfile(file, 0, 6))
    assert.equal("a line", other:read(6))
    assert.equal("another", file:read())
  end))

  it("sends what an open file has buffered", run(function(base)
    local one, other, _ <close> = streams(base)
    local file <close> = io.tmpfile()
    file:write "buffered"
    assert.equal(0, one:sendfile(file))
    assert.equal(8, one:sendfile(file, 0))
    assert.equal("buffered", other:read(8))
    file:write " more"
    assert.equal(5, one:sendfile(file, 8))
    assert.equal(" more", other:read(5))
  end))

  it("does not mind when the file is closed or removed meanwhile",
    run(function(base)
    local path = temporary(mib5)
    local one, other, _ <close> = streams(base)
    local file = assert(io.open(path))
    local sender = start(one, file)
    file:close()
    os.remove(path)
    assert.is_true(other:read(#mib5) == mib5)
    assert.same(pack(#mib5), pack(sender:wait()))
  end))

  it("keeps the order with what is written before, meanwhile and after",
    run(function(base)
    local path, _ <close> = temporary(mib5)
    local one, other, _ <close> = streams(base)
    local large = ("before"):rep(100000)
    base:timer(function()
      one:write(large)
    end):add(0)
    sleep(0.001)
    local sender = spawn(function()
      assert.equal(#mib5, one:sendfile(path))
      one:write "after"
      assert.equal(1, one:sendfile(path, 0, 1))
      one:shutdown()
    end)
    sleep(0)
    base:timer(function()
      one:write("mean", libevent.evbuffer "while")
    end):add(0)
    local got = other:read(#large + 1)
    assert.is_true(got == large .. mib5:sub(1, 1))
    got = got:sub(-1) .. other:read "a"
    assert.is_true(got == mib5 .. "meanwhileafter" .. mib5:sub(1, 1))
    sender:wait()
  end))

  it("ends the sending side behind the file", run(function(base)
    local path, _ <close> = temporary(mib5)
    for _, how in ipairs { "whole", "cut" } do
      local one, other, _ <close> = streams(base)
      local sender = start(one, path)
      assert.is_true(one:shutdown())
      if how == "cut" then
        sender:cancel()
      end
      local got = other:read "a"
      assert.is_true(got == mib5:sub(1, how == "whole" and -1 or #got))
      sender:wait()
      assert.equal(EPIPE, select(3, one:sendfile(path)))
    end
  end))

  it("lets the other direction go on", run(function(base)
    local path, _ <close> = temporary(mib5)
    local one, other, _ <close> = streams(base)
    local sender = start(one, path)
    for _ = 1, 10 do
      other:write "x"
      assert.equal("x", one:read())
    end
    assert.is_true(other:read(#mib5) == mib5)
    sender:wait()
  end))

  it("has one that waits, and says who that is", run(function(base)
    local path, _ <close> = temporary(mib5)
    local one, _, _ <close> = streams(base)
    local sender = start(one, path)
    sender:name "the sender"
    for _, call in ipairs { { "sendfile", path }, { "write", "x" },
      { "flush" } } do
      assert.error_matches(function()
        one[call[1]](one, table.unpack(call, 2))
      end, "waits for this output already: the sender")
    end
    assert.equal(16, select(3, one:detach()))
    assert.matches("writing", tostring(one))
    sender:cancel()
    sender:wait()
  end))

  it("sends no more than there was when it began", run(function(base)
    local path, _ <close> = temporary(mib5)
    local one, other, _ <close> = streams(base)
    local sender = start(one, path)
    io.open(path, "a"):write "more":close()
    assert.is_true(other:read(#mib5) == mib5)
    assert.equal(#mib5, (sender:wait()))
    assert.same(pack(nil, "timed out", ETIMEDOUT), pack(other:read(1, 0)))
  end))

  it("sends regular files alone, and tells what is wrong", run(function(base)
    local path, _ <close> = temporary "x"
    local one, other, _ <close> = streams(base)
    local fifo = os.tmpname()
    os.remove(fifo)
    assert(os.execute("mkfifo " .. fifo))
    local before = helper.descriptors()
    for _, case in ipairs {
      { path .. ".no", 2, "No such file or directory" },
      { "", 2, "No such file or directory" },
      { path .. "/x", 20, "Not a directory" },
      { "/", EISDIR, "Is a directory" },
      { fifo, EINVAL, "Invalid argument" },
      { "/dev/null", EINVAL, "Invalid argument" },
      { "/dev/zero", EINVAL, "Invalid argument" },
      { ("x"):rep(10000), 36, "File name too long" },
    } do
      assert.same(pack(nil, "sendfile: " .. case[3], case[2]),
        pack(one:sendfile(case[1])))
    end
    for source, code in pairs { [io.open "/"] = EISDIR,
      [io.popen "true"] = EINVAL, [io.open(path, "w")] = EBADF } do
      assert.equal(code, select(3, one:sendfile(source)))
      source:close()
    end
    assert.equal(before, helper.descriptors())
    os.remove(fifo)
    assert.same(pack(nil, "timed out", ETIMEDOUT), pack(other:read(1, 0)))
  end))

  it("lets the loop turn, be the reader fast or slow", run(function(base)
    local path, _ <close> = temporary ""
    local size = helper.stress and 20 * kib * kib or 200 * kib * kib
    local file <close> = assert(io.open(path, "w"))
    file:seek("set", size - 1)
    file:write "\1"
    file:flush()
    for _, piece in ipairs { 1 << 30, 150000 } do
      local one, other, _ <close> = streams(base)
      local ticks, turns, got = 0, 0, 0
      local timer = base:timer(function(timer)
        ticks = ticks + 1
        timer:add(0.001)
      end)
      timer:add(0.001)
      local sender = spawn(one.sendfile, one, path)
      local reader = spawn(function()
        local last
        repeat
          last = other:readsome(piece)
          got = got + #last
          if piece < 1 << 30 then
            sleep(0)
          end
        until got == size
        assert.equal("\1", last:sub(-1))
      end)
      while sender:status() ~= "done" do
        turns = turns + 1
        sleep(0)
      end
      timer:close()
      reader:wait()
      assert.equal(size, (sender:wait()))
      assert.is_true(turns >= size // (256 * kib), turns .. " turns")
      assert.is_true(ticks > 0)
    end
  end))

  it("tells the write callback when all is sent", run(function(base)
    local path, _ <close> = temporary(mib5)
    local one, other, _ <close> = streams(base)
    local told = 0
    one:setcb { write = function()
      told = told + 1
    end }
    one:sendfile(path, 0, 10)
    sleep(0)
    assert.equal(1, told)
    local sender = start(one, path)
    assert.equal(1, told)
    other:read(10 + #mib5)
    sender:wait()
  end))

  it("raises where no task is, and for a bad argument", run(function(base)
    local path, _ <close> = temporary "x"
    local one, _, _ <close> = streams(base)
    for _, bad in ipairs { true, print, 1, {}, base, one, "\0", "a\0" } do
      assert.error_matches(function()
        one:sendfile(bad)
      end, "bad argument #1 to 'sendfile'")
    end
    assert.error_matches(function()
      one:sendfile()
    end, "bad argument #1 to 'sendfile' %(path or file expected, got no value")
    local file = io.open(path)
    file:close()
    assert.error_matches(function()
      one:sendfile(file)
    end, "attempt to use a closed file")
    helper.badargs(one.sendfile, one, "source, ?integer, ?integer, ?seconds",
      { path })
    local ok, message = pcall(coroutine.wrap(one.sendfile), one, path)
    assert.is_false(ok)
    assert.matches("only a task can wait", message)
  end))
end)
