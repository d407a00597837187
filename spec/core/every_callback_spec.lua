-- What holds for every callback, and for what a task does between two waits:
-- it may close what called it and its base, raise, fork, and end the process.

local callbacks = require "spec.callbacks"
local helper = require "spec.helper"
local libevent = require "libevent"
local posix = require "spec.posix"

local names = {}
for name in pairs(callbacks) do
  names[#names + 1] = name
end
table.sort(names)

--- A body for `it`: runs fn(base, arm, name) with each kind in turn and a base
-- of its own, where arm(function) lets the function be called; fails if a
-- descriptor is left.
local function each(fn)
  return function()
    collectgarbage()
    local before = helper.descriptors()
    for _, name in ipairs(names) do
      local base = libevent.event_base()
      local sockets = {}
      local function arm(callback)
        table.move({ callbacks[name](base, callback) }, 1, 2, #sockets + 1,
          sockets)
      end
      posix.alarm(60)
      local ok, err = pcall(fn, base, arm, name)
      posix.alarm(0)
      assert(ok, name .. ": " .. tostring(err))
      base:close()
      for _, socket in ipairs(sockets) do
        socket:close()
      end
    end
    collectgarbage()
    collectgarbage()
    assert.equal(before, helper.descriptors(), "descriptors left open")
  end
end

--- Fails unless the base can run a loop.
local function works(base)
  local ticks = 0
  base:timer(function()
    ticks = ticks + 1
    base:loopbreak()
  end):add(0.002)
  assert.equal("break", base:loop())
  assert.equal(1, ticks)
end

describe("every callback", function()
  it("may close its base", each(function(base, arm)
    local never = base:timer(function() error "closed" end)
    local called = 0
    never:add(0.05)
    arm(function()
      called = called + 1
      base:close()
      collectgarbage()
      assert.is_true(never:is_closed())
      assert.error_matches(function() base:loopbreak() end, "closed")
    end)
    assert.equal("break", base:loop())
    assert.equal(1, called)
    assert.is_true(base:is_closed())
  end))

  it("may close what called it, twice, and is called no more",
    each(function(base, arm)
      local called, closed = 0, nil
      arm(function(self)
        called = called + 1
        if type(self) == "userdata" then
          self:close()
          self:close()
          closed = self
        end
        self = nil -- luacheck: ignore
        collectgarbage()
        if called == 1 then
          base:loopbreak()
        end
      end)
      assert.equal("break", base:loop())
      works(base)
      assert.is_true(not closed or closed:is_closed())
      assert.is_true(called == 1 or called > 1 and not closed)
    end))

  it("may raise, and the loop can be run again", each(function(base, arm)
    local value, called = {}, 0
    arm(function()
      called = called + 1
      collectgarbage()
      if called == 1 then
        error(value)
      end
    end)
    local ok, err = pcall(base.loop, base)
    assert.is_false(ok)
    assert.is_true(rawequal(value, err))
    assert.matches("stack traceback", base:traceback())
    works(base)
  end))

  it("may not loop its base, which goes on", each(function(base, arm)
    local ok, message
    arm(function()
      if ok == nil then
        ok, message = pcall(base.loop, base)
        base:loopbreak()
      end
    end)
    assert.equal("break", base:loop())
    works(base)
    assert.is_false(ok)
    assert.matches("running already", message)
  end))

  it("may not yield, which is no more than an error",
    each(function(base, arm, name)
      local ok, message
      arm(function()
        ok, message = pcall(coroutine.yield)
        error "done"
      end)
      local looped, err = pcall(base.loop, base)
      assert.is_false(looped)
      if name:find "^task" then
        assert.is_nil(ok)
        assert.matches("yield", err)
      else
        assert.is_false(ok)
        assert.matches("attempt to yield", message)
      end
    end))

  for _, name in ipairs(names) do
    it("may end the process, in order: " .. name, function()
      helper.prints("bye\nlast\n", ([[
        local libevent, posix = require "libevent", require "spec.posix"
        local base = libevent.event_base()
        local r, w = posix.pipe()
        guard = setmetatable({}, { __gc = function() print "last" end })
        for i = 1, 10 do base:timer(print):add(0.1) end
        base:event(r, "rp", print):add(1)
        local held = { require("spec.callbacks")[%q](base, function()
          print "bye"
          os.exit(0, true)
        end) }
        base:loop()
      ]]):format(name))
    end)

    it("may fork a child that ends, in order: " .. name, function()
      helper.prints("", ([[
        local libevent, posix = require "libevent", require "spec.posix"
        local base = libevent.event_base()
        local peers, left = {}, 0
        local function note(object)
          left = left - 1
          object:close()
          if left == 0 then base:loopbreak() end
        end
        for i, make in ipairs { base.bufferevent, base.stream,
          function(_, socket) return base:event(socket, "rp", note) end } do
          local one, other = libevent.socketpair()
          local object = make(base, one)
          if i < 3 then object:setcb { read = note } end
          if i == 1 then object:enable "r" end
          if i == 3 then object:add() end
          peers[i], left = { other, object, one }, left + 1
        end
        local listener = base:listener("127.0.0.1:0", nil, note)
        local address = listener:getsockname()
        left = left + 1
        local forked
        local held = { require("spec.callbacks")[%q](base, function()
          if forked then return end
          forked = posix.fork()
          if forked == 0 then os.exit(0, true) end
          local how, number = posix.wait(forked)
          assert(how == "exit" and number == 0)
          for _, peer in ipairs(peers) do
            libevent.evbuffer("x"):write(peer[1]:fd())
          end
          client = assert(libevent.socket_connect(address))
        end) }
        local how = base:loop()
        assert(how == "break", how .. left)
      ]]):format(name))
    end)
  end
end)
