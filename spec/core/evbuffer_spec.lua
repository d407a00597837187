local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local loop = helper.loop
local evbuffer = libevent.evbuffer

local EBADF, EAGAIN, EPIPE = 9, 11, 32

local KIB, MIB = 1024, 1024 * 1024

local LONG = 16 * KIB -- from here on a string goes in by reference

--- Runs fn(r, w) with the two ends of a pipe.
local function piped(fn)
  return loop(function()
    local r, w = posix.pipe()
    local ok, message = pcall(fn, r, w)
    posix.close(r)
    posix.close(w)
    assert(ok, message)
  end)
end

--- A buffer that holds each string in a piece of its own.
local function pieces(...)
  local buffer = evbuffer()
  for _, piece in ipairs { ... } do
    buffer:add(evbuffer(piece))
  end
  return buffer
end

--- A string nothing else holds.
local count = 0
local function fresh(length)
  count = count + 1
  return ("%08d"):format(count) .. ("x"):rep(length - 8)
end

--- Whole MiB in use by Lua beyond what fn held when it was called first.
local function usage()
  local function now()
    collectgarbage()
    collectgarbage()
    return collectgarbage "count"
  end
  local before = now()
  return function()
    return math.floor((now() - before) / KIB + 0.5)
  end
end

describe("evbuffer", function()
  it("begins with what it is given", loop(function()
    assert.is_nil(evbuffer():copyout())
    assert.equal("ab12.5cd", evbuffer("a", "b", 12.5, { "c", "d" }):copyout())
    local source = evbuffer "x"
    assert.equal("xy", evbuffer(source, "y", source):copyout())
    assert.equal(0, #source)
  end))

  it("adds strings, numbers, tables and buffers in order", loop(function()
    local buffer, source = evbuffer "a", evbuffer("b", "c")
    assert.equal(buffer, buffer:add(source, 1, 2.5, { "d", 3, "e" }, {}, "f"))
    assert.equal("abc12.5d3ef", buffer:copyout())
    assert.equal(11, #buffer)
    assert.equal(11, buffer:length())
    assert.equal(0, #source)
    assert.is_false(source:is_closed())
    assert.equal("abc12.5d3efg", source:add(buffer, "g"):remove())
  end))

  it("adds nothing where there is nothing", loop(function()
    local buffer = evbuffer()
    assert.equal(buffer, buffer:add())
    assert.equal(buffer, buffer:add("", {}, { "" }, evbuffer()))
    assert.equal(buffer, buffer:prepend())
    assert.equal(buffer, buffer:prepend("", {}, { "" }, evbuffer()))
    assert.equal(0, #buffer)
  end))

  it("prepends with the first argument first", loop(function()
    local buffer, source = evbuffer "z", evbuffer "c"
    local long = fresh(LONG)
    assert.equal(buffer, buffer:prepend("a", { "b", 1 }, source, long, 2))
    assert.equal("ab1c" .. long .. "2z", buffer:copyout())
    assert.equal(0, #source)
    assert.equal("0", buffer:prepend(0):copyout(1))
  end))

  it("keeps zeros", loop(function()
    local buffer = evbuffer("\0a\0", { "\0" }, evbuffer "b\0\0")
    assert.equal("\0a\0\0b\0\0", buffer:copyout())
    assert.equal(7, #buffer)
    assert.equal("\0\0\0", buffer:prepend "\0\0":remove(3))
  end))

  it("removes and drains from the start", loop(function()
    local buffer = pieces("ab", "cd", "ef", "ghi")
    assert.equal("abc", buffer:remove(3))
    assert.equal("", buffer:remove(0))
    assert.equal(2, buffer:drain(2))
    assert.equal(1, buffer:contiguous_space())
    assert.equal(0, buffer:drain(0))
    assert.equal("fghi", buffer:remove(2 ^ 62))
    assert.is_nil(buffer:remove())
    assert.equal("", buffer:remove(0))
    assert.equal(0, buffer:drain())
    assert.equal(0, buffer:contiguous_space())
    assert.equal(1, buffer:add "x":drain(100))
  end))

  it("has nil for bytes that are not there", loop(function()
    local buffer = evbuffer()
    assert.is_nil(buffer:remove())
    assert.is_nil(buffer:remove(5))
    assert.equal("", buffer:remove(0))
    assert.is_nil(buffer:copyout(5))
    buffer:add "ab"
    assert.is_nil(buffer:copyout(5, 3))
    assert.equal("", buffer:copyout(0, 3))
  end))

  it("copies out from anywhere and leaves the bytes", loop(function()
    local buffer = pieces("ab", "cd", "ef")
    assert.equal("abcdef", buffer:copyout())
    assert.equal("abc", buffer:copyout(3))
    assert.equal("bcd", buffer:copyout(3, 2))
    assert.equal("def", buffer:copyout(nil, 4))
    assert.equal("f", buffer:copyout(100, 6))
    assert.equal("", buffer:copyout(0))
    assert.is_nil(buffer:copyout(nil, 7))
    assert.is_nil(buffer:copyout(nil, math.maxinteger))
    assert.is_nil(evbuffer():copyout())
    assert.equal(6, #buffer)
  end))

  it("copies out any part of many pieces", loop(function()
    local list = {}
    for i = 1, 60 do
      list[i] = ("abcdefghij"):sub(1, i % 7 + 1)
    end
    local buffer, whole = pieces(table.unpack(list)), table.concat(list)
    for init = 1, #whole, 3 do
      for n = 1, #whole - init + 1, 17 do
        assert.equal(whole:sub(init, init + n - 1), buffer:copyout(n, init))
      end
    end
    assert.equal(whole, buffer:remove())
  end))

  it("moves bytes to another buffer", loop(function()
    local from, to = pieces("ab", "cd", "ef"), evbuffer "x"
    assert.equal(3, from:remove_buffer(to, 3))
    assert.same({ "def", "xabc" }, { from:copyout(), to:copyout() })
    assert.equal(0, from:remove_buffer(to, 0))
    assert.equal(3, from:remove_buffer(to, 100))
    assert.equal(0, from:remove_buffer(to))
    assert.equal(7, to:remove_buffer(from))
    assert.same({ "xabcdef", 0 }, { from:copyout(), #to })
  end))

  it("adds a copy of another buffer", loop(function()
    local long = fresh(LONG)
    local source, buffer = pieces("ab", long, "cd"), evbuffer "x"
    assert.equal(buffer, buffer:add_buffer_reference(source))
    assert.equal(LONG + 4, #source)
    source:close()
    assert.equal("xab" .. long .. "cd", buffer:remove())
    assert.equal(0, #buffer:add_buffer_reference(evbuffer()))
  end))

  it("adds copies that do not show in each other", loop(function()
    for _, text in ipairs { "HEAD\n", fresh(LONG) .. "\n" } do
      local source = evbuffer(text)
      local one = evbuffer():add_buffer_reference(source)
      local other = evbuffer():add_buffer_reference(source)
      source:add "rest":close()
      one:add "aaaa"
      other:add "bbbb"
      assert.equal(#text + 1, one:search "aaaa")
      assert.is_nil(one:search "bbbb")
      assert.is_nil(other:search "aaaa")
      assert.equal(text .. "aaaa", one:copyout())
      assert.equal(text .. "bbbb", other:copyout())
      assert.equal(text:sub(1, -2), one:readln())
      assert.equal(text:sub(1, -2), other:readln())
      assert.same({ "aaaa", "bbbb" }, { one:remove(), other:remove() })
    end
  end))

  it("makes room and keeps what there is", loop(function()
    local buffer = pieces("ab", "cd")
    assert.equal(buffer, buffer:expand(MIB))
    assert.equal("abcd", buffer:copyout())
    buffer:drain()
    buffer:expand(100000)
    for _ = 1, 1000 do
      buffer:add(("x"):rep(100))
    end
    assert.equal(100000, buffer:contiguous_space())
  end))

  it("reads and writes descriptors", piped(function(r, w)
    local out, into = evbuffer("hello ", { "world" }), evbuffer()
    assert.equal(5, out:write(w, 5))
    assert.equal(6, out:write(w))
    assert.equal(0, out:write(w))
    assert.equal(0, #out)
    assert.equal(0, into:read(r, 0))
    assert.equal(2, into:read(r, 2))
    assert.equal(9, into:read(r, 2 ^ 62))
    assert.equal("hello world", into:copyout())
    assert.same({ nil, "read: Resource temporarily unavailable", EAGAIN },
      { into:read(r) })
    assert.equal("hello world", into:copyout())
  end))

  it("reads to the end, which is nil alone", loop(function()
    local r, w = posix.pipe()
    posix.write(w, "last")
    posix.close(w)
    local buffer = evbuffer()
    assert.equal(4, buffer:read(r))
    local result = table.pack(buffer:read(r))
    assert.same({ n = 1 }, result)
    assert.equal(0, buffer:read(r, 0))
    assert.equal("last", buffer:remove())
    posix.close(r)
  end))

  it("writes what there is room for and keeps the rest", piped(function(r, w)
    local long = fresh(MIB)
    local out, into = evbuffer(long), evbuffer()
    while #out > 0 do
      local before = #out
      local n, message, code = out:write(w)
      assert.equal(before - (n or 0), #out)
      if not n then
        assert.same({ "write: Resource temporarily unavailable", EAGAIN },
          { message, code })
      end
      repeat until not into:read(r)
      assert.equal(MIB, #into + #out)
    end
    assert.is_true(long == into:remove())
  end))

  it("reads and writes files of the io library", loop(function()
    local file <close> = assert(io.tmpfile())
    assert.equal(4, evbuffer("ab", "cd"):write(file))
    file:seek "set"
    local buffer = evbuffer()
    assert.equal(4, buffer:read(file))
    assert.equal("abcd", buffer:remove())
    local closed = assert(io.tmpfile())
    closed:close()
    assert.error_matches(function()
      buffer:read(closed)
    end, "bad argument #1.*closed file")
  end))

  it("returns what went wrong with a descriptor", loop(function()
    local buffer = evbuffer "x"
    for _, fd in ipairs { -1, 987 } do
      assert.same({ nil, "read: Bad file descriptor", EBADF },
        { buffer:read(fd) })
      assert.same({ nil, "write: Bad file descriptor", EBADF },
        { buffer:write(fd) })
    end
    local r, w = posix.pipe()
    posix.close(r)
    assert.same({ nil, "write: Broken pipe", EPIPE }, { buffer:write(w) })
    posix.close(w)
    assert.equal("x", buffer:copyout())
  end))
end)

describe("a long string in an evbuffer", function()
  for _, length in ipairs { LONG - 1, LONG, LONG + 1, MIB } do
    it("of " .. length .. " bytes survives collection", loop(function()
      local function make(i)
        return i .. ("y"):rep(length - 1)
      end
      local buffer = evbuffer(make(1)):add(make(2)):prepend(make(3))
      local other = evbuffer { make(4) }
      collectgarbage()
      collectgarbage()
      assert.equal(4 * length, #buffer:add(other))
      for _, i in ipairs { 3, 1, 2, 4 } do
        assert.is_true(make(i) == buffer:remove(length))
        collectgarbage()
      end
    end))
  end

  it("is not copied", loop(function()
    local used = usage()
    local text, buffers = fresh(16 * MIB), {}
    local before = posix.rss()
    for i = 1, 16 do
      buffers[i] = evbuffer(text)
    end
    assert.is_true(posix.rss() - before < 8 * KIB)
    text = nil -- luacheck: ignore
    assert.equal(16, used())
    for i = 1, 16 do
      assert.equal(16 * MIB, buffers[i]:drain())
    end
    assert.equal(0, used())
  end))

  it("is collected once it is drained", loop(function()
    local used = usage()
    local buffer = evbuffer(fresh(4 * MIB), "between", fresh(2 * MIB))
    assert.equal(6, used())
    buffer:drain(4 * MIB - 1)
    assert.equal(6, used())
    buffer:drain(1)
    assert.equal(2, used())
    buffer:remove()
    assert.equal(0, used())
  end))

  it("is collected in every order of closing and draining", loop(function()
    local used = usage()
    local close, drain = evbuffer().close, evbuffer().drain
    for first = 1, 2 do
      for _, how in ipairs { { close, close }, { close, drain },
        { drain, close } } do
        local text = fresh(2 * MIB)
        local buffers = { evbuffer(text), evbuffer(text) }
        text = nil -- luacheck: ignore
        how[1](buffers[first])
        assert.equal(2, used())
        how[2](buffers[3 - first])
        assert.equal(0, used())
      end
    end
  end))

  it("goes along when the buffer it was added to is closed", loop(function()
    local used = usage()
    local source = evbuffer(fresh(2 * MIB))
    local target = evbuffer(source)
    source:close()
    assert.equal(2, used())
    target:close()
    assert.equal(0, used())
    evbuffer(fresh(2 * MIB)) -- nobody holds it
    assert.equal(0, used())
  end))
end)

describe("an evbuffer that refuses", function()
  local function bad()
    local closed = evbuffer()
    closed:close()
    return { true, print, io.stderr, coroutine.create(print), { {} },
      { true }, { "a", evbuffer "b" }, { 1, nil, 3 }, closed }
  end

  it("one argument adds none, and its sources keep theirs", loop(function()
    local buffer, source = pieces("ab", "cd"), evbuffer "source"
    local told = 0
    local function tell()
      told = told + 1
    end
    buffer:add_cb(tell)
    source:add_cb(tell)
    local long, list = fresh(LONG), bad()
    list[#list + 1] = buffer
    for i, value in ipairs(list) do
      for _, method in ipairs { buffer.add, buffer.prepend } do
        assert.is_false(pcall(method, buffer, source, long, "x", value), i)
        assert.is_false(pcall(method, buffer, value, source), i)
        assert.same({ "abcd", "source", 0 },
          { buffer:copyout(), source:copyout(), told })
      end
      if value ~= buffer then
        assert.is_false(pcall(evbuffer, source, value), i)
      end
    end
  end))

  it("says why", loop(function()
    local buffer = evbuffer()
    for _, case in ipairs {
      { "string, table or evbuffer expected, got nil", "add", "x", nil, "y" },
      { "string expected at 2, got nil", "prepend", { 1, nil, 3 } },
      { "a buffer cannot be added to itself", "add", "x", buffer },
      { "cannot be added to itself", "add_buffer_reference", buffer },
      { "cannot be added to itself", "remove_buffer", buffer },
      { "integer from 0 on expected", "remove", -1 },
      { "integer from 0 on expected", "drain", -1 },
      { "integer from 1 on expected", "copyout", 1, 0 },
    } do
      assert.error_matches(function()
        buffer[case[2]](buffer, table.unpack(case, 3, 5))
      end, "bad argument .*" .. case[1])
    end
    helper.badargs(buffer.expand, buffer, "integer")
    helper.badargs(buffer.add_buffer_reference, buffer, "evbuffer")
    helper.badargs(buffer.remove_buffer, buffer, "evbuffer")
    helper.badargs(buffer.read, buffer, "file")
  end))

  it("is closed, in every method", loop(function()
    local buffer = evbuffer "x"
    assert.matches("^libevent%.evbuffer: 0x%x+ 1 bytes$", tostring(buffer))
    buffer:close()
    buffer:close()
    assert.matches("^libevent%.evbuffer: 0x%x+ closed$", tostring(buffer))
    for name, argument in pairs {
      add = "x", prepend = "x", remove = 1, copyout = 1, drain = 1,
      add_buffer_reference = evbuffer(), remove_buffer = evbuffer(),
      length = "", contiguous_space = "", expand = 1, read = 0, write = 1,
      search = "x", search_eol = "lf", readln = "lf", add_cb = print,
      remove_cb = print,
    } do
      assert.error_matches(function()
        buffer[name](buffer, argument)
      end, "attempt to use a closed evbuffer")
    end
  end))
end)
