-- How stream:sendfile ends, other than with the end of the file.

local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"
local toy = require "spec.toy"

local run, streams = helper.run, helper.streams
local temporary = helper.temporary
local spawn, sleep = libevent.spawn, libevent.sleep

local EIO, EPIPE, ETIMEDOUT, ECANCELED = 5, 32, 110, 125
local pack = table.pack
local kib = 1024

local lines = {}
for i = 1, 5 * kib * kib // 8 do
  lines[i] = ("%07d\n"):format(i)
end
local mib5 = table.concat(lines)

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
  it("tells that the peer is gone, however that comes", run(function(base)
    local path, _ <close> = temporary(mib5)
    local one, other, _ <close> = streams(base)
    other:close()
    local broken = pack(nil, "sendfile: Broken pipe", EPIPE, 0)
    assert.same(broken, pack(one:sendfile(path)))
    assert.same(broken, pack(one:sendfile(path)))
    assert.same(pack("Broken pipe", EPIPE), pack(one:error()))
    one, other = streams(base, { linger = 0 })
    local sender = start(one, path)
    assert.equal(mib5:sub(1, 1), other:read(1))
    other:close "now"
    local _, _, code, sent = sender:wait()
    assert.equal(EPIPE, code)
    assert.is_true(sent > 0 and sent < #mib5)
    one:close()
  end))

  it("is not ended by SIGPIPE, be it ignored or not", run(function(base)
    local path, _ <close> = temporary(mib5)
    libevent.ignore_sigpipe(false)
    local one, other, _ <close> = streams(base)
    local reader = spawn(other.read, other, #mib5)
    assert.equal(#mib5, one:sendfile(path))
    assert.is_true(reader:wait() == mib5)
    other:close()
    assert.equal(EPIPE, select(3, one:sendfile(path)))
    libevent.ignore_sigpipe(true)
  end))

  it("tells that the file has become shorter", run(function(base)
    local path, _ <close> = temporary(mib5)
    for _, scrambled in ipairs { false, true } do
      io.open(path, "w"):write(mib5):close()
      local one, other, _ <close> = streams(base)
      if scrambled then
        toy.scramble(one, 1)
        toy.scramble(other, 2)
        spawn(other.peek, other)
        sleep(0.002)
      end
      local before = helper.descriptors()
      local sender = start(one, path)
      io.open(path, "w"):close()
      local reader = spawn(other.read, other, "a")
      local _, message, code, sent = sender:wait()
      assert.equal("sendfile: Input/output error", message)
      assert.equal(EIO, code)
      assert.equal(before, helper.descriptors())
      one:write "and on"
      one:shutdown()
      assert.is_true(reader:wait() == mib5:sub(1, sent) .. "and on")
    end
  end))

  it("counts the time without progress alone", run(function(base)
    local path, _ <close> = temporary(mib5)
    local one, other, _ <close> = streams(base)
    local sender = start(one, path, 0.5)
    for i = 1, 5 * kib * kib // 500000 do -- longer than that in all
      sleep(0.06)
      assert.is_true(other:read(500000)
        == mib5:sub(1 + (i - 1) * 500000, i * 500000))
    end
    local rest = other:read(#mib5 % 500000)
    assert.is_true(rest == mib5:sub(-#rest))
    assert.equal(#mib5, (sender:wait()))
    one:timeouts(nil, 0.02)
    local _, message, code, sent = one:sendfile(path)
    assert.same({ "timed out", ETIMEDOUT }, { message, code })
    assert.is_true(sent > 0 and sent < #mib5)
    one:write "next"
    one:shutdown()
    assert.is_true(other:read "a" == mib5:sub(1, sent) .. "next")
  end))

  it("sends what goes at once without any time", run(function(base)
    local path, _ <close> = temporary "little"
    local large, _ <close> = temporary(mib5)
    local one, other, _ <close> = streams(base)
    assert.equal(6, one:sendfile(path, 0, nil, 0))
    local _, _, code, sent = one:sendfile(large, 0, nil, 0)
    assert.equal(ETIMEDOUT, code)
    assert.is_true(sent > 0)
    assert.is_true(other:read(6 + sent) == "little" .. mib5:sub(1, sent))
  end))

  it("closes the file at once, whatever ends it", run(function(base)
    local path, _ <close> = temporary(mib5)
    local co
    local canceled = pack(nil, "canceled", ECANCELED)
    for how, case in pairs {
      cancel = { function(sender) sender:cancel() end, canceled },
      timeout = { function() sleep(0.02) end, "timed out" },
      stream = { function(_, one) one:close() end, "closed" },
      ["stream now"] = { function(_, one) one:close "now" end, "closed" },
      peer = { function(_, _, other)
        other:close "now"
        sleep(0.001)
      end, "sendfile: Broken pipe" },
      coroutine = { function() coroutine.close(co) end, canceled },
      resume = { function() coroutine.resume(co) end },
      task = { function(sender) sender:close() end },
      ["task now"] = { function(sender) sender:close "now" end },
    } do
      local one, other, _ <close> = streams(base, { linger = 0 })
      local before = helper.descriptors()
      local sender = spawn(function()
        co = coroutine.running()
        return one:sendfile(path, 0, nil, how == "timeout" and 0.01 or nil)
      end)
      sleep(0)
      sleep(0)
      assert.equal(before + 1, helper.descriptors())
      case[1](sender, one, other)
      sleep(0)
      local gone = how:find "stream" or how == "peer"
      assert.equal(before - (gone and 1 or 0), helper.descriptors(), how)
      if not case[2] then
        assert.is_false((pcall(sender.wait, sender)))
      elseif type(case[2]) == "table" then
        assert.same(case[2], pack(sender:wait()), how)
      else
        assert.equal(case[2], select(2, sender:wait()), how)
      end
      if not one:is_closed() then
        assert.is_nil(one:error() and how ~= "peer" or nil, how)
      end
    end
  end))

  it("ends with its base", function()
    local path, _ <close> = temporary(mib5)
    collectgarbage()
    local before = helper.descriptors()
    for _, how in ipairs { "close", "forget" } do
      local base = libevent.event_base()
      local one = base:stream((libevent.socketpair()))
      base:task(function()
        one:sendfile(path)
      end)
      base:loop "nowait"
      base:loop "nowait"
      local found = 0
      for _, object in ipairs(base:objects()) do
        if object.type == "sendfile" then
          found = found + 1
          assert.is_true(object.pending)
          assert.matches("fd %d+, %d+ bytes sent, %d+ left$",
            object.description)
        end
      end
      assert.equal(1, found)
      if how == "close" then
        base:close()
      end
      base, one = nil, nil -- luacheck: ignore
      collectgarbage()
      collectgarbage()
      assert.equal(before, helper.descriptors())
    end
  end)

  it("delivers what was handed over when the stream is closed",
    run(function(base)
    local path, _ <close> = temporary(mib5)
    local one, other, _ <close> = connected(base)
    local sender = start(one, path)
    one:close()
    local _, message, code, sent = sender:wait()
    assert.same({ "closed", ECANCELED }, { message, code })
    assert.is_true(other:read "a" == mib5:sub(1, sent))
  end))

  it("is closed by a finalizer", run(function(base)
    local path, _ <close> = temporary "x"
    local one, _, _ <close> = streams(base)
    local results
    for _ = 1, 10 do
      if not one:is_closed() then
        helper.at_next_allocation(function()
          one:close()
        end)
        results = pack(pcall(one.sendfile, one, path))
        helper.normal_collector()
      end
    end
    assert.is_true(one:is_closed())
    assert.is_true(results[1] and (results[2] == 1 or results[4] == ECANCELED)
      or tostring(results[2]):find "closed" ~= nil)
  end))

  it("is the parent's alone after a fork", run(function(base)
    local path, _ <close> = temporary(mib5)
    local one, other, _ <close> = streams(base)
    local sender = start(one, path)
    one:shutdown()
    for _, how in ipairs { "close", "collect", "base" } do
      assert.same({ "exit", 0 }, { helper.child(function()
        if how == "close" then
          sender:close "now"
          one:close()
        elseif how == "base" then
          base:close()
        end
        collectgarbage()
      end) })
    end
    assert.is_true(other:read "a" == mib5)
    assert.equal(#mib5, (sender:wait()))
  end))
end)
