local helper = require "spec.helper"
local libevent = require "libevent"

local loop = helper.loop
local evbuffer = libevent.evbuffer

--- Adds a callback that notes what it is told; returns the notes and it.
local function noted(buffer)
  local notes = {}
  local function note(self, ...)
    assert.equal(buffer, self)
    notes[#notes + 1] = { ... }
  end
  assert.equal(0, select("#", buffer:add_cb(note)))
  return notes, note
end

--- What was noted since the last time.
local function taken(notes)
  local copy = table.move(notes, 1, #notes, 1, {})
  for i = #notes, 1, -1 do
    notes[i] = nil
  end
  return copy
end

describe("evbuffer change callback", function()
  it("is told what was added and removed, and the length before",
    loop(function()
      local buffer = evbuffer "ab"
      local notes = noted(buffer)
      for _, step in ipairs {
        { 3, 0, 2, "add", "cde" },
        { 7, 0, 5, "add", "x", 12, { "y", "z" }, evbuffer "vw" },
        { 4, 0, 12, "prepend", "1", evbuffer "23", "4" },
        { 0, 2, 16, "remove", 2 },
        { 0, 5, 14, "drain", 5 },
        { 20000, 0, 9, "add", ("x"):rep(20000) },
        { 0, 9, 20009, "remove_buffer", evbuffer "x", 9 },
        { 2, 0, 20000, "prepend", "a\n" },
        { 0, 2, 20002, "readln" },
        { 4, 0, 20000, "add_buffer_reference", evbuffer "abcd" },
        { 0, 20004, 20004, "drain" },
      } do
        buffer[step[4]](buffer, table.unpack(step, 5))
        assert.same({ { step[1], step[2], step[3] } }, taken(notes), step[4])
      end
    end))

  it("is not told where nothing changes", loop(function()
    local buffer = evbuffer "ab"
    local notes = noted(buffer)
    buffer:add():add("", {}, evbuffer()):prepend ""
    buffer:remove(0)
    buffer:drain(0)
    buffer:remove_buffer(evbuffer(), 0)
    buffer:readln()
    buffer:expand(100000)
    buffer:copyout()
    buffer:search "b"
    assert.is_false(pcall(buffer.add, buffer, "x", true))
    assert.same({}, notes)
    assert.equal("ab", buffer:copyout())
  end))

  it("is told of what is moved on both sides", loop(function()
    local one, other = evbuffer "abcdef", evbuffer "gh"
    local ones, others = noted(one), noted(other)
    other:add(one)
    assert.same({ { 0, 6, 6 } }, taken(ones))
    assert.same({ { 6, 0, 2 } }, taken(others))
    one:prepend(other)
    assert.same({ { 8, 0, 0 } }, taken(ones))
    assert.same({ { 0, 8, 8 } }, taken(others))
    one:remove_buffer(other, 3)
    assert.same({ { 0, 3, 8 } }, taken(ones))
    assert.same({ { 3, 0, 0 } }, taken(others))
    one:add_buffer_reference(other)
    assert.same({ { 3, 0, 5 } }, taken(ones))
    assert.same({}, others)
    evbuffer(one)
    assert.same({ { 0, 8, 8 } }, taken(ones))
  end))

  it("is told of reads and writes", loop(function()
    local a, b = libevent.socketpair()
    local out, into = evbuffer "hello", evbuffer "> "
    local outs, intos = noted(out), noted(into)
    assert.equal(4, out:write(a:fd(), 4))
    assert.equal(3, into:read(b:fd(), 3))
    assert.equal(1, into:read(b:fd()))
    assert.is_nil(into:read(b:fd()))
    a:close()
    assert.is_nil(into:read(b:fd()))
    b:close()
    assert.same({ { 0, 4, 5 } }, outs)
    assert.same({ { 3, 0, 2 }, { 1, 0, 5 } }, intos)
  end))

  it("comes after the change", loop(function()
    local buffer = evbuffer()
    local seen = {}
    buffer:add_cb(function(self)
      seen[#seen + 1] = self:copyout() or "none"
    end)
    assert.equal("ab", buffer:add("a", "b"):remove())
    assert.same({ "ab", "none" }, seen)
  end))

  it("is one of several, called in the order of adding", loop(function()
    local buffer, order = evbuffer(), {}
    local function add(name)
      local function callback(_, added)
        order[#order + 1] = name .. added
      end
      buffer:add_cb(callback)
      return callback
    end
    add "a"
    local b = add "b"
    add "c"
    buffer:add "x"
    assert.same({ "a1", "b1", "c1" }, taken(order))
    assert.is_true(buffer:remove_cb(b))
    buffer:add "xy"
    assert.same({ "a2", "c2" }, taken(order))
    buffer:add_cb(b)
    buffer:add "xyz"
    assert.same({ "a3", "c3", "b3" }, taken(order))
  end))

  it("is called as often as it was added", loop(function()
    local buffer = evbuffer()
    local notes, note = noted(buffer)
    buffer:add_cb(note)
    buffer:add "x"
    assert.equal(2, #taken(notes))
    assert.is_true(buffer:remove_cb(note))
    buffer:add "x"
    assert.equal(1, #taken(notes))
    assert.is_true(buffer:remove_cb(note))
    assert.is_false(buffer:remove_cb(note))
    buffer:add "x"
    assert.same({}, notes)
  end))

  it("is not told of what came before it", loop(function()
    local buffer = evbuffer "abc"
    local notes, note = noted(buffer)
    assert.same({}, notes)
    buffer:add "d"
    buffer:remove_cb(note)
    buffer:add "ef"
    buffer:add_cb(note)
    assert.same({ { 1, 0, 3 } }, taken(notes))
    buffer:add "g"
    assert.same({ { 1, 0, 6 } }, notes)
  end))

  it("may be any function, but nothing else", function()
    local buffer = evbuffer()
    helper.badargs(buffer.add_cb, buffer, "function")
    helper.badargs(buffer.remove_cb, buffer, "function")
    assert.is_false(buffer:remove_cb(print))
    buffer:add_cb(rawlen) -- which refuses a buffer
    assert.is_false(pcall(buffer.add, buffer, "x"))
  end)

  it("cannot yield", loop(function()
    local buffer = evbuffer()
    buffer:add_cb(coroutine.yield)
    local co = coroutine.create(buffer.add)
    local ok, message = coroutine.resume(co, buffer, "x")
    assert.is_false(ok)
    assert.matches("attempt to yield across a C%-call boundary", message)
    assert.equal("x", buffer:copyout())
  end))
end)

describe("evbuffer change callback that", function()
  it("closes the buffer is the last", loop(function()
    for name, result in pairs {
      add = "self", prepend = "self", remove = "ab\nc", drain = 4,
      readln = "ab", remove_buffer = 4, add_buffer_reference = "self",
    } do
      local buffer = evbuffer "ab\nc"
      buffer:add_cb(function(self)
        self:close()
        collectgarbage()
      end)
      local notes = noted(buffer)
      local arguments = {
        add = "x", prepend = "x", remove_buffer = evbuffer(),
        add_buffer_reference = evbuffer "x",
      }
      local got = buffer[name](buffer, arguments[name])
      assert.equal(result == "self" and buffer or result, got, name)
      assert.is_true(buffer:is_closed(), name)
      assert.same({}, notes)
    end
  end))

  it("closes both buffers of a move is the last", loop(function()
    for _, name in ipairs { "add", "prepend" } do
      local one, other = evbuffer "one", evbuffer "other"
      local called = 0
      local function close()
        called = called + 1
        one:close()
        other:close()
      end
      one:add_cb(close)
      other:add_cb(close)
      assert.equal(one, one[name](one, other, ("x"):rep(20000), other))
      assert.equal(1, called)
      assert.is_true(one:is_closed() and other:is_closed())
    end
  end))

  it("removes itself is not called again", loop(function()
    local buffer, calls = evbuffer(), 0
    local function once(self)
      calls = calls + 1
      assert.is_true(self:remove_cb(once))
      assert.is_false(self:remove_cb(once))
      collectgarbage()
    end
    buffer:add_cb(once)
    local notes = noted(buffer)
    buffer:add "x":add "y"
    assert.equal(1, calls)
    assert.same({ { 1, 0, 0 }, { 1, 0, 1 } }, notes)
  end))

  it("removes itself alone leaves none", loop(function()
    local buffer = evbuffer()
    local function once(self)
      self:remove_cb(once)
      self:add "inside"
    end
    buffer:add_cb(once)
    buffer:add "x"
    assert.equal("xinside", buffer:copyout())
    local notes = noted(buffer)
    buffer:add "y"
    assert.same({ { 1, 0, 7 } }, notes)
  end))

  it("removes another before its turn prevents it", loop(function()
    local buffer = evbuffer()
    local early, note = noted(buffer), nil
    buffer:add_cb(function(self)
      self:remove_cb(note)
    end)
    local notes
    notes, note = noted(buffer)
    local late = noted(buffer)
    buffer:add "x":add "y"
    assert.same({}, notes)
    assert.same({ { 1, 0, 0 }, { 1, 0, 1 } }, early)
    assert.same(early, late)
  end))

  it("adds another has it called in the next round", loop(function()
    local buffer, notes = evbuffer(), nil
    buffer:add_cb(function(self)
      notes = notes or noted(self)
    end)
    buffer:add "x"
    assert.same({}, notes)
    buffer:add "yz"
    assert.same({ { 2, 0, 1 } }, notes)
  end))

  it("replaces itself is followed by the other next", loop(function()
    local buffer, notes = evbuffer(), nil
    local function first(self)
      self:remove_cb(first)
      notes = noted(self)
    end
    buffer:add_cb(first)
    assert.same({ { 2, 0, 1 } }, buffer:add "x":add "yz" and notes)
  end))

  it("changes the buffer has that told in a next round", loop(function()
    local buffer, calls = evbuffer(), {}
    buffer:add_cb(function(self, added, deleted, before)
      calls[#calls + 1] = ("a %d %d %d"):format(added, deleted, before)
      if #self < 4 then
        self:add "xy"
        assert.equal(1, self:drain(1))
      end
    end)
    buffer:add_cb(function(_, added, deleted, before)
      calls[#calls + 1] = ("b %d %d %d"):format(added, deleted, before)
    end)
    buffer:add "12"
    assert.same({ "a 2 0 0", "b 2 0 0", "a 2 1 2", "b 2 1 2", "a 2 1 3",
      "b 2 1 3" }, calls)
    assert.equal(4, #buffer)
  end))

  it("changes the buffer again and again raises", loop(function()
    local buffer, calls, always = evbuffer(), 0, true
    buffer:add_cb(function(self)
      calls = calls + 1
      if always then
        self:add "x"
      end
    end)
    for round = 1, 2 do
      assert.error_matches(function()
        buffer:add "x"
      end, "change callbacks change the buffer again and again")
      assert.equal(100 * round, calls)
    end
    always = false
    local notes = noted(buffer)
    local before = #buffer
    buffer:add "ab"
    assert.same({ { 2, 0, before } }, notes)
    assert.equal(201, calls)
  end))

  it("moves bytes back and forth with another comes to an end",
    loop(function()
      local one, other, moves = evbuffer(), evbuffer(), 0
      local function move(from)
        if moves < 10 and #from > 0 then
          moves = moves + 1
          from:remove_buffer(from == one and other or one)
        end
      end
      one:add_cb(move)
      other:add_cb(move)
      one:add "abc"
      assert.equal(10, moves)
      assert.equal("abc", one:copyout() or other:copyout())
      assert.equal(3, #one + #other)
    end))

  it("fails has its error raised by the method", loop(function()
    local value = { "an error" }
    for name, argument in pairs {
      add = "x", prepend = "x", remove = 1, drain = 1, readln = "lf",
      remove_buffer = evbuffer(), add_buffer_reference = evbuffer "x",
    } do
      local buffer, fails = evbuffer "line\nrest", true
      buffer:add_cb(function()
        if fails then
          error(value)
        end
      end)
      local notes = noted(buffer)
      local ok, message = pcall(buffer[name], buffer, argument)
      assert.is_false(ok, name)
      assert.equal(value, message, name)
      assert.same({}, notes) -- it comes after the one that failed
      fails = false
      local before = #buffer
      buffer:add "ab"
      assert.same({ { 2, 0, before } }, notes, name)
    end
  end))

  it("fails in one buffer when the other was told",
    loop(function()
      local buffer, source = evbuffer(), evbuffer "abc"
      local notes = noted(buffer)
      local function fail()
        error("no", 0)
      end
      source:add_cb(fail)
      assert.has_error(function()
        buffer:add(source)
      end, "no")
      assert.same({ "abc", 0 }, { buffer:copyout(), #source })
      source:remove_cb(fail)
      buffer:add "d"
      assert.same({ { 3, 0, 0 }, { 1, 0, 3 } }, notes)
    end))

  it("is held by its buffer alone is collected with it", loop(function()
    local probe = setmetatable({}, { __mode = "k" })
    local buffer = evbuffer()
    local function callback()
      return buffer -- a cycle
    end
    probe[callback] = true
    buffer:add_cb(callback)
    callback = nil -- luacheck: ignore
    collectgarbage()
    assert.is_truthy(next(probe))
    buffer = nil
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(probe))
  end))
end)
